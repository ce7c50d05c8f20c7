//! How a follower that has lost something gets it back from the state: decisions only.

use super::{ClientError, is_passing};
use resus_core::ids::RunId;
use resus_core::pulse::state::StateSnapshot;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// So many states that are too old; a daemon that lives has written a newer one long before.
const OLD_STATES_MAX: usize = 50;
/// Between two looks for telemetry that was left out. A state is told as often.
const TICKS_INTERVAL: Duration = Duration::from_secs(1);
/// Telemetry kept to be applied to the state that is looked for; with more, looking begins anew.
const HEARD_MAX: usize = 1024;

/// Looks for a state that reaches up to the fact `needed`.
pub(super) struct Looks {
    pub(super) run_id: RunId,
    /// The newest fact that is known.
    pub(super) known: u64,
    pub(super) needed: u64,
    /// Answers in a row that were too old.
    pub(super) too_old: usize,
}

impl Looks {
    /// What was read, if it reaches far enough. While nobody answers it is waited without end: an
    /// outage says nothing about what was lost.
    pub(super) fn take<T>(&mut self, read: Result<(u64, T), ClientError>) -> Result<Option<T>, ClientError> {
        match read {
            Ok((seq, state)) if seq >= self.needed => return Ok(Some(state)),
            Ok(_) => self.too_old += 1,
            Err(error) if is_passing(&error) => self.too_old = 0,
            Err(error) => return Err(error),
        }
        if self.too_old >= OLD_STATES_MAX {
            return Err(ClientError::Gap { run_id: self.run_id.clone(), seq: self.known });
        }
        Ok(None)
    }
}

/// Telemetry that was left out, found by its ticks: they are contiguous.
pub(super) struct Ticks {
    /// Something before this tick is missing.
    missing_before: Option<u64>,
    /// Telemetry from there on, to be applied to the state that has what is missing.
    heard: Vec<Value>,
    look_at: Instant,
}

impl Ticks {
    pub(super) fn new() -> Self {
        Self { missing_before: None, heard: Vec::new(), look_at: Instant::now() }
    }

    /// `event` has moved the newest tick.
    pub(super) fn hear(&mut self, before: u64, now: u64, event: &Value) {
        if now == before {
            return;
        }
        if now != before.saturating_add(1) || self.heard.len() >= HEARD_MAX {
            self.heard.clear();
            self.missing_before = Some(now);
        }
        if self.missing_before.is_some() {
            self.heard.push(event.clone());
        }
    }

    /// The whole state was read anew: instead of telemetry up to tick `before` up to `now`.
    pub(super) fn begin_anew(&mut self, before: u64, now: u64) {
        self.heard.clear();
        self.missing_before = (now < before).then(|| before.saturating_add(1));
    }

    /// When the state is to be read for what is missing.
    pub(super) fn due(&self) -> Option<Instant> {
        self.missing_before.map(|_| self.look_at)
    }

    /// The state is about to be read.
    pub(super) fn look(&mut self, now: Instant) {
        self.look_at = now + TICKS_INTERVAL;
    }

    /// Our state with the telemetry of `read`, if that has what is missing. The facts stay ours:
    /// those that `read` is ahead by are about to be heard.
    pub(super) fn complete(&mut self, ours: &StateSnapshot, read: StateSnapshot) -> Option<StateSnapshot> {
        let missing_before = self.missing_before?;
        if read.told.seq < ours.told.seq || read.telemetry.tick.saturating_add(1) < missing_before {
            return None;
        }
        let mut state = StateSnapshot { told: ours.told.clone(), ..read };
        self.missing_before = None;
        for event in self.heard.drain(..) {
            // What is in the state already is old and changes nothing.
            let _applied = state.apply(&event);
        }
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::{NatsError, RequestError};
    use serde_json::json;

    const RUN: &str = "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77";

    fn run_id() -> RunId {
        RunId::new(RUN).unwrap()
    }

    #[test]
    fn an_outage_is_waited_for_and_states_that_stay_old_are_a_loss() {
        let mut looks = Looks { run_id: run_id(), known: 3, needed: 5, too_old: 0 };
        let away = || NatsError::Away { link: "x".into(), reason: "gone".into() };
        let silent = || RequestError::Silent { waited: Duration::ZERO };
        let unknown =
            || ClientError::Unknown { run_id: run_id(), namespace: resus_core::ids::Slug::new("n").unwrap() };
        for _ in 0..10 * OLD_STATES_MAX {
            for error in [away().into(), ClientError::Request(silent()), unknown()] {
                assert_eq!(looks.take::<()>(Err(error)), Ok(None));
            }
        }
        for _ in 1..OLD_STATES_MAX {
            assert_eq!(looks.take(Ok((4, ()))), Ok(None));
        }
        assert_eq!(looks.take(Ok((5, "good"))), Ok(Some("good")));
        assert_eq!(looks.take(Ok((4, ()))), Err(ClientError::Gap { run_id: run_id(), seq: 3 }));
        let refused = NatsError::Refused { link: "x".into() };
        assert_eq!(looks.take::<()>(Err(refused.clone().into())), Err(refused.into()));
    }

    fn state(seq: u64, tick: u64, metrics: Value) -> StateSnapshot {
        let time = "2026-01-01T00:00:00Z";
        let v1 = json!({"status": "running", "epoch": 0.0, "total_epochs": 0.0, "loss": 0.0, "message": "",
            "timestamp": 0});
        serde_json::from_value(json!({"v": 2, "training_id": RUN, "name": "n", "workload": "w", "node": "a",
            "attempt": 1, "seq": seq, "status": "running", "reason": "", "message": "", "timestamp": time,
            "telemetry_attempt": 1, "after_seq": 7, "tick": tick, "metrics": metrics, "v1": v1}))
        .unwrap()
    }

    fn metric(tick: u64, name: &str) -> Value {
        json!({"v": 2, "training_id": RUN, "attempt": 1, "event_type": "metric", "after_seq": 7, "tick": tick,
            "payload": {"metrics": {name: tick}}})
    }

    #[test]
    fn telemetry_that_was_left_out_is_read_once_a_second_and_nothing_newer_is_lost() {
        let (mut ticks, mut ours) = (Ticks::new(), state(7, 1, json!({})));
        for (tick, name) in [(2, "a"), (4, "b"), (5, "c")] {
            let before = ours.telemetry.tick;
            let _taken = ours.apply(&metric(tick, name));
            ticks.hear(before, ours.telemetry.tick, &metric(tick, name));
            assert_eq!(ticks.due().is_some(), tick > 2, "{tick}");
        }
        let now = Instant::now();
        ticks.look(now);
        assert_eq!(ticks.due(), Some(now + TICKS_INTERVAL));
        assert_eq!(ticks.complete(&ours, state(7, 2, json!({"a": 2}))), None, "it lacks it as well");
        assert_eq!(ticks.complete(&ours, state(6, 9, json!({}))), None, "its facts are older than ours");
        let complete = ticks.complete(&ours, state(8, 4, json!({"a": 2, "left out": 3, "b": 4}))).unwrap();
        assert_eq!(
            serde_json::to_value(&complete.metrics).unwrap(),
            json!({"a": 2.0, "b": 4.0, "c": 5.0, "left out": 3.0})
        );
        assert_eq!((complete.told.seq, complete.telemetry.tick), (7, 5), "fact 8 is still to be heard");
        assert_eq!(ticks.due(), None);
    }

    #[test]
    fn a_state_with_older_telemetry_than_was_heard_is_looked_for_again() {
        let mut ticks = Ticks::new();
        ticks.begin_anew(5, 5);
        assert_eq!(ticks.due(), None);
        ticks.begin_anew(5, 3);
        let ours = state(7, 3, json!({}));
        assert_eq!(ticks.complete(&ours, state(7, 4, json!({}))), None);
        assert_eq!(ticks.complete(&ours, state(7, 5, json!({}))).unwrap().telemetry.tick, 5);
    }
}
