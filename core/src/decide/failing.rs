//! A failed attempt: tried again, perhaps from further back, or the end of the run.

use super::{Decision, begin, doubt};
use crate::apply::preview;
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Failure, Why};
use crate::failure::{Fault, lived_ms};
use crate::input::{Exit, Reached};
use crate::moment::Moment;
use crate::pause::PauseStep;
use crate::phase::{Phase, Wanted};
use crate::retry::{Repeat, Verdict, backoff_ms};
use crate::run::Run;

/// The failure of a worker whose loss is not finite.
const NAN_LOSS: &str = "NAN_LOSS";
/// The failure that comes back at the same place.
const CRASH_LOOP: &str = "CRASH_LOOP";

/// What is done about a failure.
enum Course {
    /// Another attempt; from further back if checkpoints are doubted.
    Again { delay_ms: u64, counted: bool, doubted: Option<Event> },
    /// None.
    GiveUp { why: Why, doubted: Option<Event> },
    /// None: it would fail at the same place.
    Loop { repeat: Repeat, doubted: Option<Event> },
}

pub(super) fn failed(
    run: &Run,
    fault: &Fault,
    exit: &Exit,
    reached: Option<&Reached>,
    now: Moment,
) -> Decision {
    let policy = &run.spec.policy.retry;
    let was_healthy = reached.is_some() && lived_ms(run, exit, now) >= policy.healthy_after_ms;
    let failure = |code: &Code, message: &str, retried| {
        Event::Failed(Failure {
            code: code.clone(),
            message: message.to_owned(),
            worker_says_retryable: fault.retryable,
            retried,
            was_healthy,
        })
    };
    let give_up = |failure, doubted: Option<Event>, why| {
        let ended = Event::Ended { phase: Phase::Failed, why };
        let events = [failure].into_iter().chain(doubted).chain([ended]).collect();
        Decision::new(why, events, vec![Effect::Dismiss])
    };
    match course(run, fault, was_healthy, reached, now) {
        Course::Again { delay_ms, counted, doubted } => {
            let events: Vec<_> =
                [failure(&fault.code, &fault.message, true)].into_iter().chain(doubted).collect();
            again(run, events, delay_ms, counted, now)
        }
        Course::GiveUp { why, doubted } => give_up(failure(&fault.code, &fault.message, false), doubted, why),
        Course::Loop { repeat: Repeat { code, at, count, .. }, doubted } => {
            let message = format!("{code} came back {count} times in a row at step {at}: {}", fault.message);
            give_up(failure(&Code::new(CRASH_LOOP), &message, false), doubted, Why::CrashLoop)
        }
    }
}

/// Another attempt, at once or after a wait.
fn again(run: &Run, mut events: Vec<Event>, delay_ms: u64, counted: bool, now: Moment) -> Decision {
    // The user wants it paused: it is tried again when it is resumed.
    if run.wanted == Wanted::Paused {
        events.push(Event::Paused { step: PauseStep::Released });
        return Decision::new(Why::RetryHeld, events, Vec::new());
    }
    events.push(Event::RetryScheduled { delay_ms, counted });
    let mut effects = Vec::new();
    if delay_ms == 0 {
        // Where it begins follows from what has just been doubted.
        let (begun, starts) = begin::next(&preview(run, &events, now), None);
        events.extend(begun);
        effects.extend(starts);
    }
    Decision::new(Why::FailureRetried, events, effects)
}

/// The class of the failure decides, then whether it comes back at the same place, then the budget.
fn course(run: &Run, fault: &Fault, was_healthy: bool, reached: Option<&Reached>, now: Moment) -> Course {
    let Fault { code, retryable, by_worker, .. } = fault;
    let policy = &run.spec.policy.retry;
    let mut slate = run.retry.clone();
    if was_healthy {
        slate.forgive();
    }
    // An end that is nobody's fault is free of the budget, if the attempt got anywhere: one that
    // never does would be retried for ever.
    let ours = !by_worker && (reached.is_some() || code.as_str() != "PREEMPTED");
    let delay_ms = backoff_ms(policy, &run.id, run.attempt, slate.failures.saturating_add(1));
    let verdict = slate.judge(policy, code, *retryable, ours, now.mono_ms, delay_ms);
    let repeat = slate.repeat_with(code, run.failed_at(reached)).filter(|repeat| repeat.code == *code);
    let nan = (code.as_str() == NAN_LOSS).then(|| doubt::of_nan_loss(run, reached)).flatten();
    match (verdict, repeat.filter(Repeat::is_loop)) {
        (Verdict::NotRetryable, _) => Course::GiveUp { why: Why::NotRetryable, doubted: nan },
        (Verdict::ClassSpent, _) => Course::GiveUp { why: Why::ClassSpent, doubted: nan },
        (Verdict::BudgetSpent, None) => Course::GiveUp { why: Why::BudgetSpent, doubted: nan },
        (Verdict::BudgetSpent, Some(repeat)) => Course::Loop { repeat, doubted: nan },
        (Verdict::Retry { delay_ms, counted }, None) => Course::Again { delay_ms, counted, doubted: nan },
        (Verdict::Retry { delay_ms, counted }, Some(repeat)) => {
            let back = (!repeat.went_back).then(|| doubt::of_crash_loop(run, &repeat)).flatten();
            match back {
                Some(back) => Course::Again { delay_ms, counted, doubted: Some(back) },
                None => Course::Loop { repeat, doubted: nan },
            }
        }
    }
}
