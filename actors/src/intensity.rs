//! Restart intensity as in OTP: at most so many restarts in a period, then escalate.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many restarts of one actor are normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed in the period.
    pub restarts: usize,
    /// Length of the sliding period.
    pub period: Duration,
}

/// Failures of one actor within the period.
#[derive(Debug, Default)]
pub struct Window {
    failures: VecDeque<Instant>,
}

impl Window {
    /// Counts a failure (at the failure, not at the restart) and says whether another restart
    /// is allowed.
    pub fn allows(&mut self, intensity: Intensity, now: Instant) -> bool {
        while self.failures.front().is_some_and(|at| now.duration_since(*at) >= intensity.period) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        self.failures.len() <= intensity.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_allowed_and_a_storm_is_not() {
        let intensity = Intensity { restarts: 3, period: Duration::from_secs(10) };
        let mut window = Window::default();
        for _ in 0..3 {
            assert!(window.allows(intensity, Instant::now()));
        }
        assert!(!window.allows(intensity, Instant::now()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(window.allows(intensity, Instant::now()), "the period is over");
    }
}
