//! The node-wide budget: how often each lane may speak when many want to.

/// Shortest interval between two messages of one lane, in milliseconds (4 Hz).
pub const INTERVAL_MS_MIN: u64 = 250;
/// Longest interval that the budget stretches to, in milliseconds. Beyond it people would see
/// a standstill, so a node with more lanes than fit goes over its budget instead.
pub const INTERVAL_MS_MAX: u64 = 2_000;
/// Telemetry messages that a node sends per second. The states that go along
/// ([`super::refresh::REFRESHES_PER_S`]) make it 200 messages in all.
pub const MESSAGES_PER_S: u32 = 140;

/// How many telemetry messages a node may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Messages per second of all lanes together; 0 counts as 1.
    pub messages_per_s: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { messages_per_s: MESSAGES_PER_S }
    }
}

impl Budget {
    /// Interval in milliseconds for each of `emitters` lanes that speak at the same time: the
    /// same for all, between [`INTERVAL_MS_MIN`] and [`INTERVAL_MS_MAX`], rounded up so that
    /// the budget holds.
    ///
    /// A lane is one kind of telemetry of one run ([`super::coalescer::Coalescer::emitters`]).
    #[must_use]
    pub fn interval_ms(self, emitters: usize) -> u64 {
        let emitters = u64::try_from(emitters).unwrap_or(u64::MAX);
        let fair = emitters.saturating_mul(1_000).div_ceil(u64::from(self.messages_per_s.max(1)));
        fair.clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_speak_at_four_hertz_and_many_share() {
        let budget = Budget::default();
        let intervals = [0, 1, 35, 36, 70, 280, 281, usize::MAX].map(|n| budget.interval_ms(n));
        assert_eq!(intervals, [250, 250, 250, 258, 500, 2_000, 2_000, 2_000]);
    }

    #[test]
    fn the_budget_holds_until_the_longest_interval() {
        for emitters in 1..=280_usize {
            let per_s = emitters as f64 * 1_000.0 / Budget::default().interval_ms(emitters) as f64;
            assert!(per_s <= f64::from(MESSAGES_PER_S), "{emitters} lanes send {per_s}");
        }
        assert_eq!(Budget { messages_per_s: 0 }.interval_ms(1), 1_000);
    }
}
