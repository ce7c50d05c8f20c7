//! What the doors (HTTP today) can ask of the actors. Reads come from the published board and
//! the ledger's reader and never enter the Supervisor's mailbox; commands go through the
//! Gateway and are answered when what they led to is on disk.

mod checkpoints;
mod dry;
mod removing;
mod rerun;
mod sweeping;
mod tuning;
mod workloads;

pub use tuning::Tuning;

use crate::board::Board;
use crate::clock;
use crate::curves::Curves;
use crate::directory::Directory;
use crate::disposal::Disposal;
use crate::gateway::{GatewayMsg, Outcome};
use crate::idle::LastAsked;
use crate::limits::{COMMAND_DEADLINE, EVENTS_PAGE_MAX, OUTPUT_BYTES_MAX};
use crate::outbox::{self, Status};
use crate::output::{self, OutputError};
use crate::problem::{internal, invalid, of_selector, problem, unwritable};
use crate::silences::Silences;
use crate::slots::Slots;
use crate::telemetry::Telemetry;
use crate::workload::Registry;
use resus_bus::control::Endpoints;
use resus_bus::link::Link;
use resus_bus::local::Local;
use resus_bus::setup::BusSetup;
use resus_bus::transport::Message;
use resus_core::api::{
    CommandBody, CommandReply, ConfigureBody, DaemonView, OutputChunk, Overrides, Problem, RunList,
    Submission,
};
use resus_core::event::Record;
use resus_core::exit::ExitCode;
use resus_core::ids::{CommandId, Slug};
use resus_core::input::Input;
use resus_core::moment::{Moment, rfc3339};
use resus_core::pulse::state::StateSnapshot;
use resus_core::selector::SelectError;
use resus_core::telemetry::history::Curves as Points;
use resus_core::text::one_line;
use resus_core::view::RunView;
use resus_store::record::{to_pulse, to_record};
use resus_store::{Reader, StateDir};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot, watch};

/// Handle to a running system of actors. Cheap to clone.
#[derive(Clone)]
pub struct Door(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) board: Arc<Board>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) curves: Arc<Curves>,
    pub(crate) silences: Arc<Silences>,
    pub(crate) disposal: Arc<Disposal>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) state: Arc<StateDir>,
    pub(crate) bus: Local,
    pub(crate) slots: Arc<Slots>,
    pub(crate) bus_setup: BusSetup,
    pub(crate) bus_status: Status,
    /// Place in the ledger up to which events have been published within the process.
    pub(crate) published: Arc<AtomicU64>,
    pub(crate) node: Slug,
    /// Durable number of this daemon's life.
    pub(crate) generation: u32,
    pub(crate) version: String,
    pub(crate) started_at: Moment,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) asked: Arc<LastAsked>,
    pub(crate) disk_share_percent: Arc<AtomicU8>,
    pub(crate) idle_exit: watch::Sender<Option<Duration>>,
}

impl Door {
    /// Accepts a run. Returns when it is in the ledger.
    ///
    /// # Errors
    /// A [`Problem`] that says what does not fit, or that the ledger can't be written.
    pub async fn submit(&self, submission: Submission) -> Result<RunView, Problem> {
        self.0.asked.touch();
        let (reply, waiting) = oneshot::channel();
        let command_id = submission.command_id.clone();
        let spec = Box::new(self.of_files(move |registry| registry.spec(&submission)).await);
        self.0.directory.gateway.send(GatewayMsg::Submit { spec, command_id, reply });
        let accepted = answer(waiting).await?;
        self.view(&accepted.run_id)
    }

    /// Carries out a command to the run that `selector` names.
    ///
    /// # Errors
    /// A [`Problem`]: no such run, not legal in its phase, or the ledger can't be written.
    pub async fn command(&self, selector: &str, body: CommandBody) -> Result<CommandReply, Problem> {
        let input = Input::Command { verb: body.verb, by: who(&body.by) };
        self.give_or_tell(selector, input, body.command_id, body.dry_run).await
    }

    /// Changes settings of the run that `selector` names.
    ///
    /// # Errors
    /// As [`Door::command`], or a setting is outside its range, or none is given.
    pub async fn configure(&self, selector: &str, body: ConfigureBody) -> Result<CommandReply, Problem> {
        if body.changes == Overrides::default() {
            return Err(invalid("no setting is given", None));
        }
        let input = Input::Configure { changes: body.changes, by: who(&body.by) };
        self.give_or_tell(selector, input, body.command_id, body.dry_run).await
    }

    async fn give(
        &self,
        selector: &str,
        input: Input,
        command_id: Option<CommandId>,
    ) -> Result<CommandReply, Problem> {
        let accepted = self.order(selector, input, command_id).await?;
        let run = self.view(&accepted.run_id)?;
        Ok(CommandReply { changed: accepted.changed, why: accepted.why.code(), run, would: None })
    }

    async fn order(&self, selector: &str, input: Input, command_id: Option<CommandId>) -> Outcome {
        self.0.asked.touch();
        let (reply, waiting) = oneshot::channel();
        let (selector, input) = (selector.to_owned(), Box::new(input));
        self.0.directory.gateway.send(GatewayMsg::Command { selector, input, command_id, reply });
        answer(waiting).await
    }

    /// The state of a run for those who come late.
    ///
    /// # Errors
    /// A [`Problem`] if none or several fit.
    pub fn snapshot(&self, selector: &str) -> Result<StateSnapshot, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let place = self.0.telemetry.place(&run.id);
        let state = self.0.board.state(&run.id, place);
        state.ok_or_else(|| internal(format!("run {} is not on the board", run.id)))
    }

    /// All runs, newest first.
    #[must_use]
    pub fn runs(&self) -> RunList {
        self.0.asked.touch();
        self.0.board.list()
    }

    /// The run that `selector` names: its id, a unique part of it, its name, `NAME@latest`.
    ///
    /// # Errors
    /// A [`Problem`] if none or several fit.
    pub fn run(&self, selector: &str) -> Result<RunView, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        self.view(&run.id)
    }

    fn view(&self, run_id: &resus_core::ids::RunId) -> Result<RunView, Problem> {
        let removed = || {
            let tombstone = self.0.board.tombstone(run_id)?;
            Some(of_selector(&SelectError::Removed {
                run_id: run_id.clone(),
                tombstone: Box::new(tombstone),
            }))
        };
        let view = self.0.board.view(run_id);
        view.ok_or_else(|| removed().unwrap_or_else(|| internal(format!("run {run_id} is not on the board"))))
    }

    /// A number that grows with every change of any run or its telemetry.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.board.version()
    }

    /// Waits until something changed since that version, at most `within`; returns the version.
    pub async fn changed(&self, since: u64, within: Duration) -> u64 {
        self.0.board.changed(since, within).await
    }

    /// PULSE events of a run after a sequence number, at most `limit` (and 1,000).
    ///
    /// # Errors
    /// A [`Problem`]: no such run, or the ledger can't be read.
    pub async fn events(
        &self,
        selector: &str,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<serde_json::Value>, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let path = self.0.state.ledger();
        let read = move || {
            let entries = Reader::open(&path)
                .and_then(|reader| reader.events(run.id.as_str(), after_seq, limit.min(EVENTS_PAGE_MAX)))
                .map_err(internal)?;
            entries
                .into_iter()
                .map(|entry| entry.content.map_err(internal).and_then(|row| to_pulse(&row).map_err(internal)))
                .collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(internal)?
    }

    /// The curves of a run: points by the name of the metric, oldest first, over all attempts.
    ///
    /// # Errors
    /// A [`Problem`] if there is no such run.
    pub async fn curves(&self, selector: &str) -> Result<Points, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let curves = Arc::clone(&self.0.curves);
        tokio::task::spawn_blocking(move || curves.of(&run.id)).await.map_err(internal)
    }

    /// Hears every class A event from now on, as it is published.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.0.bus.subscribe()
    }

    /// A piece of a worker's output: at most `max` bytes (and 256 KiB) of `attempt` (by default
    /// the newest) from `offset` on.
    ///
    /// # Errors
    /// A [`Problem`]: no such run or attempt, or the file can't be read.
    pub async fn output(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let state = Arc::clone(&self.0.state);
        let read = move || output::read(&state, &run, attempt, offset, max.min(OUTPUT_BYTES_MAX));
        let result = tokio::task::spawn_blocking(read).await.map_err(internal)?;
        result.map_err(|error| match error {
            OutputError::NoSuchAttempt { .. } => {
                let title = "No such attempt";
                problem("not-found", 404, title, error, None, ExitCode::NotFound)
            }
            OutputError::Read { .. } | OutputError::Run(_) => internal(error),
        })
    }

    /// What the daemon says of itself.
    #[must_use]
    pub fn daemon(&self) -> DaemonView {
        let inner = &self.0;
        inner.asked.touch();
        let (runs_live, runs_total, runs_quarantined) = inner.board.counts();
        DaemonView {
            pid: std::process::id(),
            version: inner.version.clone(),
            state_dir: inner.state.path().display().to_string(),
            node: inner.node.to_string(),
            started_at: rfc3339(inner.started_at.unix_ms),
            uptime_s: clock::now().ms_since(inner.started_at) as f64 / 1000.0,
            runs_live,
            runs_total,
            runs_quarantined,
            degraded: inner.board.is_degraded(),
            ledger_pos: inner.board.ledger_pos(),
            rss_bytes: inner.board.rss_bytes(),
            actor_restarts: inner.board.actor_restarts(),
            bus: inner.bus_status.now(inner.board.ledger_pos(), inner.slots.lost()),
            deletions: inner.disposal.view(),
            // Whoever read them knows.
            settings: None,
        }
    }

    /// Ledger records of a run after a sequence number with their PULSE events, at most `limit`
    /// (and 1,000).
    ///
    /// # Errors
    /// As [`Door::events`].
    pub async fn records(
        &self,
        selector: &str,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<(Record, serde_json::Value)>, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let path = self.0.state.ledger();
        let read = move || {
            let entries = Reader::open(&path)
                .and_then(|reader| reader.events(run.id.as_str(), after_seq, limit.min(EVENTS_PAGE_MAX)))
                .map_err(internal)?;
            let both = |row| Ok((to_record(&row).map_err(internal)?, to_pulse(&row).map_err(internal)?));
            entries.into_iter().map(|entry| entry.content.map_err(internal).and_then(both)).collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(internal)?
    }

    /// Publishes on the NATS server that `links` names, and lets `endpoints` answer what is asked
    /// there, until `ending` becomes true.
    pub async fn speak_on<E: Endpoints>(
        self,
        links: watch::Receiver<Option<Arc<Link>>>,
        endpoints: E,
        ending: watch::Receiver<bool>,
    ) {
        outbox::run(self.0, links, endpoints, ending).await;
    }

    /// Somebody is there: the daemon is not idle.
    pub fn attended(&self) {
        self.0.asked.touch();
    }

    /// Hears every event of class A and B from now on, as it is published.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.subscribe())
    }

    /// Asks the daemon to stop; workers go on under their shims.
    pub fn request_stop(&self) {
        self.0.stop.send_replace(true);
    }
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A PULSE envelope, as JSON.
    Event(Arc<str>),
    /// So many events went by while it did not listen.
    Missed(u64),
    /// Nothing will be said any more.
    Over,
}

/// Somebody who listens to everything that is published. One that does not listen for long
/// misses events and holds nobody up.
pub struct Listener(broadcast::Receiver<Message>);

impl Listener {
    /// Waits for the next event.
    pub async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(message) => Heard::Event(message.body),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Heard::Over,
        }
    }
}

/// Who asks, as recorded.
fn who(by: &str) -> String {
    if by.is_empty() { "user".to_owned() } else { one_line(by, 64) }
}

/// Every wait has a deadline: should the Gateway die with our question, the reply is dropped.
async fn answer(waiting: oneshot::Receiver<Outcome>) -> Outcome {
    waited(waiting).await?
}

async fn waited<T>(waiting: oneshot::Receiver<T>) -> Result<T, Problem> {
    match tokio::time::timeout(COMMAND_DEADLINE + Duration::from_secs(1), waiting).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) | Err(_) => Err(unwritable("the daemon did not answer; ask again")),
    }
}
