//! Where a run is and why: from what was last well to what is to be done.

use crate::render::page::Page;
use crate::render::parts::{failure_of, said, short};
use crate::render::pause::{cause, step};
use crate::render::status::advice;
use crate::render::story::brief;
use crate::render::{health, next, reason};
use crate::text::paint::{Colour, phase};
use resus_core::api::StoryLine;
use resus_core::view::RunView;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Events shown; the first ones tell how it began, the others how it is.
const SHOWN_MAX: usize = 30;
/// Of these, so many from the beginning.
const SHOWN_FIRST: usize = 10;
/// Events that are a run's everyday life and explain nothing.
const ROUTINE: [&str; 5] =
    ["checkpoint_verified", "checkpoint_pruned", "worker_spoke", "adopted", "order_repeated"];
/// Tells from where an attempt began and what that lost: of the newest one that matters.
const ORDERED: &str = "spawn_ordered";

/// What is to be told of a run.
pub(crate) struct Account<'a> {
    view: &'a RunView,
    /// What led to where it is.
    chain: Vec<&'a StoryLine>,
}

/// The same for programs.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    run: &'a RunView,
    /// Where it is, in a sentence.
    summary: String,
    chain: &'a [&'a StoryLine],
    next: next::Next,
    /// Files that tell more.
    evidence: &'a [PathBuf],
}

/// Where in `lines`, the end of a run's history, the present story begins: at the last event that
/// tells that it was well, before the failures that have not been made good since. `None` if that
/// is farther back.
pub(crate) fn turn(view: &RunView, lines: &[StoryLine]) -> Option<usize> {
    let failures = usize::try_from(view.failures).unwrap_or(usize::MAX);
    let failures = failures.max(usize::from(view.last_failure.is_some()));
    let first_failure = match failures {
        0 => lines.len(),
        // A failure that was got over long ago ends the search as well: it is the last story there is.
        count => lines.iter().enumerate().rev().filter(|(_, line)| line.what == "failed").nth(count - 1)?.0,
    };
    let before = lines.get(..first_failure)?;
    let well = before.iter().rposition(|line| matches!(line.what.as_str(), "worker_ready" | "resumed"));
    let from_the_start = || lines.first().filter(|line| line.seq() == 1).map(|_| 0);
    well.or_else(from_the_start)
}

impl<'a> Account<'a> {
    /// The account of `view`, to which `lines` led.
    pub(crate) fn new(view: &'a RunView, lines: &'a [StoryLine]) -> Self {
        let newest_order = lines.iter().rev().find(|line| line.what == ORDERED).map(StoryLine::seq);
        // That no checkpoint can be used is the summary already.
        let is_said = view.phase == "failed" && next::has_no_beginning(view);
        let last_failure = lines.iter().rev().find(|line| line.what == "failed").map(StoryLine::seq);
        let telling = |line: &&StoryLine| match line.what.as_str() {
            ORDERED => Some(line.seq()) == newest_order,
            "failed" if is_said => Some(line.seq()) != last_failure,
            "ended" if is_said => false,
            // Of a worker's words, those that say that something is wrong or over.
            "said" => matches!(kind(line), "error" | "run_complete"),
            what => !ROUTINE.contains(&what),
        };
        Self { view, chain: lines.iter().filter(telling).collect() }
    }

    /// The attempts in the chain whose worker was silent for too long.
    pub(crate) fn attempts_that_hung(&self) -> BTreeSet<u32> {
        let hung = self.chain.iter().filter(|line| line.what == "hung");
        hung.filter_map(|line| u32::try_from(line.event.get("attempt")?.as_u64()?).ok()).collect()
    }

    /// Where the run is, in a sentence.
    fn summary(&self) -> String {
        let view = self.view;
        let failure = view.last_failure.as_ref().map(|f| failure_of(f.code.as_str(), &f.message));
        let failure = failure.unwrap_or_else(|| "no failure is known".to_owned());
        match view.phase.as_str() {
            "preparing" => format!("attempt {} is being prepared", view.attempt.max(1)),
            "running" => running(view),
            "pausing" | "paused" => {
                let how = view.pause.as_ref().map_or("", |pause| step(pause.step));
                format!("{}; {how}", cause(view).unwrap_or_else(|| "it is paused".to_owned()))
            }
            "cooling_down" => "the training is complete; the worker's exit is awaited".to_owned(),
            "stopping" => "its worker is being stopped".to_owned(),
            "waiting" => format!("attempt {} failed with {failure}", view.attempt),
            "failed" => match reason::ended(view) {
                Some(_) if next::has_no_beginning(view) => failure,
                Some(why) => format!("{failure}. It is not tried again: {why}"),
                None => failure,
            },
            "done" | "cancelled" => reason::ended(view).unwrap_or_else(|| "it has ended".to_owned()),
            other => format!("this build does not know the phase {:?}", said(other)),
        }
    }
}

fn running(view: &RunView) -> String {
    health::sentence(view).unwrap_or_else(|| match &view.last_failure {
        Some(failure) => format!("it trains, and has got over {}", failure.code),
        None => "it trains, and nothing has gone wrong".to_owned(),
    })
}

fn kind(line: &StoryLine) -> &str {
    line.event.get("event_type").and_then(Value::as_str).unwrap_or_default()
}

/// The account as a document.
pub(crate) fn document<'a>(account: &'a Account<'a>, evidence: &'a [PathBuf]) -> Document<'a> {
    Document {
        run: account.view,
        summary: account.summary(),
        chain: &account.chain,
        next: next::of(account.view),
        evidence,
    }
}

/// The account for people.
pub(crate) fn text(account: &Account<'_>, evidence: &[PathBuf], page: &Page) -> String {
    let view = account.view;
    let (look, id) = (phase(&view.phase), short(&view.run_id));
    let head = page.paint.on(look.colour, &format!("{} {}", look.glyph, look.word));
    let name = page.paint.on(Colour::Bold, &view.name);
    let mut text = format!("{head}  {name}  {id}\n  {}\n", page.sentence(&account.summary()));
    let failure = view.last_failure.as_ref().filter(|_| matches!(view.phase.as_str(), "failed" | "waiting"));
    let failure = failure.filter(|_| !next::has_no_beginning(view));
    if let Some(advice) = failure.and_then(advice) {
        text.push_str(&format!("  {}\n", page.sentence(&advice)));
    }
    text.push_str("what led there\n");
    text.push_str(&chain(account, page));
    let next = next::of(view);
    text.push_str("what comes next\n");
    text.push_str(&format!("  {}\n", page.sentence(&next.told())));
    for file in evidence {
        text.push_str(&format!("  its stacks when it hung: {}\n", page.path(&file.to_string_lossy())));
    }
    for command in &next.commands {
        text.push_str(&format!("  {}\n", page.sentence(command)));
    }
    text
}

fn chain(account: &Account<'_>, page: &Page) -> String {
    let lines = &account.chain;
    let hidden = lines.len().saturating_sub(SHOWN_MAX);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if hidden > 0 && index == SHOWN_FIRST {
            let id = short(&account.view.run_id);
            text.push_str(&format!("  … {hidden} more: resus events {id}\n"));
        }
        if hidden == 0 || index < SHOWN_FIRST || index >= SHOWN_FIRST + hidden {
            text.push_str(&brief(line, page));
        }
    }
    if lines.is_empty() {
        text.push_str("  nothing has happened yet\n");
    }
    text
}

#[cfg(test)]
mod tests;
