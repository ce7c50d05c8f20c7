//! The daemon's desk: the actors' door, word for word, and beside it what stories need.

use crate::answer::problem;
use crate::desk::{Desk, Heard, Listen};
use crate::limits::EVENTS_MAX;
use crate::story::{Stories, StoryError, tell};
use axum::http::StatusCode;
use resus_actors::door::{Door, Listener};
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, OutputChunk, PinBody, Plan,
    Problem, PruneBody, PruneReply, Reach, RecheckBody, ReloadReply, RemoveBody, RemoveReply, RerunBody,
    RerunReply, RestoreBody, RunList, SettingsView, StoryLine, Submission, SweepBody, SweepReply,
    WorkloadList,
};
use resus_core::exit::ExitCode;
use resus_core::pulse::state::StateSnapshot;
use resus_core::telemetry::history::Curves;
use resus_core::view::RunView;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The daemon's desk. Cheap to clone; all clones remember the same stories.
#[derive(Clone)]
pub struct Front {
    door: Door,
    stories: Arc<Stories>,
    tuner: Arc<dyn Tuner>,
}

/// Who reads the daemon's settings, and lets them apply.
pub trait Tuner: Send + Sync {
    /// Reads them again. It may take as long as reading a file does.
    ///
    /// # Errors
    /// A [`Problem`] with everything that is wrong; then nothing has changed.
    fn reload(&self) -> Result<ReloadReply, Problem>;
    /// Where they are from. Answered from memory.
    fn view(&self) -> SettingsView;
}

impl Front {
    /// A desk before `door`; `tuner` has the settings.
    #[must_use]
    pub fn new(door: Door, tuner: Arc<dyn Tuner>) -> Self {
        Self { door, stories: Arc::default(), tuner }
    }
}

impl Listen for Listener {
    async fn next(&mut self) -> Heard {
        self.next().await
    }
}

impl Desk for Front {
    type Listener = Listener;

    async fn submit(&self, submission: Submission) -> Result<RunView, Problem> {
        self.door.submit(submission).await
    }

    async fn rerun(&self, selector: &str, body: RerunBody, reach: Reach) -> Result<RerunReply, Problem> {
        self.door.rerun(selector, body, reach).await
    }

    async fn plan(&self, submission: Submission) -> Result<Plan, Problem> {
        self.door.plan(submission).await
    }

    async fn workloads(&self) -> Result<WorkloadList, Problem> {
        self.door.workloads().await
    }

    async fn command(&self, selector: &str, body: CommandBody) -> Result<CommandReply, Problem> {
        self.door.command(selector, body).await
    }

    async fn restore(&self, selector: &str, body: RestoreBody) -> Result<CommandReply, Problem> {
        self.door.restore(selector, body).await
    }

    async fn pin(&self, selector: &str, body: PinBody) -> Result<CommandReply, Problem> {
        self.door.pin(selector, body).await
    }

    async fn prune(&self, selector: &str, body: PruneBody) -> Result<PruneReply, Problem> {
        self.door.prune(selector, body).await
    }

    async fn recheck(&self, selector: &str, body: RecheckBody) -> Result<CommandReply, Problem> {
        self.door.recheck(selector, body).await
    }

    async fn remove(&self, selector: &str, body: RemoveBody) -> Result<RemoveReply, Problem> {
        self.door.remove(selector, body).await
    }

    async fn sweep(&self, body: SweepBody) -> Result<SweepReply, Problem> {
        self.door.sweep(body).await
    }

    async fn configure(&self, selector: &str, body: ConfigureBody) -> Result<CommandReply, Problem> {
        self.door.configure(selector, body).await
    }

    fn checkpoints(&self, selector: &str) -> Result<CheckpointList, Problem> {
        self.door.checkpoints(selector)
    }

    fn snapshot(&self, selector: &str) -> Result<StateSnapshot, Problem> {
        self.door.snapshot(selector)
    }

    fn runs(&self) -> RunList {
        self.door.runs()
    }

    fn run(&self, selector: &str) -> Result<RunView, Problem> {
        self.door.run(selector)
    }

    fn version(&self) -> u64 {
        self.door.version()
    }

    async fn changed(&self, since: u64, within: Duration) -> u64 {
        self.door.changed(since, within).await
    }

    async fn events(&self, selector: &str, after_seq: u64, limit: u32) -> Result<Vec<Value>, Problem> {
        self.door.events(selector, after_seq, limit).await
    }

    async fn story(&self, selector: &str, after_seq: u64, limit: u32) -> Result<Vec<StoryLine>, Problem> {
        let run_id = self.door.run(selector)?.run_id;
        let read = |after_seq| self.door.records(&run_id, after_seq, EVENTS_MAX);
        tell(&self.stories, &run_id, after_seq, limit, read).await.map_err(|error| match error {
            StoryError::Unread(problem) => problem,
            StoryError::Unfit(error) => {
                problem(StatusCode::INTERNAL_SERVER_ERROR, ExitCode::Bug, format!("run {run_id}: {error}"))
            }
        })
    }

    async fn curves(&self, selector: &str) -> Result<Curves, Problem> {
        self.door.curves(selector).await
    }

    fn attended(&self) {
        self.door.attended();
    }

    fn listen(&self) -> Listener {
        self.door.listen()
    }

    async fn output(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        self.door.output(selector, attempt, offset, max).await
    }

    fn daemon(&self) -> DaemonView {
        DaemonView { settings: Some(self.tuner.view()), ..self.door.daemon() }
    }

    async fn reload(&self) -> Result<ReloadReply, Problem> {
        self.door.attended();
        let tuner = Arc::clone(&self.tuner);
        let reloaded = tokio::task::spawn_blocking(move || tuner.reload()).await;
        reloaded.unwrap_or_else(|error| {
            Err(problem(StatusCode::INTERNAL_SERVER_ERROR, ExitCode::Bug, error.to_string()))
        })
    }

    fn request_stop(&self) {
        self.door.request_stop();
    }
}
