//! Whose state is told anew, and when: the first change at once, further ones in intervals, the
//! last one always, and all runs together within a budget.

use crate::ids::RunId;
use std::collections::{BTreeMap, VecDeque};

/// Shortest time between two refreshes of one run, in milliseconds.
pub const REFRESH_INTERVAL_MS: u64 = 1_000;
/// Refreshes of all runs together per second. Each is two messages (the state and the v1
/// snapshot); with [`super::budget::MESSAGES_PER_S`] and [`super::beats::BEATS_PER_S`] they make the
/// node's 200 messages a second.
pub const REFRESHES_PER_S: u64 = 30;

/// Runs whose state has changed since it was told. Its memory is one entry per run that changed.
#[derive(Debug, Clone, Default)]
pub struct Refresh {
    /// In the order in which they changed, each once.
    waiting: VecDeque<RunId>,
    known: BTreeMap<RunId, Known>,
    /// Before this nobody's turn comes.
    next_mono_ms: u64,
}

#[derive(Debug, Clone, Default)]
struct Known {
    waits: bool,
    told_mono_ms: Option<u64>,
}

impl Refresh {
    /// The state of a run has changed.
    pub fn changed(&mut self, run_id: &RunId) {
        let known = self.known.entry(run_id.clone()).or_default();
        if !known.waits {
            known.waits = true;
            self.waiting.push_back(run_id.clone());
        }
    }

    /// The run to tell now, if one is due. It counts as told.
    pub fn take(&mut self, now_mono_ms: u64) -> Option<RunId> {
        if now_mono_ms < self.next_mono_ms {
            return None;
        }
        let place = self.waiting.iter().position(|run_id| self.due(run_id) <= now_mono_ms)?;
        let run_id = self.waiting.remove(place)?;
        if let Some(known) = self.known.get_mut(&run_id) {
            (known.waits, known.told_mono_ms) = (false, Some(now_mono_ms));
        }
        self.next_mono_ms = now_mono_ms + 1_000 / REFRESHES_PER_S;
        self.forget(now_mono_ms);
        Some(run_id)
    }

    /// When [`Refresh::take`] has something next, in milliseconds of the monotonic clock.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.waiting.iter().map(|run_id| self.due(run_id)).min().map(|due| due.max(self.next_mono_ms))
    }

    fn due(&self, run_id: &RunId) -> u64 {
        let told = self.known.get(run_id).and_then(|known| known.told_mono_ms);
        told.map_or(0, |at| at.saturating_add(REFRESH_INTERVAL_MS))
    }

    /// Runs that could be told at once anyway need not be remembered.
    fn forget(&mut self, now_mono_ms: u64) {
        self.known.retain(|_, known| {
            let recent = |at: u64| at.saturating_add(REFRESH_INTERVAL_MS) > now_mono_ms;
            known.waits || known.told_mono_ms.is_some_and(recent)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u64) -> RunId {
        RunId::new(format!("r{n}")).unwrap()
    }

    #[test]
    fn the_first_change_is_told_at_once_and_the_last_one_always() {
        let mut refresh = Refresh::default();
        assert_eq!((refresh.take(5), refresh.next_due()), (None, None));
        refresh.changed(&run(1));
        assert_eq!(refresh.take(5), Some(run(1)));
        refresh.changed(&run(1));
        refresh.changed(&run(1));
        assert_eq!(refresh.take(500), None);
        assert_eq!(refresh.next_due(), Some(1_005));
        assert_eq!(refresh.take(1_005), Some(run(1)));
        assert_eq!((refresh.take(9_000), refresh.next_due()), (None, None));
    }

    #[test]
    fn many_runs_share_the_budget_and_each_has_its_turn() {
        let mut refresh = Refresh::default();
        let mut told = BTreeMap::new();
        for now in 0..10_000 {
            for n in 0..100 {
                refresh.changed(&run(n));
            }
            if let Some(run_id) = refresh.take(now) {
                *told.entry(run_id).or_insert(0_u64) += 1;
            }
        }
        let all: u64 = told.values().sum();
        assert!((9 * REFRESHES_PER_S..=10 * REFRESHES_PER_S + 10).contains(&all), "{all}");
        assert_eq!(told.len(), 100);
        assert!(told.values().all(|n| (2..=4).contains(n)), "{told:?}");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut refresh = Refresh::default();
        for n in 0..1_000 {
            refresh.changed(&run(n));
            assert!(refresh.take(n * 2_000).is_some());
        }
        assert!(refresh.known.len() <= 2, "{}", refresh.known.len());
    }
}
