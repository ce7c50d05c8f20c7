//! From a v2 run to its v1 snapshot.

use crate::phase::Phase;
use crate::pulse::line::Progress;
use crate::pulse::payload::restarting;
use crate::pulse::v1::{SnapshotV1, StatusV1};
use crate::pulse::v2::{MESSAGE_BYTES_MAX, Status};
use crate::run::Run;
use crate::slot::Slot;
use crate::text::one_line;

/// All that a v1 snapshot is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct V2State<'a> {
    /// Where the run is.
    pub status: Status,
    /// Newest progress.
    pub progress: Option<&'a Progress>,
    /// Last finite loss of the run.
    pub loss: Option<f64>,
    /// The newest loss was not finite.
    pub loss_is_not_finite: bool,
    /// Newest status message, or what the failure that ended the run says; may be empty.
    pub message: &'a str,
    /// What is said while it waits for a retry ([`restarting`]); it takes the message's place.
    pub restarting: Option<String>,
    /// Last sign of life that we believe, Unix seconds.
    pub alive_unix_s: u64,
}

impl<'a> V2State<'a> {
    /// Of a run and its telemetry at `now_mono_ms`. `alive_unix_s` is the shell's to know.
    #[must_use]
    pub fn of(run: &'a Run, slot: &'a Slot, alive_unix_s: u64, now_mono_ms: u64) -> Self {
        let complete = run.heard.complete.as_ref();
        let said = slot.progress.as_ref().and_then(|progress| progress.message.as_deref());
        let said = said.unwrap_or(&run.heard.message);
        let message = match run.status {
            Status::Done => complete.map_or(said, |complete| complete.message.as_str()),
            Status::Error => run.last_failure.as_ref().map_or(said, |failure| failure.message.as_str()),
            Status::Idle
            | Status::Preparing
            | Status::Running
            | Status::Paused
            | Status::CoolingDown
            | Status::Cancelled => said,
        };
        let code = run.last_failure.as_ref().map_or("UNKNOWN", |failure| failure.code.as_str());
        let wait_ms = run.deadline_mono_ms.unwrap_or(0).saturating_sub(now_mono_ms);
        Self {
            status: run.status,
            progress: slot.progress.as_ref(),
            loss: complete.and_then(|complete| complete.final_loss).or(slot.loss),
            loss_is_not_finite: slot.metrics.get("loss") == Some(&None),
            message,
            restarting: (run.phase == Phase::Waiting).then(|| restarting(run, wait_ms, code)),
            alive_unix_s,
        }
    }
}

/// The snapshot: every number finite, the message one line of at most 256 bytes.
#[must_use]
pub fn project(state: &V2State<'_>) -> SnapshotV1 {
    let (epoch, total_epochs) = state.progress.map_or((0.0, 0.0), epochs);
    SnapshotV1 {
        status: StatusV1::from(state.status),
        epoch: finite(Some(epoch)),
        total_epochs: finite(Some(total_epochs)),
        loss: finite(state.loss),
        message: message(state),
        timestamp: state.alive_unix_s,
    }
}

fn finite(number: Option<f64>) -> f64 {
    number.filter(|n| n.is_finite()).unwrap_or(0.0)
}

/// Epochs done and in all: as said, else as the share of the steps, else the amounts as they
/// are, in whatever unit. An unknown total is 0.
fn epochs(progress: &Progress) -> (f64, f64) {
    if let Some(epoch) = progress.epoch {
        return (epoch, finite(progress.total_epochs));
    }
    if let (Some(step), Some(steps), Some(total)) =
        (progress.step, progress.total_steps.filter(|steps| *steps > 0.0), progress.total_epochs)
    {
        return (step / steps * total, total);
    }
    if progress.done.is_some() || progress.step.is_some() {
        return (finite(progress.amount()), finite(progress.amount_total()));
    }
    (0.0, finite(progress.total_epochs))
}

fn message(state: &V2State<'_>) -> String {
    let restarting = state.restarting.as_deref().map(str::trim);
    if let Some(restarting) = restarting.filter(|restarting| !restarting.is_empty()) {
        return one_line(restarting, MESSAGE_BYTES_MAX);
    }
    let said = state.message.trim();
    let newest =
        if said.is_empty() { state.progress.map(amounts).unwrap_or_default() } else { said.to_owned() };
    let newest = if newest.is_empty() { state.status.as_str().replace('_', " ") } else { newest };
    let text = match state.status {
        Status::Cancelled => "Cancelled by user".to_owned(),
        Status::Paused => format!("Paused: {newest}"),
        Status::Idle
        | Status::Preparing
        | Status::Running
        | Status::CoolingDown
        | Status::Done
        | Status::Error => newest,
    };
    if state.loss_is_not_finite {
        const SAID: &str = ", loss is not finite";
        // Room for a `…` more, so that whoever cuts the whole to 256 bytes finds nothing to cut.
        return one_line(&text, MESSAGE_BYTES_MAX - SAID.len() - '…'.len_utf8()) + SAID;
    }
    one_line(&text, MESSAGE_BYTES_MAX)
}

/// `epoch 2/3, step 150/800`; the unit's own amounts where there are neither epochs nor steps.
fn amounts(progress: &Progress) -> String {
    let part = |name: &str, done: Option<f64>, total: Option<f64>| {
        let done = short(done?);
        Some(match total.filter(|total| *total > 0.0) {
            Some(total) => format!("{name} {done}/{}", short(total)),
            None => format!("{name} {done}"),
        })
    };
    let named = [
        part("epoch", progress.epoch, progress.total_epochs),
        part("step", progress.step, progress.total_steps),
    ];
    let named: Vec<_> = named.into_iter().flatten().collect();
    if named.is_empty() {
        return part(&progress.unit, progress.done, progress.total).unwrap_or_default();
    }
    named.join(", ")
}

/// At most two decimals, and none that are zero: `2`, `1.5`, `0.33`.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
