//! The checkpoints of a run, newest first, and what retention keeps of them.

use crate::render::page::Page;
use crate::render::parts::{amount, counted, said};
use crate::text::duration::age_s;
use crate::text::paint::Colour;
use crate::text::{number, size, table};
use resus_core::api::{CheckpointList, CheckpointState, CheckpointView, PruneReply};
use resus_core::checkpoint::{CheckpointFormat, Health};
use resus_core::policy::{Extreme, RetentionPolicy};
use std::cmp::Ordering;
use std::collections::BTreeMap;

const HEAD: [&str; 9] = ["", "CHECKPOINT", "AT", "SIZE", "AGE", "STATE", "NUMBERS", "MARKS", "FORMAT"];
/// Marks of what stays whatever the rules say.
const IN_USE: &str = "in use";
const KEPT: &str = "kept";
/// Columns before what is told of a checkpoint below its row.
const BELOW: usize = 3;

/// What a list is shown with.
pub(crate) struct Listing<'a> {
    /// The checkpoints.
    pub list: &'a CheckpointList,
    /// What the run counts.
    pub unit: &'a str,
    /// The path of the one that the present attempt resumed from.
    pub in_use: Option<&'a str>,
    /// Now, Unix ms.
    pub now_ms: u64,
}

/// The table, newest first, and the line below it.
pub(crate) fn text(listing: &Listing<'_>, page: &Page) -> String {
    let mut views: Vec<_> = listing.list.checkpoints.iter().collect();
    // Stable, and the list is in the order of verification: of two as far as each other the later
    // one comes first.
    views.reverse();
    views.sort_by(|a, b| newest_first(a, b));
    let best = listing.list.rules.as_ref().map(|rules| best(&views, rules)).unwrap_or_default();
    let rows: Vec<_> = views.iter().map(|view| cells(view, listing, &best)).collect();
    let mut lines = table::lines(&HEAD, &rows, page.paint).into_iter();
    let mut text: String = lines.next().into_iter().collect();
    for (view, line) in views.iter().zip(lines) {
        text.push_str(&line);
        text.push_str(&below(view, page));
    }
    text.push_str(&format!("{}\n", page.sentence(&total(listing))));
    text
}

fn newest_first(a: &CheckpointView, b: &CheckpointView) -> Ordering {
    let at = |view: &CheckpointView| view.checkpoint.step.unwrap_or(f64::NEG_INFINITY);
    at(b).total_cmp(&at(a)).then(b.checkpoint.saved_unix_ms.cmp(&a.checkpoint.saved_unix_ms))
}

/// The best ones by the rules, by path, with the number that makes them so. `views` are newest
/// first: of equal ones the newer is the better.
fn best<'a>(views: &[&'a CheckpointView], rules: &RetentionPolicy) -> BTreeMap<&'a str, f64> {
    let Some(metric) = &rules.best_metric else { return BTreeMap::new() };
    let value = |view: &CheckpointView| {
        let value = view.checkpoint.metrics.get(metric).copied().flatten()?;
        let competes = view.state == CheckpointState::Verified && view.checkpoint.health != Health::NotFinite;
        (competes && value.is_finite()).then_some(value)
    };
    let mut ranked: Vec<_> =
        views.iter().filter_map(|view| Some((value(view)?, view.checkpoint.path.as_str()))).collect();
    ranked.sort_by(|a, b| match rules.best_is {
        Extreme::Max => b.0.total_cmp(&a.0),
        Extreme::Min => a.0.total_cmp(&b.0),
    });
    let count = usize::try_from(rules.keep_best).unwrap_or(usize::MAX);
    ranked.into_iter().take(count).map(|(value, path)| (path, value)).collect()
}

fn cells(view: &CheckpointView, listing: &Listing<'_>, best: &BTreeMap<&str, f64>) -> [String; HEAD.len()] {
    let dash = || "—".to_owned();
    let checkpoint = &view.checkpoint;
    let pinned = view.pinned.then(|| "pinned".to_owned());
    let best = best.get(checkpoint.path.as_str()).map(|value| format!("best {}", number::value(*value)));
    let next = view.is_resume_point.then(|| "next".to_owned());
    let in_use = is_in_use(view, listing).then(|| IN_USE.to_owned());
    let marked = next.is_some() || pinned.is_some() || in_use.is_some();
    let kept = (view.protected && !marked).then(|| KEPT.to_owned());
    let marks: Vec<_> = [next, pinned, in_use, kept, best].into_iter().flatten().collect();
    let age = checkpoint.saved_unix_ms.map(|saved| listing.now_ms.saturating_sub(saved) as f64 / 1000.0);
    [
        if view.is_resume_point { "→" } else { " " }.to_owned(),
        said(&checkpoint.checkpoint_id),
        checkpoint.step.map_or_else(dash, |step| amount(step, listing.unit)),
        checkpoint.size_bytes.map_or_else(dash, size::show),
        age.map_or_else(dash, age_s),
        state(view.state).to_owned(),
        numbers(checkpoint.health).to_owned(),
        marks.join(", "),
        format(checkpoint.format).to_owned(),
    ]
}

/// Whether the present attempt began there, and its worker may read it still.
fn is_in_use(view: &CheckpointView, listing: &Listing<'_>) -> bool {
    is_there(view) && listing.in_use == Some(view.checkpoint.path.as_str())
}

/// What was damaged is out of the way, if it is there at all.
fn is_there(view: &CheckpointView) -> bool {
    view.state != CheckpointState::Damaged
}

fn state(state: CheckpointState) -> &'static str {
    match state {
        CheckpointState::Candidate => "not read back",
        CheckpointState::Verified => "verified",
        CheckpointState::SetAside => "set aside",
        CheckpointState::Damaged => "damaged",
    }
}

fn numbers(health: Health) -> &'static str {
    match health {
        Health::Unknown => "—",
        Health::Finite => "finite",
        Health::NotFinite => "not finite",
    }
}

fn format(format: CheckpointFormat) -> &'static str {
    match format {
        CheckpointFormat::Prsm => "PRSM",
        CheckpointFormat::Manifest => "manifest",
    }
}

/// What is told of one that is damaged: why, and where it lies now.
fn below(view: &CheckpointView, page: &Page) -> String {
    let line = |colour: Colour, text: &str| {
        let text = crate::text::columns::hang(text, BELOW, page.columns);
        format!("{}{}\n", " ".repeat(BELOW), page.paint.on(colour, &text))
    };
    let reason = view.reason.as_deref().map(|reason| line(Colour::Red, &said(reason)));
    let place = view
        .moved_to
        .as_deref()
        .map(|place| line(Colour::Dim, &format!("it lies in {} now", said(&page.path(place)))));
    reason.into_iter().chain(place).collect()
}

/// How many, how much, what retention keeps, and what stays besides.
fn total(listing: &Listing<'_>) -> String {
    let views = &listing.list.checkpoints;
    let there: Vec<_> = views.iter().filter(|view| is_there(view)).collect();
    let bytes: u64 = there.iter().filter_map(|view| view.checkpoint.size_bytes).sum();
    let count = counted(there.len() as u64, "checkpoint");
    let damaged = match views.len() - there.len() {
        0 => String::new(),
        damaged => format!(", and {damaged} damaged"),
    };
    let rules = listing.list.rules.as_ref().map(|rules| format!("; {}", kept(rules, listing.unit)));
    let pinned = there.iter().filter(|view| view.pinned).count();
    let in_use = there.iter().filter(|view| is_in_use(view, listing)).count();
    let besides = [(pinned, "pinned"), (in_use, IN_USE)].into_iter().filter(|(many, _)| *many > 0);
    let besides: Vec<_> = besides.map(|(many, why)| format!("{many} {why}")).collect();
    let besides = match &besides[..] {
        [] => String::new(),
        besides => format!("; whatever the rules say, these stay: {}", besides.join(", ")),
    };
    format!("{count}, {}{damaged}{}{besides}", size::show(bytes), rules.unwrap_or_default())
}

/// What the rules keep, in words.
pub(crate) fn kept(rules: &RetentionPolicy, unit: &str) -> String {
    let newest = match rules.keep_last {
        1 => "the newest".to_owned(),
        count => format!("the newest {count}"),
    };
    let best = rules.best_metric.as_ref().filter(|_| rules.keep_best > 0).map(|metric| {
        let end = match rules.best_is {
            Extreme::Max => "largest",
            Extreme::Min => "smallest",
        };
        let count =
            if rules.keep_best == 1 { "the one".to_owned() } else { format!("the {}", rules.keep_best) };
        format!("{count} with the {end} {}", said(metric))
    });
    let every = (rules.keep_every > 0)
        .then(|| format!("the first of every {}", amount(rules.keep_every as f64, unit)));
    let most = (rules.max_bytes > 0).then(|| format!(", at most {} in all", size::show(rules.max_bytes)));
    let kept: Vec<_> = [Some(newest), best, every].into_iter().flatten().collect();
    format!("retention keeps {}{}", kept.join(", "), most.unwrap_or_default())
}

/// What retention deletes, or would delete.
pub(crate) fn pruned(reply: &PruneReply, unit: &str, page: &Page) -> String {
    let is_dry = !reply.would_delete.is_empty();
    let goes = if is_dry { &reply.would_delete } else { &reply.deleted };
    if goes.is_empty() {
        return "nothing to delete: the rules keep every checkpoint\n".to_owned();
    }
    let row = |view: &CheckpointView| {
        let dash = || "—".to_owned();
        [
            said(&view.checkpoint.checkpoint_id),
            view.checkpoint.step.map_or_else(dash, |step| amount(step, unit)),
            view.checkpoint.size_bytes.map_or_else(dash, size::show),
            view.reason.as_deref().map_or_else(dash, said),
        ]
    };
    let rows: Vec<_> = goes.iter().map(row).collect();
    let mut text: String = table::lines(&["CHECKPOINT", "AT", "SIZE", "WHY"], &rows, page.paint).concat();
    let count = counted(goes.len() as u64, "checkpoint");
    let bytes = size::show(reply.bytes);
    text.push_str(&match is_dry {
        true => format!("{count}, {bytes}, would be deleted; nothing was changed\n"),
        false => format!("{count}, {bytes}, are being deleted\n"),
    });
    text
}

#[cfg(test)]
mod tests;
