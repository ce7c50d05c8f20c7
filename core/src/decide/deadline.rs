//! The run's deadline has passed.

use super::{Decision, begin, look, pause};
use crate::effect::Effect;
use crate::event::{Event, StopCause, Why};
use crate::ids::Attempt;
use crate::moment::Moment;
use crate::phase::Phase;
use crate::run::Run;

pub(super) fn decide(run: &Run, attempt: Attempt, now: Moment) -> Decision {
    if attempt != run.attempt {
        return Decision::nothing(Why::StaleAttempt);
    }
    if run.deadline_mono_ms.is_none_or(|due| now.mono_ms < due) {
        return Decision::nothing(Why::NothingToDo);
    }
    let stop = |cause, rung, effect, why| {
        Decision::new(why, vec![Event::StopBegun { cause, requested_by: None, rung }], vec![effect])
    };
    match run.phase {
        Phase::Waiting => begin::at_once(Why::BackoffOver, run),
        // A worker that never said a word has nothing to save: no grace.
        Phase::Starting => {
            stop(StopCause::StartupTimeout, Phase::Killed, Effect::Kill { attempt }, Why::StartupTimeout)
        }
        Phase::CoolingDown => stop(
            StopCause::CooldownTimeout,
            Phase::Terminated,
            Effect::Terminate { attempt },
            Why::CooldownTimeout,
        ),
        Phase::Asked => Decision::new(
            Why::GraceOver,
            vec![Event::Escalated { rung: Phase::Terminated }],
            vec![Effect::Terminate { attempt }],
        ),
        Phase::Terminated => Decision::new(
            Why::GraceOver,
            vec![Event::Escalated { rung: Phase::Killed }],
            vec![Effect::Kill { attempt }],
        ),
        Phase::Killed => {
            Decision::new(Why::Unkillable, vec![Event::StillAlive], vec![Effect::Kill { attempt }])
        }
        // No answer: asked again. The effects are idempotent, and each answer ends the wait.
        Phase::Choosing => Decision::new(Why::NoAnswer, vec![Event::OrderRepeated], vec![look(run, attempt)]),
        Phase::Spawning => Decision::new(
            Why::NoAnswer,
            vec![Event::OrderRepeated],
            vec![Effect::Attach { attempt, upto: run.upto }],
        ),
        Phase::Pausing => pause::deadline(run),
        Phase::Running | Phase::Paused | Phase::Done | Phase::Failed | Phase::Cancelled => {
            Decision::nothing(Why::NothingToDo)
        }
    }
}
