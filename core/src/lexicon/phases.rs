//! What the phases of a run mean, and the words that are shown for several of them.

use super::{Entry, Group};
use crate::phase::Phase;

const STATUS: &str = "resus status RUN";
const WHY: &str = "resus why RUN";
const LOGS: &str = "resus logs -f RUN";

pub(super) fn entry(phase: Phase) -> Entry {
    let (meaning, next, commands): (&str, &str, &[&str]) = match phase {
        Phase::Choosing => (
            "A new attempt is planned; the newest checkpoint that verifies is being looked for.",
            "Nothing: large checkpoints take a while to read.",
            &[STATUS],
        ),
        Phase::Spawning => (
            "The intent to start a worker is recorded; the shim has been ordered to do it.",
            "Nothing: it takes a moment.",
            &[STATUS],
        ),
        Phase::Starting => (
            "The worker lives but has not said that it is ready.",
            "If it takes too long, its output says what it waits for.",
            &[LOGS, "resus configure RUN --startup-timeout 30m"],
        ),
        Phase::Running => ("The worker trains.", "Nothing, as long as it moves.", &[STATUS, LOGS]),
        Phase::Pausing => (
            "On the way to a pause: the worker was asked to hold or to leave, or is being frozen.",
            "Nothing: what does not hold in time is frozen.",
            &[STATUS],
        ),
        Phase::Paused => (
            "The worker holds, is frozen, or has left with a checkpoint.",
            "Resume it when it may go on.",
            &["resus resume RUN", WHY],
        ),
        Phase::CoolingDown => (
            "The worker said that the training is complete and has yet to exit.",
            "Nothing: a worker that does not leave in time is ended.",
            &[STATUS],
        ),
        Phase::Asked => (
            "Being stopped: the worker was asked to save a checkpoint and to leave.",
            "Wait for it, or kill it and lose what it has not saved.",
            &["resus wait RUN", "resus kill RUN"],
        ),
        Phase::Terminated => (
            "Being stopped: SIGTERM has been sent to the worker and what it started.",
            "Wait for it, or kill it and lose what it has not saved.",
            &["resus wait RUN", "resus kill RUN"],
        ),
        Phase::Killed => (
            "Being stopped: SIGKILL has been sent to everything the worker started.",
            "If it stays so, a process is stuck in the kernel, usually on storage that is away.",
            &[WHY],
        ),
        Phase::Waiting => (
            "A failed attempt will be retried when the backoff is over.",
            "Nothing, or see what failed.",
            &[WHY, "resus logs RUN"],
        ),
        Phase::Done => ("Ended well.", "", &[STATUS]),
        Phase::Failed => (
            "Ended in a failure that is not retried, or whose retries are used up.",
            "See why, correct it, and start it again from its newest checkpoint.",
            &[WHY, "resus retry RUN"],
        ),
        Phase::Cancelled => (
            "Ended because somebody wanted it to.",
            "It can go on from its newest checkpoint.",
            &["resus retry RUN"],
        ),
    };
    Entry::new(Group::Phase, name(phase), meaning).with(next, commands)
}

/// Words that people are shown for more than one phase.
pub(super) fn words() -> impl Iterator<Item = Entry> {
    ["preparing", "stopping"].into_iter().map(|word| {
        let phases: Vec<String> =
            Phase::ALL.into_iter().filter(|phase| phase.as_str() == word).map(name).collect();
        let meaning = format!("The word shown for the phases {}.", phases.join(", "));
        Entry::new(Group::Phase, word, meaning).with("", &[STATUS])
    })
}

/// The name of the phase in documents and events.
fn name(phase: Phase) -> String {
    serde_json::to_value(phase)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| phase.as_str().to_owned())
}
