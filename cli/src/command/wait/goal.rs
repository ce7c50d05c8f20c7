//! What a run can be waited for, and when that is so, or can't be any more.

use crate::command::ps::{phases, unknown};
use crate::render::summary::outcome;
use resus_core::api::StoryLine;
use resus_core::view::RunView;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The run has ended, however.
    Ended,
    /// It has a checkpoint that verified.
    Checkpoint,
    /// It is in this phase.
    Phase(&'static str),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It is so, or was since the wait began.
    Reached,
    /// It will not be so: the run has ended.
    Never,
    /// The run was removed meanwhile.
    Removed,
}

/// Reads what is to be waited for.
///
/// # Errors
/// What is not known, and what is.
pub(crate) fn a_goal(text: &str) -> Result<Goal, String> {
    match text {
        "ended" => return Ok(Goal::Ended),
        "checkpoint" => return Ok(Goal::Checkpoint),
        _ => {}
    }
    let phases = phases();
    let known = phases.iter().find(|phase| **phase == text);
    known
        .map(|phase| Goal::Phase(phase))
        .ok_or_else(|| unknown("state", text, &[&["ended", "checkpoint"][..], &phases].concat()))
}

impl Goal {
    /// What has come of it, given the run as it is and what has happened since the last look: a phase
    /// may be over before anybody looks.
    pub(super) fn came(self, view: &RunView, lines: &[StoryLine]) -> Option<Came> {
        let happened = |what: &str| lines.iter().any(|line| line.what == what);
        let is_so = match self {
            Self::Ended => outcome(view).is_some(),
            Self::Checkpoint => view.checkpoint.is_some() || happened("checkpoint_verified"),
            Self::Phase("running") => view.phase == "running" || happened("worker_ready"),
            Self::Phase("paused") => view.phase == "paused" || happened("paused"),
            Self::Phase(phase) => view.phase == phase,
        };
        match (is_so, outcome(view)) {
            (true, _) => Some(Came::Reached),
            (false, Some(_)) => Some(Came::Never),
            (false, None) => None,
        }
    }

    /// Behind `the run`, when it is so.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Ended => "has ended",
            Self::Checkpoint => "has a verified checkpoint",
            Self::Phase("preparing") => "is preparing",
            Self::Phase("running") => "is running",
            Self::Phase("pausing") => "is being paused",
            Self::Phase("paused") => "is paused",
            Self::Phase("cooling_down") => "is cooling down",
            Self::Phase("stopping") => "is being stopped",
            Self::Phase("waiting") => "is waiting for a retry",
            Self::Phase("done") => "is done",
            Self::Phase("failed") => "has failed",
            Self::Phase("cancelled") => "is cancelled",
            Self::Phase(_) => "is there",
        }
    }

    /// The same when it is not so.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Ended => "has not ended",
            Self::Checkpoint => "has no verified checkpoint",
            Self::Phase("preparing") => "is not preparing",
            Self::Phase("running") => "is not running",
            Self::Phase("pausing") => "is not being paused",
            Self::Phase("paused") => "is not paused",
            Self::Phase("cooling_down") => "is not cooling down",
            Self::Phase("stopping") => "is not being stopped",
            Self::Phase("waiting") => "is not waiting for a retry",
            Self::Phase("done") => "is not done",
            Self::Phase("failed") => "has not failed",
            Self::Phase("cancelled") => "is not cancelled",
            Self::Phase(_) => "is not there",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{line, view};
    use serde_json::json;

    #[test]
    fn every_phase_can_be_waited_for_by_words_of_its_own() {
        for phase in phases() {
            let goal = a_goal(phase).unwrap();
            assert_eq!(goal, Goal::Phase(phase));
            assert_ne!((goal.words(), goal.missing()), ("is there", "is not there"), "{phase}");
            assert_eq!(goal.came(&view(json!({"phase": phase})), &[]), Some(Came::Reached), "{phase}");
        }
        let error = a_goal("runing").unwrap_err();
        assert!(error.contains("did you mean running?") && error.contains("ended, checkpoint"), "{error}");
    }

    #[test]
    fn what_was_over_before_anybody_looked_counts() {
        let done = view(json!({"phase": "done"}));
        let running = Goal::Phase("running");
        assert_eq!(running.came(&done, &[]), Some(Came::Never));
        assert_eq!(running.came(&done, &[line(3, "worker_ready", json!({}))]), Some(Came::Reached));
        assert_eq!(Goal::Checkpoint.came(&view(json!({})), &[]), None);
    }
}
