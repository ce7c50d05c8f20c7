//! How a run ended, in a few lines; and what that means as an exit code.

use crate::error::Told;
use crate::render::parts::{results, said, short};
use crate::render::status::{advice, checkpoint, exit};
use crate::text::columns::{pad, width};
use crate::text::duration::show_s;
use crate::text::number;
use crate::text::paint::{Colour, Paint, phase};
use resus_core::exit::ExitCode;
use resus_core::view::RunView;

/// Columns between labels and values.
const GAP: usize = 3;

/// How a run ended as an exit code; `None` while it has not.
pub(crate) fn outcome(view: &RunView) -> Option<ExitCode> {
    let lost = || view.last_failure.as_ref().is_some_and(|failure| failure.code.as_str() == "TRAINING_LOST");
    match view.phase.as_str() {
        "done" => Some(ExitCode::Ok),
        "failed" if lost() => Some(ExitCode::RunLost),
        "failed" => Some(ExitCode::RunFailed),
        "cancelled" => Some(ExitCode::RunCancelled),
        _ => None,
    }
}

/// The summary of a run that has ended.
pub(crate) fn summary(view: &RunView, paint: Paint) -> String {
    let look = phase(&view.phase);
    let head = paint.on(look.colour, &format!("{} {}", look.glyph, look.word));
    let attempts = if view.attempt > 1 { format!(" and {} attempts", view.attempt) } else { String::new() };
    let (name, id) = (&view.name, short(&view.run_id));
    let mut text = format!("{head}  {name} {id} after {}{attempts}\n", show_s(view.age_s));
    let rows = rows(view);
    let label_width = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0) + GAP;
    for (label, value) in rows {
        text.push_str(&format!("  {}{value}\n", paint.on(Colour::Dim, &pad(&label, label_width))));
    }
    text
}

fn rows(view: &RunView) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |label: &str, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| (label.to_owned(), value)));
    };
    row("message", (view.phase != "failed").then(|| said(&view.message)));
    row("loss", view.progress.loss.map(number::value));
    for (name, value) in results(&view.metrics) {
        if name != "loss" || view.progress.loss.is_none() {
            row(&name, Some(value));
        }
    }
    row("checkpoint", view.checkpoint.as_ref().map(checkpoint));
    row("output", Some(format!("resus logs {}", short(&view.run_id))));
    rows
}

/// What failed, why, and what to type next, of a run that failed.
pub(crate) fn told(view: &RunView) -> Option<Told> {
    let failure = view.last_failure.as_ref().filter(|_| view.phase == "failed")?;
    let mut why = vec![format!("{}: {}", failure.code, said(&failure.message))];
    why.extend(advice(failure));
    why.extend(view.last_exit.as_ref().map(|last| format!("the worker ended: {}", exit(last))));
    why.extend(view.ended_why.as_deref().map(|why| format!("not tried again: {}", said(why))));
    let id = short(&view.run_id);
    let what = format!("run {id} ({}) failed in attempt {}", view.name, view.attempt);
    Some(Told { what, why, next: Some(format!("resus logs {id}; when it is mended: resus retry {id}")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use resus_core::phase::Phase;
    use serde_json::json;

    #[test]
    fn every_phase_has_its_exit_code_or_none() {
        for known in Phase::ALL {
            let code = outcome(&view(json!({"phase": known.as_str()})));
            assert_eq!(code.is_some(), known.is_terminal(), "{known}");
        }
        let failed = |code: &str| {
            let failure = json!({"code": code, "message": "", "retried": false});
            outcome(&view(json!({"phase": "failed", "last_failure": failure})))
        };
        assert_eq!(failed("CUDA_OOM"), Some(ExitCode::RunFailed));
        assert_eq!(failed("TRAINING_LOST"), Some(ExitCode::RunLost));
        assert_eq!(outcome(&view(json!({"phase": "cancelled"}))), Some(ExitCode::RunCancelled));
        assert_eq!(outcome(&view(json!({"phase": "done"}))), Some(ExitCode::Ok));
    }

    #[test]
    fn a_good_end_shows_its_results() {
        let view = view(json!({
            "phase": "done", "attempt": 2, "message": "trained 20,000 games",
            "metrics": {"win_rate_random": 0.98123, "win_rate_greedy": null, "loss": 0.127},
        }));
        let expected = "\
✓ done  othello 8c1d9e77 after 3m12s and 2 attempts
  message           trained 20,000 games
  loss              0.127
  win_rate_greedy   not finite
  win_rate_random   0.981
  output            resus logs 8c1d9e77
";
        assert_eq!(summary(&view, Paint(false)), expected);
        assert_eq!(told(&view), None);
    }

    #[test]
    fn a_bad_end_is_told_in_three_parts() {
        let view = view(json!({
            "phase": "failed", "attempt": 2, "ended_why": "CLASS_SPENT",
            "last_failure": {"code": "STARTUP_FAILED", "message": "exit code 1 right after the start", "retried": false},
            "last_exit": {"code": 1, "cpu_ms": 40},
        }));
        let expected = "\
error: run 8c1d9e77 (othello) failed in attempt 2
  why: STARTUP_FAILED: exit code 1 right after the start
       The worker ended before it was ready. The end of its log says why.
       the worker ended: code 1, 0.0s of CPU time
       not tried again: CLASS_SPENT
  try: resus logs 8c1d9e77; when it is mended: resus retry 8c1d9e77
";
        assert_eq!(told(&view).expect("it failed").text(Paint(false)), expected);
    }
}
