//! What a worker lets us hear: signs of life, words, and silence.

use super::{Decision, pause};
use crate::checkpoint::{Announcement, CheckpointRef};
use crate::effect::Effect;
use crate::errors::failure;
use crate::event::{Event, StopCause, Why};
use crate::moment::Moment;
use crate::phase::{Phase, Wanted};
use crate::pulse::v2::Status;
use crate::pulse::word::Word;
use crate::run::Run;
use crate::watch::{self, Silence};

pub(super) fn sign_of_life(run: &Run) -> Decision {
    match run.phase {
        Phase::Starting => {
            let (wanted, effects) = pause::begin_wanted(run);
            let events = [Event::WorkerReady { spoke: true }].into_iter().chain(wanted).collect();
            Decision::new(Why::FirstSignOfLife, events, effects)
        }
        Phase::Running | Phase::Pausing | Phase::Paused if run.has_worker() && !run.heard.spoke => {
            Decision::new(Why::FirstSignOfLife, vec![Event::WorkerSpoke], Vec::new())
        }
        Phase::Choosing
        | Phase::Spawning
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => Decision::nothing(Why::NothingToDo),
    }
}

/// A word that must not be lost.
pub(super) fn said(
    run: &Run,
    word: &Word,
    said_unix_ms: Option<u64>,
    at_units: Option<f64>,
    upto: u64,
) -> Decision {
    // A reader that was restarted reads a piece twice: what is in the ledger stays there once.
    if upto <= run.upto {
        return Decision::nothing(Why::AlreadyHeard);
    }
    if !run.has_worker() {
        return Decision::nothing(Why::NothingToDo);
    }
    // JSON has no number that is not finite: what the ledger can't say is not known.
    let at_units = at_units.filter(|amount| amount.is_finite());
    let said = Event::Said { word: word.clone(), said_unix_ms, at_units, upto };
    let ready = Event::WorkerReady { spoke: true };
    let (before, mut further) = match run.phase {
        Phase::Starting if still_preparing(word) => (None, nothing_more()),
        Phase::Starting => (Some(ready), of_ready(run, word, at_units)),
        Phase::Running => (None, of_ready(run, word, at_units)),
        Phase::Pausing | Phase::Paused => (None, pause::heard(run, word)),
        Phase::Spawning
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Choosing
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => (None, nothing_more()),
    };
    if let Word::CheckpointSaved(checkpoint) = word {
        let attempt = run.attempt;
        let announcement = Some(Announcement { attempt, upto });
        let checkpoint = CheckpointRef { announcement, ..checkpoint.clone() };
        further.effects.push(Effect::VerifyCheckpoint { attempt, checkpoint });
    }
    let events = before.into_iter().chain([said]).chain(further.events).collect();
    Decision { events, ..further }
}

/// The word is recorded, and that is all.
pub(super) fn nothing_more() -> Decision {
    Decision::nothing(Why::WorkerSaid)
}

/// What follows from a word of a worker that is ready, besides the word itself.
fn of_ready(run: &Run, word: &Word, at_units: Option<f64>) -> Decision {
    if matches!(word, Word::RunComplete { .. }) {
        return Decision::new(Why::WorkerSaid, vec![Event::CoolingBegun], Vec::new());
    }
    if run.wanted == Wanted::Paused {
        let (events, effects) = pause::begin_wanted(run);
        return Decision::new(Why::WorkerSaid, events, effects);
    }
    let policy = &run.spec.policy.errors;
    if failure(word).is_none() {
        return nothing_more();
    }
    let mut window = run.errors.clone();
    window.hear(policy, word, at_units);
    match window.exceeded(policy) {
        Some(exceeded) => {
            let (begun, hold) = pause::for_errors(run);
            let events = vec![Event::ErrorRateExceeded(exceeded), begun];
            Decision::new(Why::ErrorRateExceeded, events, vec![hold])
        }
        None => nothing_more(),
    }
}

/// A worker may talk while it still loads: that is a word, but not readiness.
fn still_preparing(word: &Word) -> bool {
    match word {
        Word::Status { status, .. } => matches!(status, Status::Idle | Status::Preparing),
        Word::Error(_)
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::RunComplete { .. }
        | Word::CheckpointSaved(_) => false,
    }
}

/// The watchdog reports a silence. It counts where a limit applies now, and has applied for as
/// long: a report that was under way during a pause is about the time before it.
pub(super) fn silent(run: &Run, what: Silence, for_ms: u64, now: Moment) -> Decision {
    let limit = watch::limits(run).of(what);
    if limit.is_none_or(|limit| for_ms.min(now.ms_since(run.phase_since)) < limit) {
        return Decision::nothing(Why::NothingToDo);
    }
    let attempt = run.attempt;
    let (rung, end) = if run.spec.policy.hang_grace_ms > 0 {
        (Phase::Terminated, Effect::Terminate { attempt })
    } else {
        (Phase::Killed, Effect::Kill { attempt })
    };
    let hung = Event::Hung { what, silent_for_ms: for_ms };
    let begun = Event::StopBegun { cause: StopCause::Hung, requested_by: None, rung };
    Decision::new(Why::Hung, vec![hung, begun], vec![Effect::KeepEvidence { attempt }, end])
}
