//! The same failure at the same amount of work, again and again: more attempts from the same
//! place will not help.

use super::RetryState;
use crate::codes::{Code, Rule};

/// So many times in a row the same is no accident.
pub const LOOP_FAILURES: u32 = 3;

/// Failures whose cause lies outside of the work: they say nothing about a checkpoint, however
/// often they come.
const OF_THE_SURROUNDINGS: [&str; 3] = ["RESOURCE_UNAVAILABLE", "SPAWN_FAILED", "RUN_LOCKED"];

/// A failure that came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    /// Its class.
    pub code: Code,
    /// Amount done, every time.
    pub at: f64,
    /// How many times in a row.
    pub count: u32,
    /// The run has gone back to an older checkpoint because of it.
    pub went_back: bool,
}

impl Repeat {
    /// It is time to do something else than try again.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        let patience = if self.went_back { 2 * LOOP_FAILURES } else { LOOP_FAILURES };
        self.count >= patience
    }
}

impl RetryState {
    /// What comes back, after one more failure of class `code` at the amount `at`. One that is
    /// nobody's fault, or that of the surroundings, neither counts nor ends a row; one at an
    /// unknown amount ends it.
    #[must_use]
    pub fn repeat_with(&self, code: &Code, at: Option<f64>) -> Option<Repeat> {
        if code.rule() == Rule::Free || OF_THE_SURROUNDINGS.contains(&code.as_str()) {
            return self.repeat.clone();
        }
        let at = at?;
        match &self.repeat {
            Some(repeat) if repeat.code == *code && repeat.at == at => {
                Some(Repeat { count: repeat.count.saturating_add(1), ..repeat.clone() })
            }
            Some(_) | None => Some(Repeat { code: code.clone(), at, count: 1, went_back: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row after these failures.
    fn after(failures: &[(&str, Option<f64>)]) -> Option<(u32, bool)> {
        let mut state = RetryState::default();
        for (code, at) in failures {
            state.note_failure(&Code::new(code), *at, true);
        }
        state.repeat.map(|repeat| (repeat.count, repeat.is_loop()))
    }

    #[test]
    fn only_the_same_failure_at_the_same_amount_is_a_row() {
        let crash = ("WORKER_CRASHED", Some(512.0));
        assert_eq!(after(&[crash, crash]), Some((2, false)));
        assert_eq!(after(&[crash; 3]), Some((3, true)), "healthy progress does not wipe it");
        assert_eq!(after(&[crash, crash, ("WORKER_CRASHED", Some(513.0))]), Some((1, false)));
        assert_eq!(after(&[crash, crash, ("HUNG", Some(512.0))]), Some((1, false)));
        assert_eq!(after(&[crash, crash, ("WORKER_CRASHED", None), crash]), Some((1, false)));
    }

    #[test]
    fn what_is_nobodys_fault_neither_counts_nor_ends_a_row() {
        let crash = ("WORKER_CRASHED", Some(512.0));
        assert_eq!(after(&[("PREEMPTED", Some(512.0)); 5]), None);
        assert_eq!(after(&[("SPAWN_FAILED", Some(512.0)); 5]), None);
        assert_eq!(after(&[crash, ("NODE_LOST", Some(9.0)), crash, crash]), Some((3, true)));
    }

    #[test]
    fn after_going_back_it_may_happen_as_often_again() {
        let crash = Code::new("WORKER_CRASHED");
        let mut repeat = Repeat { code: crash, at: 1.0, count: 3, went_back: true };
        for (count, is_loop) in [(3, false), (5, false), (6, true)] {
            repeat.count = count;
            assert_eq!(repeat.is_loop(), is_loop, "{count}");
        }
    }
}
