//! When a shim that lost its daemon starts one again. No clock: time is passed in.

use crate::machine::Millis;

/// The wait after the daemon was lost, and the next ones; the last one repeats.
const DELAYS_MS: [Millis; 8] = [200, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000];

/// Revival of one daemon by one shim.
#[derive(Debug)]
pub(crate) struct Revive {
    /// Whether there is a command to start the daemon with.
    possible: bool,
    /// No daemon that wants to be revived was here since the last `bye`.
    dismissed: bool,
    /// Added to every delay, in percent of it.
    jitter_percent: Millis,
    next: Option<Next>,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    tries: usize,
    at: Millis,
}

impl Revive {
    /// `run_id` spreads the shims of one dead daemon, so that the first ones to act spare
    /// the others the work.
    pub(crate) fn new(possible: bool, run_id: &str) -> Self {
        let hash = run_id.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        Self { possible, dismissed: true, jitter_percent: Millis::from(hash % 50), next: None }
    }

    /// A daemon said hello.
    pub(crate) fn greeted(&mut self) {
        self.dismissed = false;
        self.next = None;
    }

    /// The daemon leaves on purpose.
    pub(crate) fn dismiss(&mut self) {
        self.dismissed = true;
        self.next = None;
    }

    /// The last connection is gone.
    pub(crate) fn lost(&mut self, now: Millis) {
        if self.possible && !self.dismissed && self.next.is_none() {
            self.next = Some(Next { tries: 0, at: now + self.delay(0) });
        }
    }

    /// Whether to try now; then the next try is already planned.
    pub(crate) fn is_due(&mut self, now: Millis) -> bool {
        let Some(Next { tries, at }) = self.next else { return false };
        if now < at {
            return false;
        }
        self.next = Some(Next { tries: tries + 1, at: now + self.delay(tries + 1) });
        true
    }

    /// When [`Revive::is_due`] changes its answer.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.next.map(|next| next.at)
    }

    fn delay(&self, tries: usize) -> Millis {
        let delay = DELAYS_MS[tries.min(DELAYS_MS.len() - 1)];
        delay + delay * self.jitter_percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run id without jitter.
    const EVEN: &str = "";

    #[test]
    fn waits_grow_to_a_minute_and_stay_there() {
        let mut revive = Revive::new(true, EVEN);
        revive.greeted();
        revive.lost(1_000);
        let mut waits = Vec::new();
        let mut now = 1_000;
        while let Some(at) = revive.next_at().filter(|_| waits.len() < 10) {
            assert!(!revive.is_due(at - 1));
            assert!(revive.is_due(at));
            waits.push(at - now);
            now = at;
        }
        assert_eq!(waits, [200, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn a_hello_ends_the_tries_and_a_new_loss_starts_over() {
        let mut revive = Revive::new(true, EVEN);
        revive.greeted();
        revive.lost(0);
        assert!(revive.is_due(200));
        revive.greeted();
        assert_eq!(revive.next_at(), None);
        revive.lost(10_000);
        assert_eq!(revive.next_at(), Some(10_200));
    }

    #[test]
    fn nobody_is_revived_after_a_bye_or_before_a_hello_or_without_a_command() {
        let mut never_met = Revive::new(true, EVEN);
        never_met.lost(0);
        assert_eq!(never_met.next_at(), None);

        let mut dismissed = Revive::new(true, EVEN);
        dismissed.greeted();
        dismissed.dismiss();
        dismissed.lost(0);
        assert_eq!(dismissed.next_at(), None);

        let mut helpless = Revive::new(false, EVEN);
        helpless.greeted();
        helpless.lost(0);
        assert_eq!(helpless.next_at(), None);
    }

    #[test]
    fn shims_of_different_runs_do_not_all_act_at_once() {
        let first = |run_id: &str| {
            let mut revive = Revive::new(true, run_id);
            revive.greeted();
            revive.lost(0);
            revive.next_at().unwrap()
        };
        let moments: std::collections::BTreeSet<_> = (0..100).map(|n| first(&format!("run-{n}"))).collect();
        assert!(moments.len() > 10, "{moments:?}");
        assert!(moments.iter().all(|at| (200..300).contains(at)), "{moments:?}");
    }
}
