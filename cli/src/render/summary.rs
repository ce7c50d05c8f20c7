//! How a run ended, in a few lines; and what that means as an exit code.

use crate::error::Told;
use crate::render::next::{has_no_beginning, has_no_program};
use crate::render::page::Page;
use crate::render::parts::{amount, checkpoint, failure_of, results, said, short};
use crate::render::reason;
use crate::render::status::{advice, exit};
use crate::text::duration::show_s;
use crate::text::number;
use crate::text::paint::phase;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;

/// The number of SIGKILL.
const SIGKILL: i32 = 9;

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

/// The summary of a run that has ended without a failure.
pub(crate) fn summary(view: &RunView, page: &Page) -> String {
    let look = phase(&view.phase);
    let head = page.paint.on(look.colour, &format!("{} {}", look.glyph, look.word));
    let (name, id) = (&view.name, short(&view.run_id));
    let mut text = format!("{head}  {name} {id} after {}\n", lived(view));
    text.push_str(&page.rows(&rows(view), 0));
    for line in after_cancel(view) {
        text.push_str(&format!("  {}\n", page.sentence(&line)));
    }
    text
}

fn lived(view: &RunView) -> String {
    let attempts = if view.attempt > 1 { format!(" and {} attempts", view.attempt) } else { String::new() };
    format!("{}{attempts}", show_s(view.duration_s))
}

fn rows(view: &RunView) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |label: &str, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| (label.to_owned(), value)));
    };
    row("message", (view.phase == "done").then(|| said(&view.message)));
    row("loss", view.progress.loss.map(number::value));
    for (name, value) in results(view) {
        row(&name, Some(value));
    }
    row("checkpoint", view.checkpoint.as_ref().map(|newest| checkpoint(newest, &view.progress.unit)));
    row("output", Some(format!("resus logs {}", short(&view.run_id))));
    rows
}

/// What there is to know of a run that was cancelled, and how it goes on.
pub(crate) fn after_cancel(view: &RunView) -> Vec<String> {
    let mut lines = Vec::new();
    if view.phase != "cancelled" {
        return lines;
    }
    let killed = view.last_exit.is_some_and(|exit| exit.signal == Some(SIGKILL));
    match (&view.checkpoint, killed) {
        (Some(newest), true) => {
            let from = newest
                .step
                .map_or_else(|| said(&newest.checkpoint_id), |step| amount(step, &view.progress.unit));
            lines.push(format!("it was killed; the newest checkpoint is from {from}"));
        }
        (None, true) => lines.push("it was killed; there is no checkpoint".to_owned()),
        (_, false) => {}
    }
    if view.checkpoint.is_some() {
        lines.push(format!("resus retry {}  goes on from there", short(&view.run_id)));
    }
    lines
}

/// What failed, why, and what to type next, of a run that failed.
pub(crate) fn told(view: &RunView) -> Option<Told> {
    let failure = view.last_failure.as_ref().filter(|_| view.phase == "failed")?;
    let mut why = vec![failure_of(failure.code.as_str(), &failure.message)];
    // Where no checkpoint can be used, that is all there is to say.
    if !has_no_beginning(view) {
        why.extend(advice(failure));
        why.extend(view.last_exit.as_ref().map(|last| format!("the worker ended: {}", exit(last))));
        why.extend(reason::ended(view).map(|why| format!("not tried again: {why}")));
    }
    let newest = view.checkpoint.as_ref().map(|newest| checkpoint(newest, &view.progress.unit));
    why.extend(newest.map(|newest| format!("the newest checkpoint: {newest}")));
    let (id, lived) = (short(&view.run_id), lived(view));
    let what = format!("run {id} ({}) failed after {lived}", view.name);
    let next = match (has_no_beginning(view), has_no_program(view)) {
        (true, _) => format!("resus checkpoints {id}; to begin anew: resus restore {id} none"),
        (_, true) => "type the command again, corrected".to_owned(),
        (false, false) => format!("resus logs {id}; when it is mended: resus retry {id}"),
    };
    Some(Told { what, why, next: Some(next) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
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
            "phase": "done", "attempt": 2, "message": "trained 20,000 games", "age_s": 9999.0,
            "metrics": {
                "win_rate_random": 0.98123, "win_rate_greedy": null, "loss": 0.127,
                "win_rate_positional": 0.708, "win_rate_positional_low": 0.679, "win_rate_positional_high": 0.735,
            },
        }));
        let expected = "\
✓ done  othello 8c1d9e77 after 3m12s and 2 attempts
  message              trained 20,000 games
  loss                 0.127
  win_rate_greedy      not finite
  win_rate_positional  0.708  (0.679–0.735)
  win_rate_random      0.981
  output               resus logs 8c1d9e77
";
        assert_eq!(summary(&view, &page(80)), expected);
        assert_eq!(told(&view), None);
    }

    #[test]
    fn a_cancelled_run_says_how_it_goes_on() {
        let newest = json!({"checkpoint_id": "ck-12000", "path": "/p", "step": 12000.0});
        let cancelled = |exit, newest| {
            let view = view(json!({
                "phase": "cancelled", "message": "cancelled by user", "metrics": {}, "checkpoint": newest,
                "last_exit": exit,
            }));
            summary(&view, &page(80))
        };
        let expected = "\
○ cancelled  othello 8c1d9e77 after 3m12s
  loss        0.127
  checkpoint  ck-12000 at 12,000 games
  output      resus logs 8c1d9e77
  resus retry 8c1d9e77  goes on from there
";
        assert_eq!(cancelled(json!({"code": 0}), newest.clone()), expected);
        let killed = cancelled(json!({"signal": 9}), newest);
        assert!(killed.contains("  it was killed; the newest checkpoint is from 12,000 games\n"), "{killed}");
        let bare = cancelled(json!({"signal": 9}), json!(null));
        assert!(bare.ends_with("  it was killed; there is no checkpoint\n"), "{bare}");
    }

    #[test]
    fn a_command_that_could_not_be_started_is_typed_again() {
        let next = |attempt: u32, code: &str| {
            let failure = json!({"code": code, "message": "", "retried": false});
            let failed = view(json!({"phase": "failed", "attempt": attempt, "last_failure": failure}));
            told(&failed).and_then(|told| told.next).unwrap_or_default()
        };
        assert_eq!(next(1, "COMMAND_NOT_FOUND"), "type the command again, corrected");
        assert!(next(2, "COMMAND_NOT_FOUND").contains("resus retry"), "it has run before");
        assert!(next(1, "EXIT_NONZERO").contains("resus retry"));
    }

    #[test]
    fn a_bad_end_is_told_in_three_parts() {
        let view = view(json!({
            "phase": "failed", "attempt": 2, "ended_why": "CLASS_SPENT",
            "last_failure": {"code": "STARTUP_FAILED", "message": "exit code 1 right after the start", "retried": false},
            "last_exit": {"code": 1, "cpu_ms": 40},
        }));
        let expected = "\
error: run 8c1d9e77 (othello) failed after 3m12s and 2 attempts
  why: STARTUP_FAILED: exit code 1 right after the start
       The worker failed soon after its start, before any progress. The end of
       its log says why. (resus explain STARTUP_FAILED)
       the worker ended: code 1, 0.0s of CPU time
       not tried again: this kind of failure was retried once already
  try: resus logs 8c1d9e77; when it is mended: resus retry 8c1d9e77
";
        assert_eq!(told(&view).expect("it failed").text(&page(80)), expected);
    }
}
