//! Commands of users.

use super::{Asked, Decision, Reason, Refusal, begin, pause};
use crate::effect::Effect;
use crate::event::{Event, StopCause, Why};
use crate::input::Verb;
use crate::phase::{Phase, Wanted};
use crate::run::Run;

pub(super) fn decide(run: &Run, verb: Verb, by: &str) -> Result<Decision, Refusal> {
    match verb {
        Verb::Stop => Ok(stop(run, by)),
        Verb::Kill => Ok(kill(run, by)),
        Verb::Retry => retry(run, by),
        Verb::Pause => pause::pause(run, by, false),
        Verb::Release => pause::pause(run, by, true),
        Verb::Resume => pause::resume(run, by),
        Verb::Checkpoint => checkpoint(run, by),
    }
}

fn refuse(run: &Run, verb: Verb, legal: &'static [Verb]) -> Result<Decision, Refusal> {
    Err(Refusal::here(run, verb, legal))
}

fn stop(run: &Run, by: &str) -> Decision {
    let attempt = run.attempt;
    match run.phase {
        Phase::Choosing | Phase::Waiting => cancel_at_once(),
        // Whether the worker exists yet is not known, so it can't be asked; SIGTERM finds it
        // when it does.
        Phase::Spawning => climb(by, Phase::Terminated, Effect::Terminate { attempt }),
        // As for a release: what it can't hear, it is not told to have been asked.
        Phase::Starting | Phase::Running | Phase::CoolingDown if !run.can_be_asked() => {
            climb(by, Phase::Terminated, Effect::Terminate { attempt })
        }
        Phase::Starting | Phase::Running | Phase::CoolingDown => {
            climb(by, Phase::Asked, Effect::Ask { attempt })
        }
        Phase::Pausing | Phase::Paused => pause::stop(run, by),
        Phase::Asked | Phase::Terminated | Phase::Killed => already_stopping(run, by),
        Phase::Done | Phase::Failed | Phase::Cancelled => Decision::nothing(Why::AlreadyEnded),
    }
}

fn kill(run: &Run, by: &str) -> Decision {
    let attempt = run.attempt;
    match run.phase {
        Phase::Choosing | Phase::Waiting => cancel_at_once(),
        Phase::Paused if run.is_released() => cancel_at_once(),
        Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown => climb(by, Phase::Killed, Effect::Kill { attempt }),
        Phase::Asked | Phase::Terminated => match run.wanted {
            Wanted::Finished | Wanted::Paused => climb(by, Phase::Killed, Effect::Kill { attempt }),
            Wanted::Cancelled => Decision::new(
                Why::Requested,
                vec![Event::Escalated { rung: Phase::Killed }],
                vec![Effect::Kill { attempt }],
            ),
        },
        // The signal may have been lost on its way: it does no harm twice.
        Phase::Killed => Decision { effects: vec![Effect::Kill { attempt }], ..already_stopping(run, by) },
        Phase::Done | Phase::Failed | Phase::Cancelled => Decision::nothing(Why::AlreadyEnded),
    }
}

fn retry(run: &Run, by: &str) -> Result<Decision, Refusal> {
    match run.phase {
        Phase::Waiting | Phase::Failed | Phase::Cancelled => {
            let (events, effects) = begin::next(run, Some(by));
            Ok(Decision::new(Why::Requested, events, effects))
        }
        Phase::Done => refuse(run, Verb::Retry, &[]),
        Phase::Pausing | Phase::Paused => refuse(run, Verb::Retry, &[Verb::Resume, Verb::Stop, Verb::Kill]),
        Phase::Choosing | Phase::Spawning | Phase::Starting | Phase::Running | Phase::CoolingDown => {
            refuse(run, Verb::Retry, &[Verb::Stop, Verb::Kill])
        }
        Phase::Asked | Phase::Terminated | Phase::Killed => refuse(run, Verb::Retry, &[Verb::Kill]),
    }
}

fn checkpoint(run: &Run, by: &str) -> Result<Decision, Refusal> {
    let refuse = |legal| refuse(run, Verb::Checkpoint, legal);
    match run.phase {
        Phase::Running if run.can_be_asked() => Ok(Decision::new(
            Why::Requested,
            vec![Event::CheckpointRequested { requested_by: by.to_owned() }],
            vec![Effect::AskCheckpoint { attempt: run.attempt }],
        )),
        Phase::Running => {
            let legal = &[Verb::Pause, Verb::Stop, Verb::Kill];
            Err(Refusal::because(run, Asked::Verb(Verb::Checkpoint), Reason::CannotBeAsked, legal))
        }
        // On the way to a pause the worker saves anyway, if it can.
        Phase::Pausing | Phase::Paused => refuse(&[Verb::Resume, Verb::Stop, Verb::Kill]),
        Phase::Choosing | Phase::Spawning | Phase::Starting | Phase::Waiting => {
            refuse(&[Verb::Pause, Verb::Stop, Verb::Kill])
        }
        Phase::CoolingDown => refuse(&[Verb::Stop, Verb::Kill]),
        Phase::Asked | Phase::Terminated | Phase::Killed => refuse(&[Verb::Kill]),
        Phase::Failed | Phase::Cancelled => refuse(&[Verb::Retry]),
        Phase::Done => refuse(&[]),
    }
}

pub(super) fn cancel_at_once() -> Decision {
    Decision::new(
        Why::Requested,
        vec![Event::Ended { phase: Phase::Cancelled, why: Why::Requested }],
        vec![Effect::Dismiss],
    )
}

pub(super) fn climb(by: &str, rung: Phase, effect: Effect) -> Decision {
    let begun = Event::StopBegun { cause: StopCause::User, requested_by: Some(by.to_owned()), rung };
    Decision::new(Why::Requested, vec![begun], vec![effect])
}

/// The worker is on the ladder already. If that was our doing (a timeout, after which the
/// run would be retried), the user's wish turns it into a cancellation on the same rung.
fn already_stopping(run: &Run, by: &str) -> Decision {
    match run.wanted {
        Wanted::Cancelled => Decision::nothing(Why::AlreadyStopping),
        Wanted::Finished | Wanted::Paused => {
            let begun = Event::StopBegun {
                cause: StopCause::User,
                requested_by: Some(by.to_owned()),
                rung: run.phase,
            };
            Decision::new(Why::Requested, vec![begun], Vec::new())
        }
    }
}
