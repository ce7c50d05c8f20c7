//! A desk that remembers what it was asked, and requests without a socket.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, EnvChanges, OutputChunk, PinBody,
    Plan, Problem, PruneBody, PruneReply, Reach, RecheckBody, ReloadReply, RemoveBody, RemoveReply,
    RerunBody, RerunReply, RestoreBody, RunList, RunSize, SettingsView, StoryLine, Submission, SweepBody,
    SweepItem, SweepKind, SweepReply, WorkloadList,
};
use resus_core::exit::ExitCode;
use resus_core::prune::EndedAs;
use resus_core::pulse::state::StateSnapshot;
use resus_core::telemetry::history::Curves;
use resus_core::view::RunView;
use resus_panel::{Desk, Heard, Listen, Panel, router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

pub const RUN_ID: &str = "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77";

/// A desk with one run, whose output and version the test sets.
#[derive(Clone)]
pub struct FakeDesk {
    pub version: Arc<watch::Sender<u64>>,
    pub output: Arc<Mutex<Vec<u8>>>,
    pub ended: Arc<Mutex<bool>>,
    pub degraded: Arc<Mutex<Option<String>>>,
    pub asked: Arc<Mutex<Vec<String>>>,
    /// The newest submission.
    pub submitted: Arc<Mutex<Option<Submission>>>,
    /// So many more runs, and events of each.
    pub more: Arc<Mutex<usize>>,
    /// What is published; a few messages are kept for a slow listener.
    pub bus: broadcast::Sender<Arc<str>>,
}

impl FakeDesk {
    pub fn new() -> Self {
        Self {
            version: Arc::new(watch::channel(7).0),
            output: Arc::default(),
            ended: Arc::default(),
            degraded: Arc::default(),
            asked: Arc::default(),
            submitted: Arc::default(),
            more: Arc::default(),
            bus: broadcast::Sender::new(4),
        }
    }

    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn nobody(selector: &str) -> Problem {
    Problem {
        kind: "urn:resus:not-found".into(),
        title: "no such run".into(),
        status: 404,
        detail: format!("no run is called {selector:?}"),
        hint: Some("resus ps -a".into()),
        exit_code: ExitCode::NotFound,
    }
}

pub fn view() -> RunView {
    // As a document, so that a new optional field changes nothing here.
    let view = json!({
        "run_id": RUN_ID, "name": "othello", "workload": "othello", "node": "gpu-a1", "phase": "running",
        "status": "running", "attempt": 1, "seq": 5, "failures": 0, "retries_max": 5, "refused_lines": 0,
        "progress": {"unit": "game"}, "metrics": {}, "message": "", "age_s": 1.0,
        "accepted_at": "2026-11-22T04:13:46.123Z", "argv": ["train"],
    });
    serde_json::from_value(view).expect("a view")
}

pub struct FakeListener(broadcast::Receiver<Arc<str>>);

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

    async fn submit(&self, submission: Submission) -> Result<RunView, Problem> {
        self.note(format!("submit {}", submission.workload.clone().unwrap_or_default()));
        *self.submitted.lock().unwrap() = Some(submission);
        Ok(view())
    }

    async fn plan(&self, submission: Submission) -> Result<Plan, Problem> {
        self.note(format!("plan {}", submission.workload.clone().unwrap_or_default()));
        *self.submitted.lock().unwrap() = Some(submission);
        let plan = json!({
            "workload": "w", "name": "w", "argv": ["train"], "cwd": "/", "env_count": 0, "contract": "pulse",
            "settings": [],
        });
        Ok(serde_json::from_value(plan).expect("a plan"))
    }

    async fn workloads(&self) -> Result<WorkloadList, Problem> {
        let more = *self.more.lock().unwrap();
        let view = |n: usize| json!({"name": format!("w-{n:03}"), "origin": "built_in"});
        let view = |n| serde_json::from_value(view(n)).expect("a workload");
        Ok(WorkloadList { workloads: (0..=more).map(view).collect(), trouble: Some("a loose one".into()) })
    }

    async fn command(&self, selector: &str, body: CommandBody) -> Result<CommandReply, Problem> {
        let dry = if body.dry_run { " (dry)" } else { "" };
        self.note(format!("{} {selector}{dry}", body.verb.as_str()));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    async fn rerun(&self, selector: &str, body: RerunBody, reach: Reach) -> Result<RerunReply, Problem> {
        self.note(format!("rerun {selector} {} {reach:?}", json!(body)));
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

    async fn restore(&self, selector: &str, body: RestoreBody) -> Result<CommandReply, Problem> {
        self.note(format!("restore {selector} {}", body.checkpoint));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    async fn pin(&self, selector: &str, body: PinBody) -> Result<CommandReply, Problem> {
        let verb = if body.pinned { "pin" } else { "unpin" };
        self.note(format!("{verb} {selector} {}", body.checkpoint));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    async fn prune(&self, selector: &str, body: PruneBody) -> Result<PruneReply, Problem> {
        self.note(format!("prune {selector} {}", body.dry_run));
        self.run(selector)?;
        Ok(PruneReply { bytes: 7, ..PruneReply::default() })
    }

    async fn recheck(&self, selector: &str, body: RecheckBody) -> Result<CommandReply, Problem> {
        self.note(format!("recheck {selector} {}", body.checkpoint.as_deref().unwrap_or("all")));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: false, why: "REQUESTED".into(), run, would: None })
    }

    async fn remove(&self, selector: &str, body: RemoveBody) -> Result<RemoveReply, Problem> {
        self.note(format!("remove {selector} dry_run {} with_pinned {}", body.dry_run, body.with_pinned));
        let (run, size) = (self.run(selector)?, RunSize { bytes: 7, ..RunSize::default() });
        Ok(RemoveReply {
            removed: !body.dry_run,
            run,
            size,
            checkpoints: 0,
            pinned: 0,
            obstacles: Vec::new(),
        })
    }

    async fn sweep(&self, body: SweepBody) -> Result<SweepReply, Problem> {
        self.note(format!("sweep {}", json!(body)));
        let item = |n: usize| SweepItem {
            kind: SweepKind::Runs,
            run_id: format!("run-{n}"),
            name: "n".into(),
            ended_as: EndedAs::Done,
            ended_at: "2026-11-22T04:13:46.123Z".into(),
            bytes: 7,
            at_least: false,
            problem: None,
        };
        let items: Vec<_> = (0..=*self.more.lock().unwrap()).map(item).collect();
        let bytes = 7 * items.len() as u64;
        Ok(SweepReply { items, bytes, dry_run: body.dry_run, ..SweepReply::default() })
    }

    async fn configure(&self, selector: &str, body: ConfigureBody) -> Result<CommandReply, Problem> {
        self.note(format!("configure {selector} {}", json!(body.changes)));
        let run = self.run(selector)?;
        Ok(CommandReply { changed: true, why: "REQUESTED".into(), run, would: None })
    }

    fn checkpoints(&self, selector: &str) -> Result<CheckpointList, Problem> {
        self.run(selector)?;
        Ok(CheckpointList { checkpoints: Vec::new(), rules: None })
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
        let more = (0..*self.more.lock().unwrap()).map(|n| RunView { run_id: format!("run-{n}"), ..view() });
        RunList { runs: [view()].into_iter().chain(more).collect(), quarantined: BTreeMap::new() }
    }

    fn run(&self, selector: &str) -> Result<RunView, Problem> {
        if [RUN_ID, "8c1d9e77", "othello"].contains(&selector) { Ok(view()) } else { Err(nobody(selector)) }
    }

    fn version(&self) -> u64 {
        *self.version.borrow()
    }

    async fn changed(&self, since: u64, within: Duration) -> u64 {
        let mut version = self.version.subscribe();
        let _ = tokio::time::timeout(within, version.wait_for(|version| *version > since)).await;
        self.version()
    }

    async fn events(&self, selector: &str, after_seq: u64, limit: u32) -> Result<Vec<Value>, Problem> {
        self.note(format!("events {selector} {after_seq} {limit}"));
        let all = (1..=*self.more.lock().unwrap() as u64 + 1).map(|n| json!({"v": 2, "seq": after_seq + n}));
        Ok(all.take(limit as usize).collect())
    }

    async fn story(&self, selector: &str, after_seq: u64, limit: u32) -> Result<Vec<StoryLine>, Problem> {
        self.note(format!("story {selector} {after_seq} {limit}"));
        let event = json!({"v": 2, "seq": after_seq + 1});
        Ok(vec![StoryLine { what: "adopted".into(), why: "TAKEN_OVER".into(), sentence: "s".into(), event }])
    }

    async fn curves(&self, selector: &str) -> Result<Curves, Problem> {
        self.note(format!("curves {selector}"));
        Ok(Curves::from([("loss".into(), Vec::new())]))
    }

    fn attended(&self) {
        self.note("attended".into());
    }

    fn listen(&self) -> FakeListener {
        FakeListener(self.bus.subscribe())
    }

    async fn output(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        self.run(selector)?;
        let all = self.output.lock().unwrap().clone();
        let start = usize::try_from(offset).unwrap().min(all.len());
        let end = (start + usize::try_from(max).unwrap()).min(all.len());
        let ended = *self.ended.lock().unwrap();
        let chunk = OutputChunk {
            attempt: attempt.unwrap_or(1),
            newest_attempt: 1,
            offset: start as u64,
            next_offset: end as u64,
            length: all.len() as u64,
            complete: ended,
            run_ended: ended,
            pruned_at: None,
        };
        Ok((chunk, all[start..end].to_vec()))
    }

    fn daemon(&self) -> DaemonView {
        DaemonView {
            pid: 99,
            version: "0.1.0".into(),
            state_dir: "/state".into(),
            deletions: Default::default(),
            node: "gpu-a1".into(),
            started_at: "2026-11-22T04:13:46.123Z".into(),
            uptime_s: 1.0,
            runs_live: 1,
            runs_total: 1,
            runs_quarantined: 0,
            degraded: self.degraded.lock().unwrap().clone(),
            ledger_pos: 5,
            rss_bytes: 1 << 20,
            actor_restarts: BTreeMap::new(),
            bus: Default::default(),
            settings: None,
        }
    }

    fn request_stop(&self) {
        self.note("stop the daemon".into());
    }

    async fn reload(&self) -> Result<ReloadReply, Problem> {
        self.note("reload".into());
        let degraded = self.degraded.lock().unwrap().clone();
        match degraded {
            None => Ok(ReloadReply {
                for_new_runs: vec!["retry.max".into()],
                at_once: Vec::new(),
                needs_restart: Vec::new(),
                settings: SettingsView::default(),
            }),
            Some(why) => {
                Err(Problem { status: 400, detail: why, exit_code: ExitCode::ConfigInvalid, ..nobody("") })
            }
        }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem document of `status`, and returns it.
    pub fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((self.status.as_u16(), problem.status), (status, status), "{problem:?}");
        problem
    }
}

/// Puts one request to the API of `desk`; `ending` as the server's.
pub async fn ask_ending(desk: &FakeDesk, request: Request<Body>, ending: watch::Receiver<bool>) -> Answer {
    let response =
        TowerToHyperService::new(router(Panel::new(desk.clone(), ending))).call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 24).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub async fn ask(desk: &FakeDesk, request: Request<Body>) -> Answer {
    ask_ending(desk, request, watch::channel(false).1).await
}

pub async fn get(desk: &FakeDesk, address: &str) -> Answer {
    ask(desk, Request::get(address).body(Body::empty()).unwrap()).await
}

pub async fn post(desk: &FakeDesk, address: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(address).header("content-type", "application/json; charset=utf-8");
    ask(desk, request.body(body.into()).unwrap()).await
}

pub async fn delete(desk: &FakeDesk, address: &str) -> Answer {
    ask(desk, Request::delete(address).body(Body::empty()).unwrap()).await
}
