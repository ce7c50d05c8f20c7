//! The monotonic clock, which all processes of one machine share, and waits for conditions.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::fault::Fault;

/// Longest wait for anything. Whoever waits longer has nothing to measure.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks. What is timed is timed by the workers themselves, so this adds nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Nanoseconds since an unspecified moment, the same for every process.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Milliseconds from one moment to a later one, to a hundredth.
#[must_use]
pub fn millis_between(from_ns: u64, to_ns: u64) -> f64 {
    (to_ns.saturating_sub(from_ns) as f64 / 1e4).round() / 100.0
}

/// Looks again and again until there is something.
///
/// # Errors
/// What the look says, or [`Fault::Late`].
pub fn pause_until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>, Fault>) -> Result<T, Fault> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(Fault::Late { what: what.to_owned(), waited_s: PATIENCE.as_secs() });
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back_and_differences_are_milliseconds() {
        let first = monotonic_ns();
        assert!(monotonic_ns() >= first && first > 0);
        assert_eq!(millis_between(1_000_000, 3_456_000), 2.46);
        assert_eq!(millis_between(2, 1), 0.0);
    }

    #[test]
    fn a_look_is_repeated_until_it_finds_something_or_fails() {
        let mut left = 3;
        let found = pause_until("the third look", || {
            left -= 1;
            Ok((left == 0).then_some("here"))
        });
        assert_eq!(found.expect("found"), "here");
        let failed = pause_until::<()>("nothing", || Err(Fault::wrong("it broke")));
        assert_eq!(failed.expect_err("a fault").to_string(), "it broke");
    }
}
