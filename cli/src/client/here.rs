//! The questions as addresses of the HTTP API on the daemon's socket.

use crate::client::calls::Output;
use crate::client::stream::{Events, Stream};
use crate::client::wire::{Answer, Socket, segment};
use crate::client::{ANSWER_DEADLINE, COMMAND_DEADLINE, ClientError, STORY_DEADLINE, SWEEP_DEADLINE};
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, PinBody, Plan, Problem, PruneBody,
    PruneReply, RecheckBody, ReloadReply, RemoveBody, RemoveReply, RerunBody, RerunReply, RestoreBody,
    RunList, Story, StoryLine, Submission, SweepBody, SweepReply, WorkloadList,
};
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use resus_panel::{OUTPUT_HEADER, VERSION_HEADER};
use serde_json::json;
use std::time::Duration;

impl Socket {
    pub(super) async fn health(&self) -> Result<(), ClientError> {
        self.sign().await
    }

    pub(super) async fn submit(&self, submission: &Submission) -> Result<RunView, ClientError> {
        self.post("/v2/runs", submission, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn plan(&self, submission: &Submission) -> Result<Plan, ClientError> {
        self.post("/v2/plan", submission, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn workloads(&self) -> Result<WorkloadList, ClientError> {
        // Their files are read for the answer.
        self.get("/v2/workloads", COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn command(&self, run: &str, body: &CommandBody) -> Result<CommandReply, ClientError> {
        let address = format!("/v2/runs/{}/command", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn rerun(&self, run: &str, body: &RerunBody) -> Result<RerunReply, ClientError> {
        let address = format!("/v2/runs/{}/rerun", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn restore(&self, run: &str, body: &RestoreBody) -> Result<CommandReply, ClientError> {
        let address = format!("/v2/runs/{}/restore", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn pin(&self, run: &str, body: &PinBody) -> Result<CommandReply, ClientError> {
        let address = format!("/v2/runs/{}/pin", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn prune(&self, run: &str, body: &PruneBody) -> Result<PruneReply, ClientError> {
        let address = format!("/v2/runs/{}/prune", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn recheck(&self, run: &str, body: &RecheckBody) -> Result<CommandReply, ClientError> {
        let address = format!("/v2/runs/{}/recheck", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn remove(&self, run: &str, body: &RemoveBody) -> Result<RemoveReply, ClientError> {
        let address = format!("/v2/runs/{}/remove", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn sweep(&self, body: &SweepBody) -> Result<SweepReply, ClientError> {
        self.post("/v2/prune", body, SWEEP_DEADLINE).await?.document()
    }

    pub(super) async fn configure(
        &self,
        run: &str,
        body: &ConfigureBody,
    ) -> Result<CommandReply, ClientError> {
        let address = format!("/v2/runs/{}/configure", named(run)?);
        self.post(&address, body, COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn checkpoints(&self, run: &str) -> Result<CheckpointList, ClientError> {
        let address = format!("/v2/runs/{}/checkpoints", named(run)?);
        self.get(&address, ANSWER_DEADLINE).await?.document()
    }

    pub(super) async fn runs(&self) -> Result<RunList, ClientError> {
        self.get("/v2/runs", ANSWER_DEADLINE).await?.document()
    }

    pub(super) async fn run(&self, run: &str) -> Result<(RunView, u64), ClientError> {
        let address = format!("/v2/runs/{}", named(run)?);
        versioned(&self.get(&address, ANSWER_DEADLINE).await?)
    }

    pub(super) async fn run_after(
        &self,
        run: &str,
        version: u64,
        wait: Duration,
    ) -> Result<(RunView, u64), ClientError> {
        let address = format!("/v2/runs/{}?since={version}&wait_ms={}", segment(run), wait.as_millis());
        versioned(&self.get(&address, wait + ANSWER_DEADLINE).await?)
    }

    pub(super) async fn story(&self, run: &str, after_seq: u64) -> Result<Vec<StoryLine>, ClientError> {
        let address = format!("/v2/runs/{}/story?after={after_seq}", segment(run));
        let page: Story = self.get(&address, STORY_DEADLINE).await?.document()?;
        Ok(page.lines)
    }

    pub(super) async fn stream(&self, runs: &[String]) -> Result<Stream, ClientError> {
        let names: Vec<_> = runs.iter().map(|run| segment(run)).collect();
        let which = if names.is_empty() { String::new() } else { format!("?run={}", names.join(",")) };
        let events = Events::open(self, &format!("/v2/stream{which}")).await?;
        Ok(Stream::Here(Box::new(events)))
    }

    pub(super) async fn output(
        &self,
        run: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
        wait: Duration,
    ) -> Result<Output, ClientError> {
        let of = attempt.map_or_else(String::new, |attempt| format!("attempt={attempt}&"));
        let (run, wait_ms) = (segment(run), wait.as_millis());
        let address = format!("/v2/runs/{run}/output?{of}offset={offset}&max={max}&wait_ms={wait_ms}");
        let answer = self.get(&address, wait + ANSWER_DEADLINE).await?;
        let chunk = serde_json::from_str(answer.header(OUTPUT_HEADER)?)
            .map_err(|error| ClientError::Foreign { what: error.to_string() })?;
        Ok(Output { chunk, bytes: answer.body.to_vec() })
    }

    pub(super) async fn daemon(&self) -> Result<DaemonView, ClientError> {
        self.get("/v2/daemon", ANSWER_DEADLINE).await?.document()
    }

    pub(super) async fn reload_daemon(&self) -> Result<ReloadReply, ClientError> {
        self.post("/v2/daemon/reload", &json!({}), COMMAND_DEADLINE).await?.document()
    }

    pub(super) async fn stop_daemon(&self) -> Result<DaemonView, ClientError> {
        self.post("/v2/daemon/stop", &json!({}), ANSWER_DEADLINE).await?.document()
    }
}

/// A run's place in an address. An empty name has none: the API's answer would be about another
/// address.
fn named(run: &str) -> Result<String, ClientError> {
    if !run.is_empty() {
        return Ok(segment(run));
    }
    Err(ClientError::Refused(Box::new(Problem {
        kind: "urn:resus:not-found".to_owned(),
        title: "No such run".to_owned(),
        status: 404,
        detail: "no run is called \"\"".to_owned(),
        hint: Some("list the runs with: resus ps -a".to_owned()),
        exit_code: ExitCode::NotFound,
    })))
}

fn versioned(answer: &Answer) -> Result<(RunView, u64), ClientError> {
    let version = answer
        .header(VERSION_HEADER)?
        .parse()
        .map_err(|_| ClientError::Foreign { what: format!("{VERSION_HEADER} is not a number") })?;
    Ok((answer.document()?, version))
}
