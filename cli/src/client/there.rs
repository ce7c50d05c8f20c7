//! The questions to a daemon on another machine, through a NATS server.

mod published;
mod way;

pub(crate) use published::Published;

use crate::client::calls::Output;
use crate::client::far::FarError;
use crate::client::patience::patiently;
use crate::client::stream::Stream;
use crate::client::there::way::Way;
use crate::client::wire::is_lack;
use crate::client::{
    ANSWER_DEADLINE, COMMAND_DEADLINE, ClientError, SIGN_DEADLINE, STORY_DEADLINE, SWEEP_DEADLINE,
};
use resus_bus::link::Link;
use resus_core::api::control::{
    CheckpointsRequest, ConfigureRequest, DaemonRequest, HistoryRequest, ListReply, ListRequest, LogsRequest,
    OUTPUT_HEADER, PinRequest, PruneRequest, RecheckRequest, RemoveRequest, RerunRequest, RestoreRequest,
    RunRequest, StartRequest, StateReply, StateRequest, WhyReply, WorkloadsReply, WorkloadsRequest,
};
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, PinBody, Plan, Problem, PruneBody,
    PruneReply, RecheckBody, ReloadReply, RemoveBody, RemoveReply, RerunBody, RerunReply, RestoreBody,
    RunList, StoryLine, Submission, SweepBody, SweepReply, WorkloadList,
};
use resus_core::ids::Slug;
use resus_core::view::RunView;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A daemon that is reached through a NATS server. Cheap to clone; connects when it is first
/// asked something, and then stays connected.
#[derive(Debug, Clone)]
pub(crate) struct There(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    namespace: Slug,
    node: Option<Slug>,
    way: OnceCell<Way>,
}

/// What an answer consists of.
struct Answer {
    body: bytes::Bytes,
    /// The header that describes a piece of output.
    output: Option<String>,
}

impl There {
    /// The daemon of `node`, or the only one there is, in `namespace` on the servers of `link`.
    pub(crate) fn new(link: Link, namespace: Slug, node: Option<Slug>) -> Self {
        Self(Arc::new(Inner { link, namespace, node, way: OnceCell::new() }))
    }

    /// A daemon of a test.
    #[cfg(test)]
    pub(crate) fn fake(bus: crate::fake_daemon::FakeBus) -> Self {
        let there = Self::new(Link::parse("fake").unwrap(), Slug::nearest("default", "default"), None);
        there.0.way.set(Way::fake(bus)).unwrap();
        there
    }

    /// Whether the way to the daemon has been found.
    pub(crate) fn was_reached(&self) -> bool {
        self.0.way.initialized()
    }

    /// The way to the daemon, found once.
    async fn way(&self) -> Result<&Way, ClientError> {
        let Inner { link, namespace, node, way } = &*self.0;
        Ok(way.get_or_try_init(|| Way::find(link, namespace, node.as_ref())).await?)
    }

    /// Puts a question.
    async fn ask<Q: Serialize>(
        &self,
        verb: &str,
        question: &Q,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let way = self.way().await?;
        let question =
            serde_json::to_vec(question).map_err(|error| ClientError::Broken { source: error.into() })?;
        let silent = || FarError::Silent { node: way.node.clone(), waited: wait }.into();
        // The library's own deadline comes after ours: whose fault it is is ours to tell.
        let answer = way.ask(verb, question.into(), wait + SIGN_DEADLINE);
        let answer = patiently(wait, answer, || way.sign(), silent).await;
        match answer {
            // The server knows nobody for that verb, or for any.
            Err(ClientError::Far(FarError::Absent { node, link })) => Err(match way.sign().await {
                Ok(()) => FarError::Foreign { node, what: format!("it does not know the verb {verb:?}") },
                Err(_) => FarError::Absent { node, link },
            }
            .into()),
            answer => answer,
        }
    }

    /// The same, answered with a document.
    async fn document<T: DeserializeOwned>(
        &self,
        verb: &str,
        question: &impl Serialize,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let answer = self.ask(verb, question, wait).await?;
        Ok(read(&answer.body, &self.way().await?.node)?)
    }

    pub(super) async fn health(&self) -> Result<(), ClientError> {
        self.way().await?.sign().await
    }

    pub(super) async fn submit(&self, submission: &Submission) -> Result<RunView, ClientError> {
        self.document("start", &StartRequest::from(submission), COMMAND_DEADLINE).await
    }

    pub(super) async fn rerun(&self, run: &str, body: &RerunBody) -> Result<RerunReply, ClientError> {
        self.document("rerun", &RerunRequest::of(run, body.clone()), COMMAND_DEADLINE).await
    }

    pub(super) async fn plan(&self, submission: &Submission) -> Result<Plan, ClientError> {
        self.document("plan", &StartRequest::from(submission), COMMAND_DEADLINE).await
    }

    pub(super) async fn workloads(&self) -> Result<WorkloadList, ClientError> {
        let mut list = WorkloadList::default();
        let mut question = WorkloadsRequest::default();
        loop {
            let page: WorkloadsReply = self.document("workloads", &question, COMMAND_DEADLINE).await?;
            list.workloads.extend(page.workloads);
            list.trouble = page.trouble;
            if page.next.is_none() {
                return Ok(list);
            }
            question.after = page.next;
        }
    }

    pub(super) async fn command(&self, run: &str, body: &CommandBody) -> Result<CommandReply, ClientError> {
        let CommandBody { verb, by, command_id, dry_run } = body.clone();
        let question = RunRequest { run: run.to_owned(), by, command_id, dry_run };
        self.document(verb.as_str(), &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn restore(&self, run: &str, body: &RestoreBody) -> Result<CommandReply, ClientError> {
        let RestoreBody { checkpoint, by, command_id, dry_run } = body.clone();
        let question = RestoreRequest { run: run.to_owned(), checkpoint, by, command_id, dry_run };
        self.document("restore", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn pin(&self, run: &str, body: &PinBody) -> Result<CommandReply, ClientError> {
        let PinBody { checkpoint, pinned, by, command_id } = body.clone();
        let question = PinRequest { run: run.to_owned(), checkpoint, pinned, by, command_id };
        self.document("pin", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn prune(&self, run: &str, body: &PruneBody) -> Result<PruneReply, ClientError> {
        let PruneBody { dry_run, by, command_id } = body.clone();
        let question = PruneRequest { run: run.to_owned(), dry_run, by, command_id };
        self.document("prune", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn recheck(&self, run: &str, body: &RecheckBody) -> Result<CommandReply, ClientError> {
        let RecheckBody { checkpoint, by, command_id } = body.clone();
        let question = RecheckRequest { run: run.to_owned(), checkpoint, by, command_id };
        self.document("recheck", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn remove(&self, run: &str, body: &RemoveBody) -> Result<RemoveReply, ClientError> {
        let RemoveBody { dry_run, with_pinned, by, command_id } = body.clone();
        let question = RemoveRequest { run: run.to_owned(), dry_run, with_pinned, by, command_id };
        self.document("remove", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn sweep(&self, body: &SweepBody) -> Result<SweepReply, ClientError> {
        self.document("sweep", body, SWEEP_DEADLINE).await
    }

    pub(super) async fn configure(
        &self,
        run: &str,
        body: &ConfigureBody,
    ) -> Result<CommandReply, ClientError> {
        let ConfigureBody { changes, by, command_id, dry_run } = body.clone();
        let question = ConfigureRequest { run: run.to_owned(), changes, by, command_id, dry_run };
        self.document("configure", &question, COMMAND_DEADLINE).await
    }

    pub(super) async fn checkpoints(&self, run: &str) -> Result<CheckpointList, ClientError> {
        self.document("checkpoints", &CheckpointsRequest { run: run.to_owned() }, ANSWER_DEADLINE).await
    }

    pub(super) async fn runs(&self) -> Result<RunList, ClientError> {
        let mut list = RunList { runs: Vec::new(), quarantined: Default::default() };
        let mut question = ListRequest::default();
        loop {
            let page: ListReply = match self.document("list", &question, ANSWER_DEADLINE).await {
                // The run behind which to go on was set aside or taken back meanwhile.
                Err(ClientError::Refused(problem)) if problem.status == 404 && question.after.is_some() => {
                    list.runs.clear();
                    list.quarantined.clear();
                    question = ListRequest::default();
                    continue;
                }
                page => page?,
            };
            list.runs.extend(page.runs);
            list.quarantined.extend(page.quarantined);
            if page.next.is_none() {
                return Ok(list);
            }
            question.after = page.next;
        }
    }

    pub(super) async fn run(&self, run: &str) -> Result<(RunView, u64), ClientError> {
        self.state(StateRequest { run: run.to_owned(), since: None, wait_ms: 0 }, ANSWER_DEADLINE).await
    }

    pub(super) async fn run_after(
        &self,
        run: &str,
        version: u64,
        wait: Duration,
    ) -> Result<(RunView, u64), ClientError> {
        let question = StateRequest { run: run.to_owned(), since: Some(version), wait_ms: ms(wait) };
        self.state(question, wait + ANSWER_DEADLINE).await
    }

    async fn state(&self, question: StateRequest, wait: Duration) -> Result<(RunView, u64), ClientError> {
        let StateReply { run, version, snapshot: _ } = self.document("state", &question, wait).await?;
        Ok((run, version))
    }

    pub(super) async fn story(&self, run: &str, after: u64) -> Result<Vec<StoryLine>, ClientError> {
        let question = HistoryRequest { run: run.to_owned(), after, limit: None };
        let reply: WhyReply = self.document("why", &question, STORY_DEADLINE).await?;
        Ok(reply.lines)
    }

    pub(super) async fn stream(&self, runs: &[String]) -> Result<Stream, ClientError> {
        let mut ids = Vec::new();
        for run in runs {
            ids.push(self.run(run).await?.0.run_id);
        }
        let way = self.way().await?;
        let source = way.subscribe(&self.0.namespace, &ids).await?;
        // When the daemon has answered what came behind it, the server has the subscription.
        self.health().await?;
        Ok(Stream::There(Box::new(Published::new(self.clone(), source, way.node.clone()))))
    }

    pub(super) async fn output(
        &self,
        run: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
        wait: Duration,
    ) -> Result<Output, ClientError> {
        let question =
            LogsRequest { run: run.to_owned(), attempt, offset, max: Some(max), wait_ms: ms(wait) };
        let answer = self.ask("logs", &question, wait + ANSWER_DEADLINE).await?;
        let node = &self.way().await?.node;
        let description = answer.output.ok_or_else(|| FarError::Foreign {
            node: node.clone(),
            what: format!("an answer without {OUTPUT_HEADER}"),
        })?;
        Ok(Output { chunk: read(description.as_bytes(), node)?, bytes: answer.body.to_vec() })
    }

    pub(super) async fn daemon(&self) -> Result<DaemonView, ClientError> {
        self.document("daemon", &DaemonRequest {}, ANSWER_DEADLINE).await
    }

    pub(super) async fn reload_daemon(&self) -> Result<ReloadReply, ClientError> {
        Err(FarError::HereOnly.into())
    }

    pub(super) async fn stop_daemon(&self) -> Result<DaemonView, ClientError> {
        Err(FarError::HereOnly.into())
    }
}

fn read<T: DeserializeOwned>(json: &[u8], node: &str) -> Result<T, FarError> {
    serde_json::from_slice(json)
        .map_err(|error| FarError::Foreign { node: node.to_owned(), what: error.to_string() })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A service's refusal: its problem document, or that it lacks what it is asked for.
fn refused(body: &[u8], node: &str) -> Option<ClientError> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    Some(match is_lack(&problem) {
        true => FarError::Foreign { node: node.to_owned(), what: problem.detail }.into(),
        false => ClientError::Refused(Box::new(problem)),
    })
}

#[cfg(test)]
mod tests;
