//! Everything about one run in a block.

use crate::render::page::Page;
use crate::render::parts::{
    checkpoint, count, counted, eta, is_command, local, percent, rate, results, retries, said, share, short,
};
use crate::render::{health, pause, reason, shell};
use crate::text::bar::bar;
use crate::text::columns::{pad, width};
use crate::text::duration::{age_s, countdown_s, show_s};
use crate::text::number;
use crate::text::paint::{Colour, phase};
use crate::text::size;
use resus_core::event::Failure;
use resus_core::failure::signal_name;
use resus_core::input::Exit;
use resus_core::view::RunView;

/// Columns of the labels.
const LABEL_WIDTH: usize = 10;
/// Columns of the bar.
const BAR_WIDTH: usize = 20;
/// Columns before the command: two of the margin, the label, and two between.
const COMMAND_COLUMN: usize = LABEL_WIDTH + 4;

/// The block.
pub(crate) fn block(view: &RunView, page: &Page) -> String {
    let look = phase(&view.phase);
    let head = page.paint.on(look.colour, &format!("{} {}", look.glyph, look.word));
    let name = page.paint.on(Colour::Bold, &view.name);
    format!("{head}  {name}  {}\n{}", short(&view.run_id), page.rows(&rows(view, page), LABEL_WIDTH))
}

fn rows(view: &RunView, page: &Page) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |label: &str, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| (label.to_owned(), value)));
    };
    row("run", Some(view.run_id.clone()));
    row("workload", Some(format!("{} on {}", view.workload, view.node)));
    row("message", message(view));
    row("pause", paused(view));
    row("health", health(view));
    row("progress", progress(view));
    row("stage", view.progress.stage.as_deref().map(said));
    row("loss", view.progress.loss.map(number::value));
    row("metrics", Some(metrics(view)));
    row("attempt", Some(attempt(view)));
    let unit = &view.progress.unit;
    row("resumed", view.resumed_from.as_ref().map(|from| format!("from {}", checkpoint(from, unit))));
    row("checkpoint", newest_checkpoint(view, page));
    row("failure", failure(view));
    row("last exit", view.last_exit.as_ref().map(exit));
    row("refused", refused(view));
    row("accepted", Some(format!("{} ({} ago)", local(&view.accepted_at, page), age_s(view.age_s))));
    row("ended", ended(view, page));
    let columns = page.columns.saturating_sub(COMMAND_COLUMN);
    row("command", Some(shell::command(&view.argv, columns)));
    rows
}

/// What the worker said last. The rest of these messages is told by other rows.
fn message(view: &RunView) -> Option<String> {
    (!matches!(view.phase.as_str(), "failed" | "waiting" | "cancelled")).then(|| said(&view.message))
}

/// Why the run is to halt, and how far that has come.
fn paused(view: &RunView) -> Option<String> {
    let step = pause::step(view.pause.as_ref()?.step);
    Some(format!("{}; {step}", pause::cause(view)?))
}

/// What is wrong with the worker's life, or with what we know of it.
fn health(view: &RunView) -> Option<String> {
    let parts: Vec<_> = [health::sentence(view), health::behind(view)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn progress(view: &RunView) -> Option<String> {
    let progress = &view.progress;
    let parts = [
        share(progress).map(|share| bar(share, BAR_WIDTH)),
        percent(progress),
        count(progress),
        rate(progress),
        eta(progress),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("  "))
}

fn metrics(view: &RunView) -> String {
    let results = results(view);
    let name_width = results.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let lines: Vec<_> =
        results.iter().map(|(name, value)| format!("{}  {value}", pad(name, name_width))).collect();
    lines.join("\n")
}

fn attempt(view: &RunView) -> String {
    let mut text = format!("{}, retries {}", view.attempt, retries(view));
    if let Some(left) = view.retry_in_s {
        text.push_str(&format!(", next in {}", countdown_s(left)));
    }
    if let Some(left) = view.grace_left_s {
        text.push_str(&format!(", next step of the stop in {}", countdown_s(left)));
    }
    if let Some(pid) = view.pid {
        text.push_str(&format!(", worker pid {pid}"));
    }
    text
}

/// The newest checkpoint, its path on a line of its own. That there is none yet matters while
/// one may still come.
fn newest_checkpoint(view: &RunView, page: &Page) -> Option<String> {
    let unit = &view.progress.unit;
    let unread = view.checkpoint_unread.as_ref();
    let unread = unread.map(|unread| format!("{}: is being read back", checkpoint(unread, unit)));
    match &view.checkpoint {
        Some(newest) => {
            let path = said(&page.path(&newest.path));
            let unread = unread.map_or_else(String::new, |unread| format!("\n{unread}"));
            Some(format!("{}\n{path}{unread}", checkpoint(newest, unit)))
        }
        None if unread.is_some() => unread,
        None if view.ended_at.is_some() || is_command(view) => None,
        None => Some("none yet".to_owned()),
    }
}

/// The last failure, with advice where it matters still.
fn failure(view: &RunView) -> Option<String> {
    let failure = view.last_failure.as_ref()?;
    let (code, message) = (failure.code.as_str(), said(&failure.message));
    Some(match (view.phase.as_str(), advice(failure)) {
        ("failed" | "waiting", Some(advice)) => format!("{code}: {message}\n{advice}"),
        // A run can be cancelled while it waits for its retry: which attempt failed is not known.
        ("failed" | "waiting" | "cancelled", _) => format!("{code}: {message}"),
        _ if view.attempt == 2 => format!("{code} in attempt 1, retried: {message}"),
        _ => format!("{code} in an earlier attempt, retried: {message}"),
    })
}

/// What the class of a failure advises, and where there is more of it.
pub(crate) fn advice(failure: &Failure) -> Option<String> {
    failure.code.class().map(|class| format!("{} (resus explain {})", class.advice, class.code))
}

/// How a worker ended.
pub(crate) fn exit(exit: &Exit) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => signal_name(signal),
        (None, None) => "nobody saw how".to_owned(),
    };
    let mut text = format!("{how}, {} of CPU time", show_s(exit.cpu_ms as f64 / 1000.0));
    if exit.max_rss_bytes > 0 {
        text.push_str(&format!(", {} of memory at most", size::show(exit.max_rss_bytes)));
    }
    match exit.strays_killed {
        0 => {}
        1 => text.push_str(", 1 left-over process killed"),
        more => text.push_str(&format!(", {more} left-over processes killed")),
    }
    text
}

fn refused(view: &RunView) -> Option<String> {
    (view.refused_lines > 0).then(|| {
        let lines = counted(view.refused_lines, "line");
        format!("{lines} of the worker's events (resus daemon logs says why)")
    })
}

fn ended(view: &RunView, page: &Page) -> Option<String> {
    let at = local(view.ended_at.as_deref()?, page);
    let ago = age_s(view.age_s - view.duration_s);
    // How the others ended, their phase says.
    let why = reason::ended(view).filter(|_| view.phase == "failed");
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Some(format!("{at} ({ago} ago) after {}{why}", show_s(view.duration_s)))
}

#[cfg(test)]
mod tests;
