//! Emits PULSE from inside a Rust worker, and hears what the supervisor asks of it.
//!
//! ```
//! use resus_sdk::{Outcome, Progress, Pulse, RunComplete, Status, Unit};
//!
//! let pulse = Pulse::from_env();
//! pulse.status(Status::Running, "training");
//! for step in 1..=100 {
//!     if pulse.stop_requested() {
//!         break;
//!     }
//!     // … one training step …
//!     pulse.progress(Progress { step: Some(step), total_steps: Some(100), ..Progress::of(Unit::Step) });
//! }
//! pulse.run_complete(&RunComplete::with(Outcome::Success));
//! ```
//!
//! Outside Resus (`PULSE_EVENTS` unset) emitting does nothing, so the same program runs by hand. No call
//! panics, fails its caller or waits for anyone: what cannot be written is counted ([`Pulse::dropped`]).
//! A [`Pulse`] is cheap to clone and shared between threads. Telemetry (progress, metrics, heartbeat) is
//! written by a thread, at most ten times a second and newest only; everything else before the call returns.

mod command;
mod control;
mod emitter;
mod environment;
mod event;
mod outlet;
mod payload;
mod signal;
mod telemetry;
mod text;
mod timestamp;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::command::Inbox;
use crate::emitter::Emitter;
use crate::outlet::Outlet;
use crate::payload::{Payload, STATUS_MESSAGE_BYTES_MAX};
use crate::signal::Signals;

pub use crate::command::{Command, Verb};
pub use crate::environment::Environment;
pub use crate::event::{
    CheckpointSaved, ErrorReport, Health, Outcome, Progress, RunComplete, Status, TargetComplete,
    TargetOutcome, Unit,
};

/// How often a waiting worker looks whether a signal has come: a signal wakes no thread.
const SIGNAL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The worker's voice and ear. Clones speak with the same voice; the last one to go flushes.
///
/// `std::process::exit` runs no destructors: call [`Pulse::flush`] or [`Pulse::run_complete`] before it.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    environment: Environment,
    emitter: Option<Emitter>,
    inbox: Arc<Inbox>,
    signals: Signals,
}

impl Pulse {
    /// The voice of this process, as its environment describes it.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(Environment::from_process())
    }

    /// The voice of a worker in `environment`.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        let emitter =
            environment.events.clone().map(|path| Emitter::new(Outlet::new(path), environment.beat()));
        let inbox = Arc::new(Inbox::default());
        if let (Some(path), Some(_)) = (&environment.control, &emitter) {
            control::listen(path.clone(), &inbox);
        }
        Self(Arc::new(Inner { environment, emitter, inbox, signals: Signals::default() }))
    }

    /// Whether anyone is listening, i.e. whether this process is a worker under Resus.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.emitter.is_some()
    }

    /// The run this worker belongs to.
    #[must_use]
    pub fn training_id(&self) -> Option<&str> {
        self.0.environment.training_id.as_deref()
    }

    /// Which attempt of the run this process is, from 1; 0 outside Resus.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.environment.attempt
    }

    /// Where checkpoints belong.
    #[must_use]
    pub fn checkpoint_dir(&self) -> Option<&Path> {
        self.0.environment.checkpoint_dir.as_deref()
    }

    /// The newest verified checkpoint, if there is one to resume from.
    #[must_use]
    pub fn resume_from(&self) -> Option<&Path> {
        self.0.environment.resume_from.as_deref()
    }

    /// Says where the run is. A message longer than 256 bytes keeps its head and its tail.
    pub fn status(&self, status: Status, message: &str) {
        self.say("status", || {
            let payload = Payload::default().name("status", status.as_str());
            payload.text("message", message, STATUS_MESSAGE_BYTES_MAX)
        });
    }

    /// Says how far the run is. Call it as often as you like.
    pub fn progress(&self, progress: Progress) {
        if let Some(emitter) = &self.0.emitter {
            emitter.report(|telemetry, at| telemetry.progress(progress, at));
        }
    }

    /// Says numbers by name; different names said within one interval are merged. Not-a-number and the
    /// infinities are said as such. Names are cut at 64 characters.
    pub fn metrics(&self, step: Option<u64>, metrics: &[(&str, f64)]) {
        if let Some(emitter) = &self.0.emitter
            && !metrics.is_empty()
        {
            emitter.report(|telemetry, at| telemetry.metrics(step, metrics, at));
        }
    }

    /// Says that the worker is alive, where it has nothing else to say for a while.
    pub fn heartbeat(&self) {
        if let Some(emitter) = &self.0.emitter {
            emitter.report(|telemetry, at| {
                telemetry.heartbeat(at);
                0
            });
        }
    }

    /// Says that something went wrong.
    pub fn error(&self, report: &ErrorReport<'_>) {
        self.say("error", || payload::error(report));
    }

    /// Says that the pipeline went from one stage to the next.
    pub fn stage_change(&self, previous_stage: Option<&str>, new_stage: &str) {
        self.say("stage_change", || {
            Payload::default().name_if("previous_stage", previous_stage).name("new_stage", new_stage)
        });
    }

    /// Says that work on one of several targets begins; `target_index` counts from 0.
    pub fn target_start(&self, target: &str, target_index: u64, total_targets: u64) {
        self.say("target_start", || {
            let payload = Payload::default().name("target", target);
            payload.whole("target_index", Some(target_index)).whole("total_targets", Some(total_targets))
        });
    }

    /// Says that a target is finished.
    pub fn target_complete(&self, target: &TargetComplete<'_>) {
        self.say("target_complete", || payload::target_complete(target));
    }

    /// Says that a checkpoint lies complete under its final name: a file or a folder, of any format.
    pub fn checkpoint_saved(&self, saved: &CheckpointSaved<'_>) {
        self.say("checkpoint", || payload::checkpoint_saved(saved));
    }

    /// The worker's last word.
    pub fn run_complete(&self, run: &RunComplete<'_>) {
        self.say("run_complete", || payload::run_complete(run));
    }

    /// Writes telemetry that is still waiting for its interval.
    pub fn flush(&self) {
        if let Some(emitter) = &self.0.emitter {
            emitter.flush();
        }
    }

    /// Events and metric values that could not be written since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.emitter.as_ref().map_or(0, Emitter::dropped)
    }

    /// Lines from the supervisor that were no command we know, and commands pushed out unread.
    #[must_use]
    pub fn ignored_commands(&self) -> u64 {
        self.0.inbox.ignored()
    }

    /// The oldest unread command. Costs one atomic load when there is none.
    #[must_use]
    pub fn take_command(&self) -> Option<Command> {
        self.0.inbox.take()
    }

    /// Waits for a command for at most `limit`, for a worker that holds. Returns early, with `None`, when
    /// a stop is requested by signal.
    #[must_use]
    pub fn wait_command(&self, limit: Duration) -> Option<Command> {
        let start = Instant::now();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            let command = self.0.inbox.wait(left.min(SIGNAL_POLL_INTERVAL));
            if command.is_some() || left.is_zero() || self.0.signals.stop_requested() {
                return command;
            }
        }
    }

    /// Takes SIGTERM and SIGINT as requests to stop. A second SIGINT ends the process at once.
    ///
    /// Not done unasked, since signals belong to the whole process. Works outside Resus too, so that a
    /// run by hand ends with a checkpoint on Ctrl-C.
    ///
    /// # Errors
    /// The operating system's refusal to install a handler; signals then keep their meaning.
    pub fn handle_signals(&self) -> io::Result<()> {
        self.0.signals.handle()
    }

    /// Whether a signal asked for it, for a worker that tells the two ways of asking apart.
    #[must_use]
    pub fn stop_signalled(&self) -> bool {
        self.0.signals.stop_requested()
    }

    /// Whether the worker should save a checkpoint and leave. Once true it stays true.
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        self.0.inbox.stop_requested() || self.0.signals.stop_requested()
    }

    fn say(&self, event_type: &str, payload: impl FnOnce() -> Payload) {
        if let Some(emitter) = &self.0.emitter {
            emitter.say(event_type, payload().build());
        }
    }
}
