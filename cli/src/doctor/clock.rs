//! The clock of the machine. Nothing that matters depends on it; people's reading of times does.

use crate::doctor::Check;
use crate::text::duration;

/// A difference that somebody notices in a log.
const JUMP_S: f64 = 5.0;

/// What was found of the clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clock {
    /// Whether somebody keeps it in step; else why that is not known.
    pub in_step: Result<bool, String>,
    /// By how many seconds it has moved more than time has passed, since the daemon's start.
    pub jump_s: Option<f64>,
}

/// By how much the clock moved more than time passed: from the start of something at `started` and for
/// `uptime_s` (which does not count while the machine sleeps) to `now`; Unix seconds.
pub(crate) fn jump_s(now_s: f64, started_s: f64, uptime_s: f64) -> f64 {
    now_s - started_s - uptime_s
}

/// How the clock is.
pub(crate) fn clock(found: &Clock) -> Check {
    const WHAT: &str = "clock";
    if let Some(jump) = found.jump_s.filter(|jump| jump.abs() >= JUMP_S) {
        let (by, way) = (duration::show_s(jump.abs()), if jump > 0.0 { "ahead" } else { "back" });
        let said = format!(
            "it went {by} {way} since the daemon's start (it was set, or the machine slept); times shown \
             before and after do not fit together, and deadlines do not depend on it"
        );
        return Check::warning(WHAT, said, "resus daemon restart (trainings go on meanwhile)");
    }
    match &found.in_step {
        Ok(true) => Check::good(WHAT, "kept in step with others"),
        Ok(false) => {
            let said = "nobody keeps it in step with others: times here and elsewhere may differ";
            Check::warning(WHAT, said, "timedatectl set-ntp true (or start chronyd)")
        }
        Err(why) => {
            Check::good(WHAT, format!("it runs; whether it is kept in step is not told here ({why})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Good, Warning};

    #[test]
    fn a_clock_that_was_set_or_is_left_alone_is_told() {
        let table = [
            (Ok(true), None, Good),
            (Ok(true), Some(0.2), Good),
            (Ok(true), Some(-4.9), Good),
            (Ok(true), Some(5.0), Warning),
            (Ok(true), Some(-3600.0), Warning),
            (Ok(true), Some(f64::NAN), Good),
            (Ok(false), None, Warning),
            (Err("EPERM".to_owned()), Some(0.0), Good),
        ];
        for (in_step, jump_s, mark) in table {
            let found = Clock { in_step, jump_s };
            assert_eq!(clock(&found).mark, mark, "{found:?}");
        }
        let back = clock(&Clock { in_step: Ok(true), jump_s: Some(jump_s(100.0, 40.0, 3660.0)) });
        assert!(back.said.starts_with("it went 1h00m back"), "{}", back.said);
    }
}
