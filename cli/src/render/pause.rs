//! A pause in plain words.

use crate::render::parts::{said, short};
use crate::text::duration;
use crate::text::duration::show_s;
use resus_core::input::CheckpointRef;
use resus_core::pause::{PauseCause, PauseStep};
use resus_core::view::RunView;

/// How far the pause has come, in words: `the worker holds and keeps its memory`.
pub(crate) fn step(step: PauseStep) -> &'static str {
    match step {
        PauseStep::Wanted => "as soon as the worker is ready",
        PauseStep::Asked => "the worker was asked to save a checkpoint and hold",
        PauseStep::Freezing => "the worker is being frozen",
        PauseStep::Releasing => "the worker is to save a checkpoint and leave",
        PauseStep::Held => "the worker holds and keeps its memory",
        PauseStep::Frozen => "the worker is frozen where it was and keeps its memory",
        PauseStep::Released => "there is no worker",
    }
}

/// The same for a line with little room.
pub(crate) fn brief(step: PauseStep) -> &'static str {
    match step {
        PauseStep::Wanted => "when the worker is ready",
        PauseStep::Asked => "the worker is to hold",
        PauseStep::Freezing => "the worker is being frozen",
        PauseStep::Releasing => "the worker is to leave",
        PauseStep::Held => "the worker holds",
        PauseStep::Frozen => "the worker is frozen",
        PauseStep::Released => "no worker",
    }
}

/// What came of the wish for a pause: `paused after 84ms: the worker holds …`.
pub(crate) fn reached(view: &RunView, took_ms: Option<u64>, was_so: bool) -> String {
    let how = view.pause.as_ref().map_or_else(String::new, |pause| format!(": {}", step(pause.step)));
    match (view.phase.as_str(), was_so, took_ms) {
        ("paused", true, _) => format!("is paused already{how}"),
        ("paused", false, Some(ms)) => format!("paused after {}{how}", took(ms)),
        ("paused", false, None) => format!("paused{how}"),
        _ => format!("is to pause{how}"),
    }
}

fn took(ms: u64) -> String {
    if ms < 1_000 { duration::exact(ms) } else { show_s(ms as f64 / 1000.0) }
}

/// How a run that is paused goes on.
pub(crate) fn goes_on(view: &RunView) -> Option<String> {
    let step = view.pause.as_ref().filter(|_| view.phase == "paused")?.step;
    let named = |checkpoint: &CheckpointRef| said(&checkpoint.checkpoint_id);
    let how = match (step, &view.checkpoint_unread, &view.checkpoint) {
        (PauseStep::Released, Some(unread), known) => {
            let else_from = known.as_ref().map_or_else(|| "from the beginning".to_owned(), named);
            let unread = named(unread);
            format!("starts another attempt from {unread}, or, should that be damaged, {else_from}")
        }
        (PauseStep::Released, None, Some(known)) => format!("starts another attempt from {}", named(known)),
        (PauseStep::Released, None, None) => {
            "starts another attempt from the beginning: there is no checkpoint".to_owned()
        }
        _ => "goes on at once".to_owned(),
    };
    Some(format!("resus resume {}  {how}", short(&view.run_id)))
}

/// Who or what wants the pause.
pub(crate) fn cause(view: &RunView) -> Option<String> {
    let pause = view.pause.as_ref()?;
    Some(match pause.cause {
        PauseCause::User => match &pause.requested_by {
            Some(who) => format!("asked for by {}", said(who)),
            None => "asked for".to_owned(),
        },
        PauseCause::ErrorRate => "too much of the work failed".to_owned(),
    })
}
