//! What happens to a run next, when, and what can be done about it.

use crate::render::parts::{NO_CHECKPOINT, retries, short};
use crate::render::pause::goes_on;
use crate::text::duration::countdown_s;
use resus_core::pause::PauseStep;
use resus_core::view::RunView;
use resus_core::watch::Health;
use serde::Serialize;

/// What happens next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Next {
    /// In words, without when.
    pub what: String,
    /// In so many seconds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_s: Option<f64>,
    /// What can be typed, each with what it does.
    pub commands: Vec<String>,
}

impl Next {
    /// As a sentence.
    pub(crate) fn told(&self) -> String {
        match self.in_s {
            Some(left) => format!("in {}: {}", countdown_s(left), self.what),
            None => self.what.clone(),
        }
    }
}

/// What happens to `view` next.
pub(crate) fn of(view: &RunView) -> Next {
    let id = short(&view.run_id);
    let next = |what: &str, commands: Vec<String>| Next { what: what.to_owned(), in_s: None, commands };
    let stop = || format!("resus stop {id}  ends it");
    let logs = || format!("resus logs {id}  shows what attempt {} printed", view.attempt.max(1));
    match view.phase.as_str() {
        "preparing" => {
            let what = match view.pause.as_ref().map(|pause| pause.step) {
                Some(PauseStep::Wanted) => "it pauses as soon as the worker is ready",
                _ => "the worker says its first word",
            };
            next(what, vec![format!("resus logs -f {id}  shows what it prints")])
        }
        "running" => match view.health {
            Some(Health::Hung | Health::Stale) => {
                let what = "should it stay silent, it is killed and started again from its newest checkpoint";
                next(what, vec![format!("resus logs -f {id}  shows what it prints")])
            }
            Some(Health::Ok | Health::Lost | Health::Unknown) | None => {
                next("it goes on training", vec![format!("resus logs -f {id}  shows what it prints")])
            }
        },
        "pausing" => next(pausing(view), vec![format!("resus resume {id}  calls it off"), stop()]),
        "paused" => {
            let what = "nothing, until somebody resumes or stops it";
            next(what, goes_on(view).into_iter().chain([stop()]).collect())
        }
        "cooling_down" => next("the worker exits, and the run is done", vec![stop()]),
        "stopping" => {
            let what = "the worker is asked less politely: SIGTERM, then SIGKILL".to_owned();
            let kill = format!("resus kill {id}  does not wait");
            Next { what, in_s: view.grace_left_s, commands: vec![kill] }
        }
        "waiting" => Next {
            what: format!("attempt {} begins (retry {})", view.attempt + 1, retries(view)),
            in_s: view.retry_in_s,
            commands: vec![logs(), format!("resus retry {id}  does not wait"), stop()],
        },
        "failed" if has_no_beginning(view) => {
            let commands = [
                format!("resus checkpoints {id}  shows what is wrong with them"),
                format!("resus restore {id} CHECKPOINT  goes on from one that is whole"),
                format!("resus restore {id} none  begins anew"),
            ];
            next("nothing, until you say where it is to begin", commands.into())
        }
        "failed" if has_no_program(view) => {
            let what = "nothing: its command can't be started; type it again, corrected";
            next(what, vec![format!("resus why {id}  says what is wrong with it")])
        }
        "failed" | "cancelled" => {
            let from = match view.checkpoint {
                Some(_) => "goes on from its newest checkpoint",
                None => "tries again; it has no checkpoint to go on from",
            };
            next("nothing, until you do something", vec![logs(), format!("resus retry {id}  {from}")])
        }
        "done" => next("nothing: it is done", vec![logs()]),
        _ => next("this build does not know", vec![format!("resus events {id}  tells what happened")]),
    }
}

/// Whether the run ended because it could not go on from its checkpoints.
pub(crate) fn has_no_beginning(view: &RunView) -> bool {
    view.last_failure.as_ref().is_some_and(|failure| failure.code.as_str() == NO_CHECKPOINT)
}

/// Whether the command of the run was never started, and can't be as it was typed: trying the same
/// again would be in vain.
pub(crate) fn has_no_program(view: &RunView) -> bool {
    let is_unusable = |code: &str| matches!(code, "COMMAND_NOT_FOUND" | "COMMAND_NOT_EXECUTABLE");
    let is_first = view.attempt <= 1 && view.checkpoint.is_none();
    is_first && view.last_failure.as_ref().is_some_and(|failure| is_unusable(failure.code.as_str()))
}

fn pausing(view: &RunView) -> &'static str {
    match view.pause.as_ref().map(|pause| pause.step) {
        Some(PauseStep::Asked) => "the worker holds, or is frozen if it does not in time",
        Some(PauseStep::Releasing) => "the worker saves and leaves, or gets SIGTERM if it does not in time",
        Some(
            PauseStep::Wanted
            | PauseStep::Freezing
            | PauseStep::Held
            | PauseStep::Frozen
            | PauseStep::Released,
        )
        | None => "it is paused in a moment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use resus_core::phase::Phase;
    use serde_json::json;

    #[test]
    fn every_phase_has_a_next_step_and_a_command() {
        for known in Phase::ALL {
            let next = of(&view(json!({"phase": known.as_str()})));
            assert!(!next.what.contains("does not know"), "{known}: {next:?}");
            assert!(next.commands.iter().all(|command| command.starts_with("resus ")), "{next:?}");
            assert!(!next.commands.is_empty(), "{known}");
        }
    }

    #[test]
    fn what_has_a_time_is_told_with_it() {
        let waiting = of(&view(json!({"phase": "waiting", "retry_in_s": 7.2, "retries": 2})));
        assert_eq!(waiting.told(), "in 8s: attempt 2 begins (retry 2/5)");
        let stopping = of(&view(json!({"phase": "stopping", "grace_left_s": 52.0})));
        assert!(stopping.told().starts_with("in 52s: "), "{stopping:?}");
        assert_eq!(of(&view(json!({"phase": "done"}))).told(), "nothing: it is done");
    }

    #[test]
    fn a_run_without_a_whole_checkpoint_is_begun_where_the_user_says() {
        let failure = json!({"code": "CHECKPOINT_CORRUPT", "message": "", "retried": false});
        let next = of(&view(json!({"phase": "failed", "last_failure": failure})));
        assert_eq!(next.commands[2], "resus restore 8c1d9e77 none  begins anew");
        assert!(!next.commands.iter().any(|command| command.contains("retry")), "{next:?}");
    }

    #[test]
    fn a_pause_that_is_wanted_or_under_way_is_told() {
        let at = |phase: &str, step: &str| {
            of(&view(json!({"phase": phase, "pause": {"step": step, "cause": "user"}}))).what
        };
        assert_eq!(at("preparing", "wanted"), "it pauses as soon as the worker is ready");
        assert!(at("pausing", "asked").contains("frozen if it does not"));
        assert!(at("pausing", "releasing").contains("SIGTERM"));
    }
}
