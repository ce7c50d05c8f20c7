//! The worker contract as the worker sees it: which `PULSE_*` variables are set, and to what.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What the supervisor tells a worker through its environment (PULSE, "Worker contract").
///
/// Every field may be absent: a variable that is unset, empty or unreadable counts as not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `PULSE_TRAINING_ID`: the run this worker belongs to.
    pub training_id: Option<String>,
    /// `PULSE_ATTEMPT`: which attempt of the run this process is, from 1; 0 where nobody said.
    pub attempt: u32,
    /// `PULSE_EVENTS`: the file our lines are appended to. Without it nothing is emitted.
    pub events: Option<PathBuf>,
    /// `PULSE_CONTROL`: the Unix stream socket commands come from.
    pub control: Option<PathBuf>,
    /// `PULSE_CHECKPOINT_DIR`: where the supervisor looks for our checkpoints.
    pub checkpoint_dir: Option<PathBuf>,
    /// `PULSE_RESUME_FROM`: the newest verified checkpoint, if there is one to resume from.
    pub resume_from: Option<PathBuf>,
    /// `WATCHDOG_USEC`, in microseconds: silent for longer than this, the worker counts as hung.
    pub watchdog_usec: Option<u64>,
}

impl Environment {
    /// Reads the variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads the variables through `lookup`, so that a test needs no process of its own.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let text = |name: &str| given(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| given(name).map(PathBuf::from);
        Self {
            training_id: text("PULSE_TRAINING_ID"),
            attempt: text("PULSE_ATTEMPT").and_then(|value| value.trim().parse().ok()).unwrap_or(0),
            events: path("PULSE_EVENTS"),
            control: path("PULSE_CONTROL"),
            checkpoint_dir: path("PULSE_CHECKPOINT_DIR"),
            resume_from: path("PULSE_RESUME_FROM"),
            watchdog_usec: text("WATCHDOG_USEC").and_then(|value| value.trim().parse().ok()),
        }
    }

    /// How often a sign of life is due: every ten seconds, or twice within the watchdog's limit
    /// if that is shorter (as sd_watchdog_enabled(3) advises).
    pub(crate) fn beat(&self) -> Duration {
        let half =
            self.watchdog_usec.map(|usec| Duration::from_micros(usec / 2)).filter(|half| !half.is_zero());
        half.map_or(BEAT_MAX, |half| half.clamp(BEAT_MIN, BEAT_MAX))
    }
}

/// Longest and shortest time between two signs of life.
const BEAT_MAX: Duration = Duration::from_secs(10);
const BEAT_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_contract_is_read() {
        let environment = Environment::from_lookup(|name| {
            Some(OsString::from(match name {
                "PULSE_TRAINING_ID" => "run-1",
                "PULSE_ATTEMPT" => "3",
                "PULSE_EVENTS" => "/r/events.jsonl",
                "PULSE_CONTROL" => "/r/c",
                "PULSE_CHECKPOINT_DIR" => "/r/ck",
                "PULSE_RESUME_FROM" => "/r/ck/7.prsm",
                "WATCHDOG_USEC" => "3000000",
                other => panic!("asked for {other}, which the contract does not name"),
            }))
        });
        assert_eq!(
            environment,
            Environment {
                training_id: Some("run-1".into()),
                attempt: 3,
                events: Some("/r/events.jsonl".into()),
                control: Some("/r/c".into()),
                checkpoint_dir: Some("/r/ck".into()),
                resume_from: Some("/r/ck/7.prsm".into()),
                watchdog_usec: Some(3_000_000),
            }
        );
    }

    #[test]
    fn a_sign_of_life_is_due_twice_within_the_watchdogs_limit_and_at_least_every_ten_seconds() {
        let beat = |watchdog_usec| Environment { watchdog_usec, ..Environment::default() }.beat();
        let of_limit = |seconds: u64| beat(Some(seconds * 1_000_000)).as_secs();
        assert_eq!([2, 4, 20, 60].map(of_limit), [1, 2, 10, 10]);
        assert_eq!((beat(None), beat(Some(0)), beat(Some(2))), (BEAT_MAX, BEAT_MAX, BEAT_MIN));
    }

    #[test]
    fn unset_empty_and_unreadable_values_count_as_not_given() {
        assert_eq!(Environment::from_lookup(|_| None), Environment::default());
        assert_eq!(Environment::from_lookup(|_| Some(OsString::new())), Environment::default());
        let odd = Environment::from_lookup(|name| (name == "PULSE_ATTEMPT").then(|| "third".into()));
        assert_eq!(odd.attempt, 0);
    }
}
