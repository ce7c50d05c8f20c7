//! Everything about one run in a block.

use crate::render::parts::{command, count, percent, rate, results, retries, said, share, short};
use crate::text::bar::bar;
use crate::text::columns::pad;
use crate::text::duration::{age_s, countdown_s, show_s};
use crate::text::paint::{Colour, Paint, phase};
use crate::text::{number, size};
use resus_core::event::Failure;
use resus_core::failure::signal_name;
use resus_core::input::{CheckpointRef, Exit};
use resus_core::view::RunView;

/// Columns of the labels.
const LABEL_WIDTH: usize = 12;
/// Columns of the bar.
const BAR_WIDTH: usize = 20;

/// The block.
pub(crate) fn block(view: &RunView, paint: Paint) -> String {
    let look = phase(&view.phase);
    let head = paint.on(look.colour, &format!("{} {}", look.glyph, look.word));
    let mut text = format!("{head}  {}  {}\n", paint.on(Colour::Bold, &view.name), short(&view.run_id));
    for (label, value) in rows(view) {
        let label = paint.on(Colour::Dim, &pad(label, LABEL_WIDTH));
        text.push_str(&format!("  {label}{value}\n"));
    }
    text
}

fn rows(view: &RunView) -> Vec<(&'static str, String)> {
    let mut rows =
        vec![("run", view.run_id.clone()), ("workload", format!("{} on {}", view.workload, view.node))];
    let mut row = |label, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| (label, value)));
    };
    row("message", Some(said(&view.message)));
    row("progress", progress(view));
    row("stage", view.progress.stage.as_deref().map(said));
    row("loss", view.progress.loss.map(number::value));
    let metrics = results(&view.metrics).into_iter().map(|(name, value)| format!("{name} {value}"));
    row("metrics", Some(metrics.collect::<Vec<_>>().join(", ")));
    row("attempt", Some(attempt(view)));
    row("resumed", view.resumed_from.as_ref().map(|from| format!("from {}", checkpoint(from))));
    row("checkpoint", Some(view.checkpoint.as_ref().map_or_else(|| "none yet".to_owned(), checkpoint)));
    row("failure", view.last_failure.as_ref().map(failure));
    row("", view.last_failure.as_ref().and_then(advice));
    row("last exit", view.last_exit.as_ref().map(exit));
    // The age of a run that has ended is how long it took.
    match &view.ended_at {
        None => row("accepted", Some(format!("{} ({} ago)", view.accepted_at, age_s(view.age_s)))),
        Some(ended_at) => {
            row("accepted", Some(view.accepted_at.clone()));
            let why = said(view.ended_why.as_deref().unwrap_or(""));
            row(
                "ended",
                Some(format!("{ended_at} after {}  {why}", show_s(view.age_s)).trim_end().to_owned()),
            );
        }
    }
    row("command", Some(command(&view.argv)));
    rows
}

fn progress(view: &RunView) -> Option<String> {
    let progress = &view.progress;
    let parts = [
        share(progress).map(|share| bar(share, BAR_WIDTH)),
        percent(progress),
        count(progress),
        rate(progress),
        progress.eta_s.map(|eta| format!("eta {}", show_s(eta))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("  "))
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

/// `ck-000150 at 12,400, 144.3MiB, /path`.
pub(crate) fn checkpoint(checkpoint: &CheckpointRef) -> String {
    let mut text = said(&checkpoint.checkpoint_id);
    if let Some(step) = checkpoint.step {
        text.push_str(&format!(" at {}", number::amount(step)));
    }
    if let Some(bytes) = checkpoint.size_bytes {
        text.push_str(&format!(", {}", size::show(bytes)));
    }
    format!("{text}, {}", said(&checkpoint.path))
}

fn failure(failure: &Failure) -> String {
    format!("{}: {}", failure.code, said(&failure.message))
}

/// What the class of a failure advises.
pub(crate) fn advice(failure: &Failure) -> Option<String> {
    failure.code.class().map(|class| class.advice.to_owned())
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
    if exit.strays_killed > 0 {
        text.push_str(&format!(", {} left-over processes killed", exit.strays_killed));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    #[test]
    fn a_run_in_training() {
        let view = view(json!({
            "checkpoint": {"checkpoint_id": "ck-12000", "path": "/s/ck-12000.prsm", "step": 12000.0, "size_bytes": 151345678},
        }));
        let expected = "\
● running  othello  8c1d9e77
  run         0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77
  workload    othello on gpu-a1
  message     self-play
  progress    ████████████▍         62%  12,400/20,000 games  812 games/s  eta 12s
  loss        0.127
  metrics     games_per_second 812
  attempt     1, retries 0/5, worker pid 4242
  checkpoint  ck-12000 at 12,000, 144.3MiB, /s/ck-12000.prsm
  accepted    2026-11-22T04:13:46.123Z (3m ago)
  command     resus worker othello
";
        assert_eq!(block(&view, Paint(false)), expected);
    }

    #[test]
    fn a_run_that_failed_says_what_to_look_at() {
        let view = view(json!({
            "phase": "failed", "status": "error", "failures": 6, "pid": null, "metrics": {},
            "message": "HOST_OOM: gone", "ended_at": "2026-11-22T05:13:46.123Z", "ended_why": "BUDGET_SPENT",
            "progress": {"unit": ""}, "attempt": 6,
            "last_failure": {"code": "HOST_OOM", "message": "gone\n\u{1b}[2J", "retried": false},
            "last_exit": {"signal": 9, "cpu_ms": 61000, "max_rss_bytes": 1048576, "strays_killed": 2},
            "argv": ["sh", "-c", "exit 1"],
        }));
        let expected = "\
✗ failed  othello  8c1d9e77
  run         0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77
  workload    othello on gpu-a1
  message     HOST_OOM: gone
  attempt     6, retries 6/5
  checkpoint  none yet
  failure     HOST_OOM: gone · \\u{1b}[2J
              The machine's memory did not suffice.
  last exit   SIGKILL, 1m01s of CPU time, 1MiB of memory at most, 2 left-over processes killed
  accepted    2026-11-22T04:13:46.123Z
  ended       2026-11-22T05:13:46.123Z after 3m12s  BUDGET_SPENT
  command     sh -c 'exit 1'
";
        assert_eq!(block(&view, Paint(false)), expected);
    }
}
