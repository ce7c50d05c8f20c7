//! How long a checkpoint is waited for that is announced and not complete.

use std::time::Duration;

/// Between two looks that must show the same: longer than a writer pauses between two writes, shorter
/// than anybody waits for the news.
pub(super) const SETTLE: Duration = Duration::from_millis(250);
/// A writer that has taken this long is looked at less often.
const QUICK: Duration = Duration::from_secs(10);
/// How often then.
const SLOW_LOOK: Duration = Duration::from_secs(2);
/// The largest checkpoints are written within this; some 300 looks.
const GROWING_MAX: Duration = Duration::from_secs(600);
/// Nothing has been written for so long: what is missing will not come.
const STILL_MAX: Duration = Duration::from_secs(60);

/// How long to wait until the next look, `waited` after the announcement and `still` after the last
/// change; `None` to give up.
pub(super) fn until_next_look(waited: Duration, still: Duration) -> Option<Duration> {
    if waited >= GROWING_MAX || still >= STILL_MAX {
        return None;
    }
    Some(if waited < QUICK { SETTLE } else { SLOW_LOOK })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_ends_is_given_up_after_a_bounded_number_of_looks() {
        let (mut waited, mut looks) = (Duration::ZERO, 0);
        while let Some(wait) = until_next_look(waited, Duration::ZERO) {
            waited += wait;
            looks += 1;
        }
        assert!(waited >= GROWING_MAX && waited < GROWING_MAX + SLOW_LOOK, "{waited:?}");
        assert!(looks < 400, "{looks}");
    }

    #[test]
    fn one_on_which_nobody_works_is_given_up_sooner() {
        let early = Duration::from_secs(70);
        assert_eq!(until_next_look(early, Duration::from_secs(59)), Some(SLOW_LOOK));
        assert_eq!(until_next_look(early, STILL_MAX), None);
    }
}
