//! The node-wide budget: how much is said when many want to speak.
//!
//! Whoever speaks seldom is heard at once; only when all of them together say more than the
//! budget do they wait for each other, each in its turn and with its newest word.

/// Shortest interval between two messages of one lane, in milliseconds (4 Hz).
pub const INTERVAL_MS_MIN: u64 = 250;
/// Telemetry messages that a node sends per second when more want to be sent. Heartbeats
/// ([`super::beats::BEATS_PER_S`]) and the states that go along
/// ([`super::refresh::REFRESHES_PER_S`]) make it 200 messages in all.
pub const MESSAGES_PER_S: u32 = 115;
/// Messages that may go out at once after a time with fewer: half a second's worth.
const BURST: i64 = 60;
/// What goes out before a class A event does not wait, and is made up for later; not for longer
/// than this many messages take.
const DEBT_MAX: i64 = 120;
/// Thousandths of a message: what flows in within a millisecond per message and second.
const ONE: i64 = 1_000;

/// What a node may still send: a token bucket. Times are milliseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// In thousandths of a message; below zero after more had to be said.
    left: i64,
    counted_mono_ms: Option<u64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BURST * ONE, counted_mono_ms: None }
    }
}

impl Budget {
    /// Whether a message may go out now.
    pub fn has(&mut self, now_ms: u64) -> bool {
        let since = self.counted_mono_ms.map_or(0, |at| now_ms.saturating_sub(at));
        let flown = i64::try_from(since.saturating_mul(u64::from(MESSAGES_PER_S))).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(flown).min(BURST * ONE);
        self.counted_mono_ms = Some(now_ms.max(self.counted_mono_ms.unwrap_or(0)));
        self.left >= ONE
    }

    /// So many messages have gone out.
    pub fn spend(&mut self, messages: usize) {
        let spent = i64::try_from(messages).unwrap_or(i64::MAX).saturating_mul(ONE);
        self.left = self.left.saturating_sub(spent).max(-DEBT_MAX * ONE);
    }

    /// When [`Budget::has`] will say yes if nothing more is spent.
    #[must_use]
    pub fn next_ms(&self, now_ms: u64) -> u64 {
        let missing = u64::try_from(ONE - self.left).unwrap_or(0);
        let counted = self.counted_mono_ms.unwrap_or(now_ms);
        counted.saturating_add(missing.div_ceil(u64::from(MESSAGES_PER_S))).max(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_over_any_second_and_nothing_of_it_is_lost() {
        for step in [1, 3, 10, 37, 250] {
            let mut budget = Budget::default();
            let mut sent = Vec::new();
            for now in (0..10_000).step_by(step) {
                while budget.has(now) {
                    budget.spend(1);
                    sent.push(now);
                }
            }
            let per_s = i64::from(MESSAGES_PER_S);
            for second in 0..9_u64 {
                let within = |at: &&u64| (second * 1_000..(second + 1) * 1_000).contains(*at);
                let count = i64::try_from(sent.iter().filter(within).count()).unwrap();
                assert!(count <= per_s + BURST, "{count} in second {second}, step {step}");
            }
            let all = i64::try_from(sent.len()).unwrap();
            assert!(all >= per_s * 10 - per_s / 2 && all <= per_s * 10 + BURST, "{all}, step {step}");
        }
    }

    #[test]
    fn whoever_comes_after_a_pause_is_heard_at_once() {
        let mut budget = Budget::default();
        budget.has(0);
        budget.spend(60);
        assert!(!budget.has(0));
        let next = budget.next_ms(0);
        assert!(!budget.has(next - 1) && budget.has(next), "{next}");
        assert!(budget.has(10_000));
        assert_eq!(budget.next_ms(10_000), 10_000);
    }

    #[test]
    fn what_could_not_wait_is_made_up_for_but_not_for_ever() {
        let mut budget = Budget::default();
        budget.has(0);
        budget.spend(usize::MAX);
        let next = budget.next_ms(0);
        assert!(next <= 1_100, "{next}");
        assert!(budget.has(next));
    }
}
