//! What the fake worker is told to do, and what that means at a given step. Pure.

use std::time::Duration;

/// The part the worker plays. Steps count from 1; attempts too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) steps: u64,
    pub(crate) step_time: Duration,
    pub(crate) slow_start: Duration,
    pub(crate) crash: Option<Crash>,
    pub(crate) stall: Option<Stall>,
    pub(crate) error: Option<ErrorAt>,
    pub(crate) nan: Option<NanAt>,
    pub(crate) checkpoint_every: Option<u64>,
    pub(crate) shape: Shape,
    /// How long the writing of a checkpoint of another framework takes.
    pub(crate) save_time: Duration,
    /// Announce such a checkpoint before it is written.
    pub(crate) announce_early: bool,
    pub(crate) print_lines: u64,
    pub(crate) exit_code: u8,
    pub(crate) ignore_term: bool,
    pub(crate) ignore_stop: bool,
    pub(crate) silent: bool,
    pub(crate) no_done: bool,
    pub(crate) fork_tree: u32,
}

impl Default for Script {
    /// A well-behaved run of one second.
    fn default() -> Self {
        Self {
            steps: 20,
            step_time: Duration::from_millis(50),
            slow_start: Duration::ZERO,
            crash: None,
            stall: None,
            error: None,
            nan: None,
            checkpoint_every: None,
            shape: Shape::Prsm,
            save_time: Duration::ZERO,
            announce_early: false,
            print_lines: 0,
            exit_code: 0,
            ignore_term: false,
            ignore_stop: false,
            silent: false,
            no_done: false,
            fork_tree: 0,
        }
    }
}

/// Dying in the middle of a step: after the step before it was reported, before this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) step: u64,
    pub(crate) how: CrashHow,
    /// Only the first so many attempts die; `None`: all do.
    pub(crate) times: Option<u32>,
    /// Damage the newest checkpoint first.
    pub(crate) corrupt_last: bool,
    /// Die later: half-way through writing the checkpoint of that step.
    pub(crate) in_save: bool,
}

/// The ways to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashHow {
    Exit(u8),
    /// The number of a signal that ends a process.
    Signal(i32),
    Panic,
}

/// Living on without progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) step: u64,
    /// Only the first so many attempts stall; `None`: all do.
    pub(crate) times: Option<u32>,
}

/// What a checkpoint is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Our own format.
    #[default]
    Prsm,
    /// A ZIP archive, as `torch.save` makes.
    Torch,
    Safetensors,
    /// A folder with several files.
    Folder,
}

/// The numbers of the state become NaN in a step, and stay so in all that is resumed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NanAt {
    pub(crate) step: u64,
    /// The worker notices so many steps later, tells it and dies.
    pub(crate) after: u64,
    /// Its checkpoints say nothing of their health.
    pub(crate) is_hidden: bool,
    /// Only in the first so many attempts; `None`: in all.
    pub(crate) times: Option<u32>,
}

/// An error said, not suffered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorAt {
    pub(crate) step: u64,
    /// And again after so many steps; 0 = once.
    pub(crate) every: u64,
    pub(crate) code: String,
    pub(crate) fatal: bool,
    pub(crate) is_retryable: bool,
}

impl ErrorAt {
    fn is_in(&self, step: u64) -> bool {
        let since = step.checked_sub(self.step);
        since.is_some_and(|since| since == 0 || (self.every > 0 && since.is_multiple_of(self.every)))
    }
}

impl Script {
    /// The crash that happens in `step` of `attempt`, if one does: before its work, or while it is saved.
    pub(crate) fn crash_in(&self, step: u64, attempt: u32, in_save: bool) -> Option<&Crash> {
        let crash = self.crash.as_ref().filter(|crash| crash.in_save == in_save);
        crash.filter(|crash| crash.step == step && happens(crash.times, attempt))
    }

    /// Whether the numbers become NaN in `step` of `attempt`.
    pub(crate) fn breaks_in(&self, step: u64, attempt: u32) -> bool {
        self.nan.as_ref().is_some_and(|nan| nan.step == step && happens(nan.times, attempt))
    }

    /// Whether a worker whose numbers are NaN has noticed it once `step` is done.
    pub(crate) fn notices_in(&self, step: u64) -> bool {
        self.nan.as_ref().is_none_or(|nan| step >= nan.step.saturating_add(nan.after))
    }

    /// Whether checkpoints say nothing of their health.
    pub(crate) fn hides_health(&self) -> bool {
        self.nan.as_ref().is_some_and(|nan| nan.is_hidden)
    }

    pub(crate) fn stalls_in(&self, step: u64, attempt: u32) -> bool {
        self.stall.as_ref().is_some_and(|stall| stall.step == step && happens(stall.times, attempt))
    }

    pub(crate) fn error_in(&self, step: u64) -> Option<&ErrorAt> {
        self.error.as_ref().filter(|error| error.is_in(step))
    }

    /// Whether a checkpoint is due once `step` is done.
    pub(crate) fn checkpoint_after(&self, step: u64) -> bool {
        self.checkpoint_every.is_some_and(|every| step.is_multiple_of(every))
    }
}

/// Outside Resus there is no attempt number: that counts as the first.
fn happens(times: Option<u32>, attempt: u32) -> bool {
    times.is_none_or(|times| attempt.max(1) <= times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crashing(times: Option<u32>) -> Script {
        let crash = Crash { step: 7, how: CrashHow::Panic, times, corrupt_last: false, in_save: false };
        Script { crash: Some(crash), ..Script::default() }
    }

    fn breaking(after: u64, times: Option<u32>) -> Script {
        let nan = NanAt { step: 4, after, is_hidden: false, times };
        Script { nan: Some(nan), ..Script::default() }
    }

    #[test]
    fn a_crash_happens_in_its_step_only() {
        let steps: Vec<u64> =
            (1..=20).filter(|step| crashing(None).crash_in(*step, 1, false).is_some()).collect();
        assert_eq!(steps, [7]);
        assert_eq!(crashing(None).crash_in(7, 1, true), None);
    }

    #[test]
    fn a_counted_crash_spares_the_later_attempts() {
        let attempts = |script: &Script| {
            (0..=5).filter(|n| script.crash_in(7, *n, false).is_some()).collect::<Vec<u32>>()
        };
        assert_eq!(attempts(&crashing(Some(2))), [0, 1, 2]);
        assert_eq!(attempts(&crashing(Some(0))), [0; 0]);
        assert_eq!(attempts(&crashing(None)), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn numbers_break_in_one_step_and_are_noticed_from_some_step_on() {
        let steps = |happens: &dyn Fn(u64) -> bool| (1..=8).filter(|n| happens(*n)).collect::<Vec<u64>>();
        let late = breaking(2, Some(1));
        assert_eq!(steps(&|step| late.breaks_in(step, 1)), [4]);
        assert_eq!(steps(&|step| late.breaks_in(step, 2)), [0; 0]);
        assert_eq!(steps(&|step| late.notices_in(step)), [6, 7, 8]);
        assert_eq!(steps(&|step| breaking(0, None).notices_in(step)), [4, 5, 6, 7, 8]);
        assert!(Script::default().notices_in(1), "a worker that was told nothing notices at once");
    }

    #[test]
    fn checkpoints_are_due_at_the_multiples() {
        let script = Script { checkpoint_every: Some(3), ..Script::default() };
        let steps: Vec<u64> = (1..=10).filter(|step| script.checkpoint_after(*step)).collect();
        assert_eq!(steps, [3, 6, 9]);
        assert!(!Script::default().checkpoint_after(3));
    }

    #[test]
    fn an_error_comes_once_or_again_and_again() {
        let steps = |every| {
            let code = "A".to_owned();
            let error = ErrorAt { step: 3, every, code, fatal: false, is_retryable: false };
            let script = Script { error: Some(error), ..Script::default() };
            (1..=12).filter(|step| script.error_in(*step).is_some()).collect::<Vec<u64>>()
        };
        assert_eq!(steps(0), [3]);
        assert_eq!(steps(4), [3, 7, 11]);
    }

    #[test]
    fn a_stall_can_be_counted_like_a_crash() {
        let stall = Stall { step: 4, times: Some(1) };
        let script = Script { stall: Some(stall), ..Script::default() };
        assert!(script.stalls_in(4, 1) && !script.stalls_in(4, 2) && !script.stalls_in(5, 1));
    }
}
