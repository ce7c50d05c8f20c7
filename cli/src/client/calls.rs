//! What a daemon can be asked, whichever way it is reached.

use crate::client::stream::Stream;
use crate::client::{Client, ClientError, Wire};
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, OutputChunk, PinBody, Plan,
    PruneBody, PruneReply, RecheckBody, ReloadReply, RemoveBody, RemoveReply, RerunBody, RerunReply,
    RestoreBody, RunList, StoryLine, Submission, SweepBody, SweepReply, WorkloadList,
};
use resus_core::view::RunView;
use std::time::Duration;

/// A piece of a worker's output.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Where it stands, and whether there will be more.
    pub chunk: OutputChunk,
    /// The bytes as printed.
    pub bytes: Vec<u8>,
}

impl Client {
    /// Whether somebody is there.
    pub(crate) async fn health(&self) -> Result<(), ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.health().await,
            Wire::Nats(there) => there.health().await,
        }
    }

    /// Accepts a run. The same `command_id` again finds the run it created.
    pub(crate) async fn submit(&self, submission: &Submission) -> Result<RunView, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.submit(submission).await,
            Wire::Nats(there) => there.submit(submission).await,
        }
    }

    /// Accepts a new run of the spec of an old one.
    pub(crate) async fn rerun(&self, run: &str, body: &RerunBody) -> Result<RerunReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.rerun(run, body).await,
            Wire::Nats(there) => there.rerun(run, body).await,
        }
    }

    /// Asks what a submission would come to.
    pub(crate) async fn plan(&self, submission: &Submission) -> Result<Plan, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.plan(submission).await,
            Wire::Nats(there) => there.plan(submission).await,
        }
    }

    /// The workloads that can be run by name.
    pub(crate) async fn workloads(&self) -> Result<WorkloadList, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.workloads().await,
            Wire::Nats(there) => there.workloads().await,
        }
    }

    /// Gives a command to a run.
    pub(crate) async fn command(&self, run: &str, body: &CommandBody) -> Result<CommandReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.command(run, body).await,
            Wire::Nats(there) => there.command(run, body).await,
        }
    }

    /// Lets a run go on from a checkpoint.
    pub(crate) async fn restore(&self, run: &str, body: &RestoreBody) -> Result<CommandReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.restore(run, body).await,
            Wire::Nats(there) => there.restore(run, body).await,
        }
    }

    /// Lets retention leave a checkpoint alone, or no longer.
    pub(crate) async fn pin(&self, run: &str, body: &PinBody) -> Result<CommandReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.pin(run, body).await,
            Wire::Nats(there) => there.pin(run, body).await,
        }
    }

    /// Runs retention, or asks what it would delete.
    pub(crate) async fn prune(&self, run: &str, body: &PruneBody) -> Result<PruneReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.prune(run, body).await,
            Wire::Nats(there) => there.prune(run, body).await,
        }
    }

    /// Lets verified checkpoints be read back once more.
    pub(crate) async fn recheck(&self, run: &str, body: &RecheckBody) -> Result<CommandReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.recheck(run, body).await,
            Wire::Nats(there) => there.recheck(run, body).await,
        }
    }

    /// Removes a run, or asks what would go.
    pub(crate) async fn remove(&self, run: &str, body: &RemoveBody) -> Result<RemoveReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.remove(run, body).await,
            Wire::Nats(there) => there.remove(run, body).await,
        }
    }

    /// Deletes what fits criteria, or asks what would go.
    pub(crate) async fn sweep(&self, body: &SweepBody) -> Result<SweepReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.sweep(body).await,
            Wire::Nats(there) => there.sweep(body).await,
        }
    }

    /// Changes settings of a run.
    pub(crate) async fn configure(
        &self,
        run: &str,
        body: &ConfigureBody,
    ) -> Result<CommandReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.configure(run, body).await,
            Wire::Nats(there) => there.configure(run, body).await,
        }
    }

    /// The checkpoints of a run.
    pub(crate) async fn checkpoints(&self, run: &str) -> Result<CheckpointList, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.checkpoints(run).await,
            Wire::Nats(there) => there.checkpoints(run).await,
        }
    }

    /// All runs, newest first.
    pub(crate) async fn runs(&self) -> Result<RunList, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.runs().await,
            Wire::Nats(there) => there.runs().await,
        }
    }

    /// One run, and the version to wait from next.
    pub(crate) async fn run(&self, run: &str) -> Result<(RunView, u64), ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.run(run).await,
            Wire::Nats(there) => there.run(run).await,
        }
    }

    /// One run once something has changed since `version`, or `wait` is over.
    pub(crate) async fn run_after(
        &self,
        run: &str,
        version: u64,
        wait: Duration,
    ) -> Result<(RunView, u64), ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.run_after(run, version, wait).await,
            Wire::Nats(there) => there.run_after(run, version, wait).await,
        }
    }

    /// Ledger events of a run after `seq`, told, in their order; a page of them.
    pub(crate) async fn story(&self, run: &str, after_seq: u64) -> Result<Vec<StoryLine>, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.story(run, after_seq).await,
            Wire::Nats(there) => there.story(run, after_seq).await,
        }
    }

    /// Everything that is published from now on, of `runs`, or of all.
    pub(crate) async fn stream(&self, runs: &[String]) -> Result<Stream, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.stream(runs).await,
            Wire::Nats(there) => there.stream(runs).await,
        }
    }

    /// Output of an attempt (by default the newest) from `offset` on, at most `max` bytes;
    /// waits for the first of them up to `wait`.
    pub(crate) async fn output(
        &self,
        run: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
        wait: Duration,
    ) -> Result<Output, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.output(run, attempt, offset, max, wait).await,
            Wire::Nats(there) => there.output(run, attempt, offset, max, wait).await,
        }
    }

    /// The daemon itself.
    pub(crate) async fn daemon(&self) -> Result<DaemonView, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.daemon().await,
            Wire::Nats(there) => there.daemon().await,
        }
    }

    /// Lets the daemon read its settings again.
    pub(crate) async fn reload_daemon(&self) -> Result<ReloadReply, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.reload_daemon().await,
            Wire::Nats(there) => there.reload_daemon().await,
        }
    }

    /// Asks the daemon to stop; the daemon as it was then.
    pub(crate) async fn stop_daemon(&self) -> Result<DaemonView, ClientError> {
        match &self.0 {
            Wire::Socket(socket) => socket.stop_daemon().await,
            Wire::Nats(there) => there.stop_daemon().await,
        }
    }
}
