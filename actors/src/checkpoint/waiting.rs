//! The checks of other frameworks' checkpoints that a run waits for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Checks of one run at a time. They wait in turn for the one that reads; more announcements than these
/// come from a worker that saves faster than its files can be read.
const WAITING_MAX: usize = 32;

#[derive(Default)]
pub(super) struct Waiting {
    checks: VecDeque<Check>,
    serials: u64,
}

struct Check {
    path: String,
    serial: u64,
    cancel: Cancel,
}

/// Set when nobody waits for the check any more; also when the actor that waited is gone.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Begins a check of `path` and gives up an earlier one of it, or the oldest of too many. Returns its
    /// serial number and the flag that tells it to end.
    pub(super) fn begin(&mut self, path: &str) -> (u64, Arc<AtomicBool>) {
        self.checks.retain(|check| check.path != path);
        if self.checks.len() >= WAITING_MAX {
            tracing::warn!(path, "checkpoints are announced faster than they can be read back");
            self.checks.pop_front();
        }
        self.serials += 1;
        let cancel = Cancel(Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&cancel.0);
        self.checks.push_back(Check { path: path.to_owned(), serial: self.serials, cancel });
        (self.serials, flag)
    }

    /// A check has ended. Whether its result is still wanted.
    pub(super) fn is_over(&mut self, serial: u64) -> bool {
        let before = self.checks.len();
        self.checks.retain(|check| check.serial != serial || check.cancel.0.load(Ordering::Relaxed));
        self.checks.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_announcement_of_a_path_takes_the_place_of_the_earlier_one() {
        let mut waiting = Waiting::default();
        let (first, first_cancel) = waiting.begin("/a");
        let (other, other_cancel) = waiting.begin("/b");
        let (second, second_cancel) = waiting.begin("/a");
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        assert!(is_set(&first_cancel) && !is_set(&other_cancel) && !is_set(&second_cancel));
        assert!(!waiting.is_over(first));
        assert!(waiting.is_over(second) && waiting.is_over(other));
        assert!(!waiting.is_over(second), "once");
    }

    #[test]
    fn of_too_many_the_oldest_is_given_up_and_all_when_nobody_waits() {
        let mut waiting = Waiting::default();
        let all: Vec<_> = (0..=WAITING_MAX).map(|n| waiting.begin(&n.to_string()).1).collect();
        let given_up = || all.iter().filter(|flag| flag.load(Ordering::Relaxed)).count();
        assert_eq!(given_up(), 1);
        assert!(all[0].load(Ordering::Relaxed));
        drop(waiting);
        assert_eq!(given_up(), all.len());
    }
}
