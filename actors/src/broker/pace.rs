//! How fast a server that dies is started again. Pure: times come in, times go out.

use std::time::Duration;

/// Wait after the first death; each further one in a row doubles it.
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait: a server that can't live costs next to nothing, and one that can again is back
/// within this.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A server that has lived for so long was a good one: its death is the first of a row.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// From so many deaths in a row on somebody has to look at it.
const ALARM_DEATHS: u32 = 5;

/// Deaths in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    row: u32,
}

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// How long to wait before the next start.
    pub wait: Duration,
    /// Deaths in a row, this one included.
    pub row: u32,
    /// Whether it is time to call for help.
    pub alarm: bool,
}

impl Pace {
    /// A server has died, or could not be started, after it had `lived`.
    pub(super) fn after_death(&mut self, lived: Duration) -> Next {
        self.row = if lived >= HEALTHY_AFTER { 1 } else { self.row.saturating_add(1) };
        let wait = WAIT_FIRST.saturating_mul(1 << (self.row - 1).min(16)).min(WAIT_MAX);
        Next { wait, row: self.row, alarm: self.row >= ALARM_DEATHS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_in_a_row_are_answered_ever_more_slowly_and_then_loudly() {
        let mut pace = Pace::default();
        let nexts: Vec<_> = (0..12).map(|_| pace.after_death(Duration::ZERO)).collect();
        let waits: Vec<_> = nexts.iter().map(|next| next.wait.as_millis()).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[11], 30_000);
        assert!(waits.is_sorted());
        assert_eq!(nexts.iter().position(|next| next.alarm), Some(4), "the fifth");
    }

    #[test]
    fn a_long_life_wipes_the_slate() {
        let mut pace = Pace::default();
        for _ in 0..1000 {
            pace.after_death(Duration::from_secs(59));
        }
        let next = pace.after_death(Duration::from_secs(60));
        assert_eq!(next, Next { wait: WAIT_FIRST, row: 1, alarm: false });
    }
}
