//! What the worker was asked for and has not done yet.

use resus_sdk::{Command, Verb};
use std::time::Duration;

/// Requests that wait for the end of the current step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Leave for good.
    pub(crate) stop: bool,
    /// Hold at a checkpoint …
    pub(crate) hold: bool,
    /// … or leave there, giving the place free (`pause` with `"release": true`).
    pub(crate) release: bool,
    /// Save and go on.
    pub(crate) save: bool,
    /// Take so long for a step from now on (`configure` with `"step_ms"`).
    pub(crate) step_time: Option<Duration>,
}

impl Asked {
    pub(crate) fn hear(&mut self, command: &Command, ignore_stop: bool) {
        match command.verb {
            Verb::Stop => self.stop |= !ignore_stop,
            Verb::Checkpoint => self.save = true,
            Verb::Resume => (self.hold, self.release) = (false, false),
            Verb::Pause => {
                let release = command.arguments.get("release").and_then(|value| value.as_bool());
                *(if release == Some(true) { &mut self.release } else { &mut self.hold }) = true;
            }
            Verb::Configure => {
                let millis = command.arguments.get("step_ms").and_then(|value| value.as_u64());
                self.step_time = millis.map(Duration::from_millis).or(self.step_time);
            }
        }
    }

    /// Whether a step must not begin before something is done.
    pub(crate) fn is_pressing(&self) -> bool {
        self.stop || self.hold || self.release || self.save
    }

    /// Whether a worker that does nothing has to get up.
    pub(crate) fn must_leave(&self) -> bool {
        self.stop || self.release
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn after(lines: &[(Verb, Value)]) -> Asked {
        let mut asked = Asked::default();
        for (verb, arguments) in lines {
            let arguments: Map<String, Value> = arguments.as_object().cloned().unwrap();
            asked.hear(&Command { verb: *verb, arguments }, false);
        }
        asked
    }

    #[test]
    fn a_pause_holds_until_a_resume() {
        assert!(after(&[(Verb::Pause, json!({}))]).hold);
        assert_eq!(after(&[(Verb::Pause, json!({})), (Verb::Resume, json!({}))]), Asked::default());
    }

    #[test]
    fn a_pause_with_release_leaves() {
        let asked = after(&[(Verb::Pause, json!({"release": true}))]);
        assert!(asked.must_leave() && !asked.hold && !asked.stop);
    }

    #[test]
    fn a_resume_does_not_take_back_a_stop() {
        assert!(after(&[(Verb::Stop, json!({})), (Verb::Resume, json!({}))]).stop);
    }

    #[test]
    fn a_worker_told_to_ignores_stop_and_only_stop() {
        let mut asked = Asked::default();
        asked.hear(&Command { verb: Verb::Stop, arguments: Map::new() }, true);
        assert_eq!(asked, Asked::default());
        asked.hear(&Command { verb: Verb::Checkpoint, arguments: Map::new() }, true);
        assert!(asked.save);
    }

    #[test]
    fn the_pace_can_be_changed_and_nonsense_changes_nothing() {
        let asked =
            after(&[(Verb::Configure, json!({"step_ms": 5})), (Verb::Configure, json!({"step_ms": "x"}))]);
        assert_eq!(asked.step_time, Some(Duration::from_millis(5)));
        assert!(!asked.is_pressing());
    }
}
