//! The end of an attempt: done, cancelled, retried or failed.

use super::failing::failed;
use super::{Decision, begin};
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, StopCause, Why};
use crate::failure::{EXIT_PAUSED, Fault, Meaning, SAID_FAILED, failed_by_word, judge, mapped};
use crate::input::{Exit, Reached};
use crate::moment::Moment;
use crate::pause::PauseStep;
use crate::phase::{Phase, Wanted};
use crate::run::Run;
use crate::spec::Contract;

/// Every process of the attempt is gone.
pub(super) fn exited(run: &Run, exit: &Exit, reached: Option<&Reached>, now: Moment) -> Decision {
    let meaning = judge(run, exit, reached, now);
    let mut decision = match (&meaning, run.wanted, run.stop.as_ref().map(|stop| stop.cause)) {
        // The worker finished while it was being stopped: its work counts, if it says so
        // itself. Code 0 alone is how most programs leave when they are asked to.
        (Meaning::Complete, Wanted::Cancelled, _) if !said_success(run) => cancelled(),
        (Meaning::Complete, Wanted::Finished | Wanted::Paused, _)
            if is_leaving(run) && !said_success(run) =>
        {
            released(run)
        }
        (Meaning::Complete, _, _) => done(run),
        (Meaning::Stopped | Meaning::Failed(_), Wanted::Cancelled, _) => cancelled(),
        // It was told to leave and left. With which code does not matter: nothing of it is
        // believed before it has been read back.
        (Meaning::Stopped | Meaning::Failed(_), _, _) if is_leaving(run) || says_paused(run, exit) => {
            released(run)
        }
        (Meaning::Stopped | Meaning::Failed(_), _, Some(StopCause::StartupTimeout)) => {
            let after_s = run.spec.policy.startup_timeout_ms / 1000;
            let message =
                format!("the worker said nothing for {after_s} s while it was starting and was killed");
            failed(run, &Fault::ours("STARTUP_FAILED", message), exit, reached, now)
        }
        (Meaning::Stopped | Meaning::Failed(_), _, Some(StopCause::Hung)) => {
            failed(run, &Fault::ours("HUNG", silence(run)), exit, reached, now)
        }
        (Meaning::Stopped | Meaning::Failed(_), _, Some(StopCause::CooldownTimeout)) if said_success(run) => {
            done(run)
        }
        // Our own signal ended it: what it had said counts, not the signal.
        (Meaning::Failed(_), _, Some(StopCause::CooldownTimeout)) => {
            failed(run, &failed_by_word(run, SAID_FAILED), exit, reached, now)
        }
        // It was told to leave by somebody else than us, e.g. a SIGTERM from outside, and
        // did so in good order. The user still wants the run to finish.
        (Meaning::Stopped, _, _) => {
            let message = "the worker was asked to stop, but not by Resus".to_owned();
            failed(run, &Fault::ours("PREEMPTED", message), exit, reached, now)
        }
        (Meaning::Failed(fault), _, _) => failed(run, fault, exit, reached, now),
    };
    decision.events.insert(0, Event::WorkerExited { exit: *exit, reached: reached.copied() });
    decision
}

/// The worker could not even be started.
pub(super) fn spawn_refused(run: &Run, code: &Code, message: &str, now: Moment) -> Decision {
    match run.wanted {
        Wanted::Cancelled => cancelled(),
        Wanted::Finished | Wanted::Paused => {
            let fault = Fault::ours(code.as_str(), message.to_owned());
            failed(run, &fault, &Exit::unknown(), None, now)
        }
    }
}

/// It has been told to leave for a pause.
fn is_leaving(run: &Run) -> bool {
    run.pause_step() == Some(PauseStep::Releasing)
}

/// It ended with the code for a pause, a pause was wanted, and it has saved a checkpoint (whether
/// that can be used turns out at the resume).
fn says_paused(run: &Run, exit: &Exit) -> bool {
    let saved = run.checkpoint.is_some() || !run.candidates.is_empty();
    let left_for_the_pause = exit.code == Some(EXIT_PAUSED) && mapped(run, EXIT_PAUSED).is_none();
    left_for_the_pause && run.wanted == Wanted::Paused && saved
}

/// What a hung worker did not do, e.g. `no heartbeat for 61 s`.
fn silence(run: &Run) -> String {
    match run.hung {
        Some(hung) => format!("no {} for {} s", hung.what.as_str(), hung.silent_for_ms / 1000),
        None => "the worker was silent for too long".to_owned(),
    }
}

/// The worker has left for a pause. If the run was resumed meanwhile, it goes on at once.
pub(super) fn released(run: &Run) -> Decision {
    let mut events = vec![Event::Paused { step: PauseStep::Released }];
    let mut effects = Vec::new();
    if run.wanted == Wanted::Finished {
        let (begun, starts) = begin::next(run, None);
        events.extend(begun);
        effects.extend(starts);
    }
    Decision::new(Why::WorkerReleased, events, effects)
}

fn said_success(run: &Run) -> bool {
    use crate::pulse::word::Outcome;
    run.heard.complete.as_ref().is_some_and(|c| matches!(c.outcome, Outcome::Success | Outcome::Skipped))
}

fn done(run: &Run) -> Decision {
    let why = match run.spec.contract {
        Contract::Opaque if !run.heard.spoke => Why::OpaqueExitedOk,
        Contract::Opaque | Contract::Pulse => Why::WorkerComplete,
    };
    Decision::new(why, vec![Event::Ended { phase: Phase::Done, why }], vec![Effect::Dismiss])
}

/// The run ends as the user wished.
pub(super) fn cancelled() -> Decision {
    let why = Why::Requested;
    Decision::new(why, vec![Event::Ended { phase: Phase::Cancelled, why }], vec![Effect::Dismiss])
}
