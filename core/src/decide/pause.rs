//! Pausing and resuming.
//!
//! A worker that speaks PULSE is asked to save and hold; one that can't be asked, or does not
//! hold in time, is frozen. A release makes the worker save and leave. A wish for a pause while
//! the worker is not ready is remembered.

use super::command::{cancel_at_once, climb};
use super::heard::nothing_more;
use super::{Decision, Refusal, begin};
use crate::effect::Effect;
use crate::event::{Event, StopCause, Why};
use crate::input::{Ask, Verb};
use crate::pause::{PauseCause, PauseStep};
use crate::phase::{Phase, Wanted};
use crate::pulse::v2::Status;
use crate::pulse::word::Word;
use crate::run::Run;

/// A user wants the run paused.
pub(super) fn pause(run: &Run, by: &str, release: bool) -> Result<Decision, Refusal> {
    let verb = if release { Verb::Release } else { Verb::Pause };
    let wish = |step| wish(by, release, step);
    match run.phase {
        Phase::Choosing | Phase::Waiting => {
            let paused = Event::Paused { step: PauseStep::Released };
            Ok(Decision::new(Why::Requested, vec![wish(PauseStep::Wanted), paused], Vec::new()))
        }
        Phase::Spawning | Phase::Starting => {
            if run.pause.as_ref().is_some_and(|pause| pause.release || !release) {
                return Ok(Decision::nothing(Why::AlreadyPaused));
            }
            Ok(Decision::new(Why::Requested, vec![wish(PauseStep::Wanted)], Vec::new()))
        }
        Phase::Running => {
            let (step, further, effects) = go_about(run, release);
            let events = [wish(step)].into_iter().chain(further).collect();
            Ok(Decision::new(Why::Requested, events, effects))
        }
        Phase::Pausing | Phase::Paused => Ok(go_further(run, by, release)),
        Phase::Asked | Phase::Terminated | Phase::Killed => match (run.wanted, run.pause_step()) {
            (Wanted::Paused, _) => Ok(Decision::nothing(Why::AlreadyPaused)),
            (Wanted::Finished, Some(PauseStep::Releasing)) => {
                Ok(Decision::new(Why::Requested, vec![wish(PauseStep::Releasing)], Vec::new()))
            }
            (Wanted::Finished, _) => Err(Refusal::here(run, verb, &[Verb::Stop, Verb::Kill])),
            (Wanted::Cancelled, _) => Err(Refusal::here(run, verb, &[Verb::Kill])),
        },
        Phase::CoolingDown => Err(Refusal::here(run, verb, &[Verb::Stop, Verb::Kill])),
        Phase::Failed | Phase::Cancelled => Err(Refusal::here(run, verb, &[Verb::Retry])),
        Phase::Done => Err(Refusal::here(run, verb, &[])),
    }
}

fn wish(by: &str, release: bool, step: PauseStep) -> Event {
    Event::PauseBegun { cause: PauseCause::User, requested_by: Some(by.to_owned()), release, step }
}

/// A pause is asked for again. Only a release changes what is under way.
fn go_further(run: &Run, by: &str, release: bool) -> Decision {
    let attempt = run.attempt;
    let thaw = match run.pause_step() {
        None | Some(PauseStep::Wanted | PauseStep::Released) => {
            return Decision::nothing(Why::AlreadyPaused);
        }
        // Resumed while the worker was leaving, and now paused after all.
        Some(PauseStep::Releasing) if run.wanted == Wanted::Finished => {
            let again = wish(by, true, PauseStep::Releasing);
            return Decision::new(Why::Requested, vec![again], Vec::new());
        }
        Some(PauseStep::Releasing) => return Decision::nothing(Why::AlreadyPaused),
        Some(PauseStep::Asked | PauseStep::Held) => None,
        Some(PauseStep::Freezing | PauseStep::Frozen) => Some(Effect::Thaw { attempt }),
    };
    if !release {
        return Decision::nothing(Why::AlreadyPaused);
    }
    let (step, further, effects) = go_about(run, true);
    let events = [wish(by, true, step)].into_iter().chain(further).collect();
    // SIGTERM comes with SIGCONT; a line is only read by a worker that runs.
    let thaw = thaw.filter(|_| run.can_be_asked());
    Decision::new(Why::Requested, events, thaw.into_iter().chain(effects).collect())
}

/// The first step of a pause of a worker that is ready.
fn go_about(run: &Run, release: bool) -> (PauseStep, Option<Event>, Vec<Effect>) {
    let attempt = run.attempt;
    match (release, run.can_be_asked()) {
        (false, true) => (PauseStep::Asked, None, vec![Effect::Hold { attempt }]),
        (false, false) => (PauseStep::Freezing, None, vec![Effect::Freeze { attempt }]),
        (true, true) => (PauseStep::Releasing, None, vec![Effect::AskRelease { attempt }]),
        (true, false) => (PauseStep::Releasing, Some(terminated()), vec![Effect::Terminate { attempt }]),
    }
}

/// The worker is made to leave: SIGTERM, and SIGKILL after the grace.
fn terminated() -> Event {
    Event::StopBegun { cause: StopCause::Release, requested_by: None, rung: Phase::Terminated }
}

/// Too large a share of the work failed: the worker, which has just spoken, is asked to hold.
pub(super) fn for_errors(run: &Run) -> (Event, Effect) {
    let begun = Event::PauseBegun {
        cause: PauseCause::ErrorRate,
        requested_by: None,
        release: false,
        step: PauseStep::Asked,
    };
    (begun, Effect::Hold { attempt: run.attempt })
}

/// The worker has become ready: a pause that was wanted meanwhile begins.
pub(super) fn begin_wanted(run: &Run) -> (Vec<Event>, Vec<Effect>) {
    let Some(pause) = run.pause.as_ref().filter(|_| run.wanted == Wanted::Paused) else {
        return (Vec::new(), Vec::new());
    };
    let (step, further, effects) = go_about(run, pause.release);
    ([Event::PauseEscalated { step }].into_iter().chain(further).collect(), effects)
}

/// A user wants the pause to end.
pub(super) fn resume(run: &Run, by: &str) -> Result<Decision, Refusal> {
    let refuse = |legal| Err(Refusal::here(run, Verb::Resume, legal));
    match run.phase {
        Phase::Failed | Phase::Cancelled => return refuse(&[Verb::Retry]),
        Phase::Done => return refuse(&[]),
        Phase::Asked | Phase::Terminated | Phase::Killed if run.wanted == Wanted::Cancelled => {
            return refuse(&[Verb::Kill]);
        }
        Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Waiting => {}
    }
    if run.wanted != Wanted::Paused {
        return Ok(Decision::nothing(Why::NotPaused));
    }
    let mut events = vec![Event::Resumed { requested_by: Some(by.to_owned()) }];
    let mut effects = Vec::new();
    match run.pause_step() {
        // Nothing has been done yet, or what was done can't be taken back: a worker that was
        // told to leave leaves, and another attempt begins then.
        None | Some(PauseStep::Wanted | PauseStep::Releasing) => {}
        Some(PauseStep::Asked | PauseStep::Held | PauseStep::Freezing | PauseStep::Frozen) => {
            effects = go_on(run);
        }
        Some(PauseStep::Released) => {
            let (begun, starts) = begin::next(run, None);
            events.extend(begun);
            effects.extend(starts);
        }
    }
    Ok(Decision::new(Why::Requested, events, effects))
}

/// What makes a worker go on. One that was asked to hold and then frozen does what it was asked
/// when it thaws, so it is told to go on in any case.
pub(super) fn go_on(run: &Run) -> Vec<Effect> {
    let attempt = run.attempt;
    let held = run.can_be_asked().then_some(Effect::Unhold { attempt });
    let frozen = match run.pause_step() {
        Some(PauseStep::Freezing | PauseStep::Frozen) => true,
        // After the pause: which of the two it was is not known any more. SIGCONT does no harm.
        None => true,
        Some(
            PauseStep::Wanted
            | PauseStep::Asked
            | PauseStep::Releasing
            | PauseStep::Held
            | PauseStep::Released,
        ) => false,
    };
    held.into_iter().chain(frozen.then_some(Effect::Thaw { attempt })).collect()
}

/// A user wants the run to end while it is paused or on the way to it.
pub(super) fn stop(run: &Run, by: &str) -> Decision {
    let attempt = run.attempt;
    match run.pause_step() {
        None | Some(PauseStep::Released) => cancel_at_once(),
        // It can't hear a question: SIGTERM comes with SIGCONT.
        Some(PauseStep::Freezing | PauseStep::Frozen) => {
            climb(by, Phase::Terminated, Effect::Terminate { attempt })
        }
        Some(PauseStep::Wanted | PauseStep::Asked | PauseStep::Releasing | PauseStep::Held) => {
            climb(by, Phase::Asked, Effect::Ask { attempt })
        }
    }
}

/// The deadline of a run on its way to a pause.
pub(super) fn deadline(run: &Run) -> Decision {
    let attempt = run.attempt;
    match run.pause_step() {
        Some(PauseStep::Asked) => freeze(run, Why::HoldOverdue),
        Some(PauseStep::Freezing) => {
            Decision::new(Why::NoAnswer, vec![Event::OrderRepeated], vec![Effect::Freeze { attempt }])
        }
        Some(PauseStep::Releasing) => {
            Decision::new(Why::ReleaseOverdue, vec![terminated()], vec![Effect::Terminate { attempt }])
        }
        None | Some(PauseStep::Wanted | PauseStep::Held | PauseStep::Frozen | PauseStep::Released) => {
            Decision::nothing(Why::NothingToDo)
        }
    }
}

fn freeze(run: &Run, why: Why) -> Decision {
    let events = vec![Event::PauseEscalated { step: PauseStep::Freezing }];
    Decision::new(why, events, vec![Effect::Freeze { attempt: run.attempt }])
}

/// Every process of the worker is stopped.
pub(super) fn frozen(run: &Run) -> Decision {
    match (run.phase, run.pause_step()) {
        (Phase::Pausing, Some(PauseStep::Freezing)) => {
            let paused = Event::Paused { step: PauseStep::Frozen };
            Decision::new(Why::WorkerFrozen, vec![paused], Vec::new())
        }
        // The freeze came after the order that ended it: nobody else would thaw the worker.
        (Phase::Running | Phase::CoolingDown | Phase::Asked | Phase::Terminated, _)
        | (Phase::Pausing, Some(PauseStep::Releasing)) => {
            Decision::new(Why::NotPaused, Vec::new(), vec![Effect::Thaw { attempt: run.attempt }])
        }
        (
            Phase::Pausing
            | Phase::Choosing
            | Phase::Spawning
            | Phase::Starting
            | Phase::Paused
            | Phase::Killed
            | Phase::Waiting
            | Phase::Done
            | Phase::Failed
            | Phase::Cancelled,
            _,
        ) => Decision::nothing(Why::NothingToDo),
    }
}

/// A line did not reach the worker.
pub(super) fn undelivered(run: &Run, ask: Ask) -> Decision {
    let attempt = run.attempt;
    let why = Why::CannotBeAsked;
    match (ask, run.phase, run.pause_step()) {
        (Ask::Hold, Phase::Pausing, Some(PauseStep::Asked)) => freeze(run, why),
        (Ask::Release, Phase::Pausing, Some(PauseStep::Releasing)) => {
            Decision::new(why, vec![terminated()], vec![Effect::Terminate { attempt }])
        }
        // It may have been frozen all the same. Should it stay silent, the watchdog finds it.
        (Ask::Resume, Phase::Running | Phase::CoolingDown, _) => {
            Decision::new(why, Vec::new(), vec![Effect::Thaw { attempt }])
        }
        (Ask::Checkpoint, _, _) if run.checkpoint_asked => {
            Decision::new(why, vec![Event::CheckpointUndelivered], Vec::new())
        }
        (Ask::Stop, Phase::Asked, _) => Decision::new(
            why,
            vec![Event::Escalated { rung: Phase::Terminated }],
            vec![Effect::Terminate { attempt }],
        ),
        (Ask::Stop | Ask::Hold | Ask::Resume | Ask::Release | Ask::Checkpoint, _, _) => {
            Decision::nothing(Why::NothingToDo)
        }
    }
}

/// What follows from a word of a worker that is paused or on the way to it.
///
/// A frozen worker's words are old: they were written before it was frozen. A held worker that
/// says it runs again is asked once more to hold, and frozen the next time.
pub(super) fn heard(run: &Run, word: &Word) -> Decision {
    let attempt = run.attempt;
    let step = run.pause_step();
    match word {
        // It leaves anyway.
        Word::RunComplete { .. } if step == Some(PauseStep::Releasing) => nothing_more(),
        // There is nothing left to pause: it may end.
        Word::RunComplete { .. } => Decision::new(Why::WorkerSaid, vec![Event::CoolingBegun], go_on(run)),
        Word::Status { status: Status::Paused, .. } if step == Some(PauseStep::Asked) => {
            let paused = Event::Paused { step: PauseStep::Held };
            Decision::new(Why::WorkerHolds, vec![paused], Vec::new())
        }
        Word::Status { status: Status::Running, .. } if step == Some(PauseStep::Held) => {
            if run.pause.as_ref().is_some_and(|pause| pause.asked_again) {
                return freeze(run, Why::HoldBroken);
            }
            let asked = Event::PauseEscalated { step: PauseStep::Asked };
            Decision::new(Why::HoldBroken, vec![asked], vec![Effect::Hold { attempt }])
        }
        Word::Status { .. }
        | Word::Error(_)
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::CheckpointSaved(_) => nothing_more(),
    }
}

/// What may have been lost with a daemon on the way to a pause.
pub(super) fn taken_over(run: &Run) -> Option<Effect> {
    let attempt = run.attempt;
    match run.pause_step() {
        Some(PauseStep::Asked) => Some(Effect::Hold { attempt }),
        Some(PauseStep::Freezing) => Some(Effect::Freeze { attempt }),
        Some(PauseStep::Releasing) => Some(Effect::AskRelease { attempt }),
        None | Some(PauseStep::Wanted | PauseStep::Held | PauseStep::Frozen | PauseStep::Released) => None,
    }
}
