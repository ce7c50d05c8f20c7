//! A daemon for the tests of clients: the real API on a real socket, over a desk whose run,
//! events and output the test sets.

mod bus;
mod removing;

pub(crate) use bus::FakeBus;

use crate::daemon::record::Record;
use crate::render::sample;
use crate::target::Target;
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, EnvChanges, OutputChunk, PinBody,
    Plan, Problem, PruneBody, PruneReply, Reach, RecheckBody, ReloadReply, RemoveBody, RemoveReply,
    RerunBody, RerunReply, RestoreBody, RunList, StoryLine, Submission, SweepBody, SweepReply, WorkloadList,
};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::pulse::state::StateSnapshot;
use resus_core::telemetry::history::Curves;
use resus_core::view::RunView;
use resus_panel::{Desk, Heard, Listen};
use resus_store::StateDir;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;

/// Events in one answer of the fake: few, so that pages are needed.
const PAGE: usize = 2;

/// What the fake daemon knows of its one run.
#[derive(Clone)]
pub(crate) struct FakeDesk {
    pub view: Arc<Mutex<RunView>>,
    pub version: Arc<watch::Sender<u64>>,
    pub lines: Arc<Mutex<Vec<StoryLine>>>,
    /// So many pages of events behind the first, or of output, are refused for the moment.
    pub refuse_pages: Arc<AtomicUsize>,
    /// Its worker can't be asked for a checkpoint.
    pub opaque: Arc<AtomicBool>,
    pub bus: broadcast::Sender<Arc<str>>,
    pub output: Arc<Mutex<Vec<u8>>>,
    /// So many more runs in the list.
    pub more: Arc<AtomicUsize>,
    pub commands: Arc<Mutex<Vec<CommandBody>>>,
    /// The checkpoints of the run, and what a pruning deletes.
    pub checkpoints: Arc<Mutex<CheckpointList>>,
    /// What commands and restores called their runs.
    pub commanded: Arc<Mutex<Vec<String>>>,
    /// What the next command adds to the ledger before its answer is lost, if it is to be lost.
    pub dies_behind: Arc<Mutex<Vec<(&'static str, Value)>>>,
}

impl FakeDesk {
    pub(crate) fn new() -> Self {
        Self {
            view: Arc::new(Mutex::new(sample::view(json!({"seq": 0})))),
            version: Arc::new(watch::channel(1).0),
            lines: Arc::default(),
            refuse_pages: Arc::default(),
            opaque: Arc::default(),
            bus: broadcast::Sender::new(4),
            output: Arc::default(),
            more: Arc::default(),
            commands: Arc::default(),
            checkpoints: Arc::new(Mutex::new(CheckpointList { checkpoints: Vec::new(), rules: None })),
            commanded: Arc::default(),
            dies_behind: Arc::default(),
        }
    }

    /// That too many wait, as long as that is to be said.
    fn may_refuse(&self) -> Result<(), Problem> {
        let left = self.refuse_pages.load(Ordering::Relaxed);
        self.refuse_pages.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 { Err(busy()) } else { Ok(()) }
    }

    /// Changes fields of the run, adds `events` to its ledger, and lets everybody know.
    pub(crate) fn change(&self, changes: Value, events: usize) {
        self.tell(changes, &vec![("adopted", json!({})); events]);
    }

    /// The same with events of one's own: what the ledger calls them, and their payloads.
    pub(crate) fn tell(&self, changes: Value, events: &[(&str, Value)]) {
        let mut ledger = self.lines.lock().unwrap();
        for (what, payload) in events {
            let line = sample::line(ledger.len() as u64 + 1, what, payload.clone());
            // Nobody may listen.
            let _ = self.bus.send(line.event.to_string().into());
            ledger.push(line);
        }
        let mut view = sample::view(changes);
        view.seq = ledger.len() as u64;
        *self.view.lock().unwrap() = view;
        self.version.send_modify(|version| *version += 1);
    }
}

pub(crate) struct FakeListener(broadcast::Receiver<Arc<str>>);

impl Listen for FakeListener {
    async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(event) => Heard::Event(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Heard::Over,
        }
    }
}

impl Desk for FakeDesk {
    type Listener = FakeListener;

    async fn submit(&self, _: Submission) -> Result<RunView, Problem> {
        self.run(sample::RUN_ID)
    }

    async fn plan(&self, submission: Submission) -> Result<Plan, Problem> {
        Ok(sample::plan(submission))
    }

    async fn workloads(&self) -> Result<WorkloadList, Problem> {
        Ok(sample::workloads())
    }

    async fn command(&self, selector: &str, body: CommandBody) -> Result<CommandReply, Problem> {
        if body.verb == Verb::Checkpoint && self.opaque.load(Ordering::Relaxed) {
            return Err(Problem {
                kind: "urn:resus:refused".into(),
                status: 409,
                exit_code: ExitCode::Refused,
                ..busy()
            });
        }
        let would = body.dry_run.then(sample::foretold);
        self.commands.lock().unwrap().push(body);
        self.commanded.lock().unwrap().push(selector.to_owned());
        let last_words = std::mem::take(&mut *self.dies_behind.lock().unwrap());
        if !last_words.is_empty() {
            self.tell(json!({}), &last_words);
            // It ends the connection, as the death of a daemon does.
            panic!("dies before it has answered, as this test wants");
        }
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would })
    }

    async fn rerun(&self, selector: &str, body: RerunBody, reach: Reach) -> Result<RerunReply, Problem> {
        self.commanded.lock().unwrap().push(format!("rerun {selector} {} {reach:?}", json!(body)));
        let run = self.run(selector)?;
        Ok(RerunReply {
            of: run.run_id.clone(),
            name: run.name.clone(),
            workload: run.workload.clone(),
            argv: run.argv.clone(),
            cwd: "/".into(),
            env: EnvChanges::default(),
            run: (!body.dry_run).then_some(run),
        })
    }

    async fn restore(&self, selector: &str, _: RestoreBody) -> Result<CommandReply, Problem> {
        self.commanded.lock().unwrap().push(selector.to_owned());
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    async fn pin(&self, selector: &str, body: PinBody) -> Result<CommandReply, Problem> {
        let verb = if body.pinned { "pin" } else { "unpin" };
        self.commanded.lock().unwrap().push(format!("{verb} {selector} {}", body.checkpoint));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    async fn prune(&self, selector: &str, body: PruneBody) -> Result<PruneReply, Problem> {
        self.commanded.lock().unwrap().push(format!("prune {selector} {}", body.dry_run));
        self.run(selector)?;
        let goes = self.checkpoints.lock().unwrap().checkpoints.clone();
        let bytes = goes.iter().filter_map(|view| view.checkpoint.size_bytes).sum();
        let (would_delete, deleted) = if body.dry_run { (goes, vec![]) } else { (vec![], goes) };
        Ok(PruneReply { would_delete, deleted, bytes })
    }

    async fn recheck(&self, selector: &str, body: RecheckBody) -> Result<CommandReply, Problem> {
        let which = body.checkpoint.as_deref().unwrap_or("all");
        self.commanded.lock().unwrap().push(format!("recheck {selector} {which}"));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: false, why: "REQUESTED".into(), run, would: None })
    }

    async fn remove(&self, selector: &str, body: RemoveBody) -> Result<RemoveReply, Problem> {
        self.commanded.lock().unwrap().push(removing::asked(selector, &body));
        removing::removed(self.run(selector)?, &body)
    }

    async fn sweep(&self, body: SweepBody) -> Result<SweepReply, Problem> {
        self.commanded.lock().unwrap().push(format!("sweep {}", json!(body)));
        Ok(removing::swept(&self.run(sample::RUN_ID)?, &body))
    }

    async fn configure(&self, selector: &str, _: ConfigureBody) -> Result<CommandReply, Problem> {
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    fn checkpoints(&self, selector: &str) -> Result<CheckpointList, Problem> {
        self.run(selector)?;
        Ok(self.checkpoints.lock().unwrap().clone())
    }

    fn snapshot(&self, selector: &str) -> Result<StateSnapshot, Problem> {
        let run = self.run(selector)?;
        let state = json!({
            "v": 2, "training_id": run.run_id, "name": "n", "workload": "w", "node": "n", "attempt": 1,
            "seq": run.seq, "status": "running", "reason": "", "message": "",
            "timestamp": "2026-11-22T00:00:00.000Z", "telemetry_attempt": 1, "after_seq": 0, "tick": 0,
            "v1": {"status": "running", "epoch": 0.0, "total_epochs": 0.0, "loss": 0.0, "message": "",
                "timestamp": 0},
        });
        Ok(serde_json::from_value(state).unwrap())
    }

    fn runs(&self) -> RunList {
        let view = self.view.lock().unwrap().clone();
        let more = 0..self.more.load(Ordering::Relaxed);
        let more = more.map(|n| RunView { run_id: format!("run-{n}"), ..view.clone() });
        RunList { runs: [view.clone()].into_iter().chain(more).collect(), quarantined: Default::default() }
    }

    fn run(&self, selector: &str) -> Result<RunView, Problem> {
        if [sample::RUN_ID, "odd/näme?", "@latest"].contains(&selector) {
            return Ok(self.view.lock().unwrap().clone());
        }
        Err(Problem {
            kind: "urn:resus:not-found".into(),
            title: "No such run".into(),
            status: 404,
            detail: format!("no run is called {selector:?}"),
            hint: None,
            exit_code: ExitCode::NotFound,
        })
    }

    fn version(&self) -> u64 {
        *self.version.borrow()
    }

    async fn changed(&self, since: u64, within: Duration) -> u64 {
        let mut version = self.version.subscribe();
        let _ = tokio::time::timeout(within, version.wait_for(|version| *version > since)).await;
        self.version()
    }

    async fn events(&self, _: &str, after_seq: u64, _: u32) -> Result<Vec<Value>, Problem> {
        let lines = self.lines.lock().unwrap();
        let after = usize::try_from(after_seq).unwrap();
        Ok(lines.iter().skip(after).take(PAGE).map(|line| line.event.clone()).collect())
    }

    async fn curves(&self, _: &str) -> Result<Curves, Problem> {
        Ok(Curves::new())
    }

    async fn story(&self, _: &str, after_seq: u64, _: u32) -> Result<Vec<StoryLine>, Problem> {
        if after_seq > 0 {
            self.may_refuse()?;
        }
        let lines = self.lines.lock().unwrap();
        let after = usize::try_from(after_seq).unwrap();
        Ok(lines.iter().skip(after).take(PAGE).cloned().collect())
    }

    fn attended(&self) {}

    fn listen(&self) -> FakeListener {
        FakeListener(self.bus.subscribe())
    }

    async fn output(
        &self,
        _: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        self.may_refuse()?;
        let all = self.output.lock().unwrap().clone();
        let start = usize::try_from(offset).unwrap().min(all.len());
        let end = (start + usize::try_from(max).unwrap()).min(all.len());
        let chunk = OutputChunk {
            attempt: attempt.unwrap_or(1),
            newest_attempt: 1,
            offset,
            next_offset: end as u64,
            length: all.len() as u64,
            complete: true,
            run_ended: true,
            pruned_at: None,
        };
        Ok((chunk, all[start..end].to_vec()))
    }

    fn daemon(&self) -> DaemonView {
        let view = json!({
            "pid": 1, "version": "fake", "state_dir": "/", "node": "n", "started_at": "", "uptime_s": 0.0,
            "runs_live": 1, "runs_total": 1, "runs_quarantined": 0, "ledger_pos": 0, "rss_bytes": 0,
            "actor_restarts": {},
        });
        serde_json::from_value(view).unwrap()
    }

    fn request_stop(&self) {}

    async fn reload(&self) -> Result<ReloadReply, Problem> {
        Ok(sample::reloaded())
    }
}

fn busy() -> Problem {
    Problem {
        kind: "urn:resus:busy".into(),
        title: "Busy".into(),
        status: 503,
        detail: String::new(),
        hint: None,
        exit_code: ExitCode::DaemonUnreachable,
    }
}

/// A state folder with a daemon that can be ended and started again.
pub(crate) struct FakeDaemon {
    folder: tempfile::TempDir,
    pub state: StateDir,
    pub desk: FakeDesk,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl FakeDaemon {
    /// A running daemon.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let mut daemon = Self { folder, state, desk: FakeDesk::new(), running: None };
        daemon.start_again();
        daemon
    }

    /// It, for a command.
    pub(crate) fn target(&self) -> Target {
        Target::Here(self.state.clone())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("daemon.sock")
    }

    /// Starts it (again) on the same socket.
    pub(crate) fn start_again(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let record = Record {
            pid: std::process::id(),
            version: String::new(),
            build_id: String::new(),
            socket: self.socket(),
            started_at: String::new(),
        };
        record.write(&self.state).unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = resus_panel::serve(listener, self.desk.clone(), async move {
            let _ = stopped.await;
        });
        self.running = Some((stop, tokio::spawn(server)));
    }

    /// Ends it as if somebody had stopped it on purpose, so that no client starts one.
    pub(crate) async fn stop(&mut self) {
        std::fs::write(self.state.stopped(), "").unwrap();
        let (stop, server) = self.running.take().unwrap();
        stop.send(()).unwrap();
        server.await.unwrap();
        std::fs::remove_file(self.socket()).unwrap();
    }
}
