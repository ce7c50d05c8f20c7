//! Whose heartbeat is told, and when: every worker's in intervals, a new one's at once, and no
//! more of all together than the node's budget allows.

use crate::ids::RunId;
use std::collections::BTreeMap;

/// Shortest time between two heartbeats of one run, in milliseconds.
pub const BEAT_INTERVAL_MS: u64 = 10_000;
/// Heartbeats of all runs together per second.
pub const BEATS_PER_S: u64 = 20;
/// How often [`Beats::due`] is to be asked, in milliseconds.
pub const LOOK_MS: u64 = 250;

/// When each run's heartbeat was told.
#[derive(Debug, Clone, Default)]
pub struct Beats {
    told_mono_ms: BTreeMap<RunId, u64>,
}

impl Beats {
    /// Of the runs that have a worker, those whose heartbeat is to be told now: first those who
    /// have waited longest. They count as told.
    pub fn due(&mut self, workers: &[RunId], now_ms: u64) -> Vec<RunId> {
        self.told_mono_ms.retain(|run_id, _| workers.contains(run_id));
        let waits = |run_id: &&RunId| {
            self.told_mono_ms.get(run_id).is_none_or(|at| now_ms.saturating_sub(*at) >= BEAT_INTERVAL_MS)
        };
        let mut due: Vec<_> = workers.iter().filter(waits).cloned().collect();
        due.sort_by_key(|run_id| self.told_mono_ms.get(run_id).copied());
        due.truncate(usize::try_from(BEATS_PER_S * LOOK_MS / 1_000).unwrap_or(usize::MAX));
        self.told_mono_ms.extend(due.iter().map(|run_id| (run_id.clone(), now_ms)));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(n: u64) -> Vec<RunId> {
        (0..n).map(|n| RunId::new(format!("r{n}")).unwrap()).collect()
    }

    #[test]
    fn a_new_worker_beats_at_once_and_then_every_ten_seconds() {
        let mut beats = Beats::default();
        let workers = runs(1);
        let told: Vec<_> =
            (0..30_000).step_by(250).filter(|now| !beats.due(&workers, *now).is_empty()).collect();
        assert_eq!(told, [0, 10_000, 20_000]);
        assert!(beats.due(&[], 30_000).is_empty());
        assert!(beats.told_mono_ms.is_empty(), "who has no worker is forgotten");
        assert_eq!(beats.due(&workers, 30_001).len(), 1);
    }

    #[test]
    fn many_workers_share_the_budget_and_each_has_its_turn() {
        let mut beats = Beats::default();
        let workers = runs(1_000);
        let mut told = BTreeMap::new();
        for now in (0..100_000).step_by(250) {
            let due = beats.due(&workers, now);
            assert!(due.len() <= 5);
            for run_id in due {
                *told.entry(run_id).or_insert(0) += 1;
            }
        }
        assert_eq!(told.len(), 1_000);
        assert!(told.values().all(|n| *n == 2), "{:?}", told.values().max());
    }
}
