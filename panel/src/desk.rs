//! What the API asks of the daemon.

pub use resus_actors::door::Heard;
use resus_core::api::{
    CheckpointList, CommandBody, CommandReply, ConfigureBody, DaemonView, OutputChunk, PinBody, Plan,
    Problem, PruneBody, PruneReply, Reach, RecheckBody, ReloadReply, RemoveBody, RemoveReply, RerunBody,
    RerunReply, RestoreBody, RunList, StoryLine, Submission, SweepBody, SweepReply, WorkloadList,
};
use resus_core::pulse::state::StateSnapshot;
use resus_core::telemetry::history::Curves;
use resus_core::view::RunView;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// Where requests are handed in. Reads are answered from memory; commands when they are on
/// disk. Selectors are as people type them (see [`resus_core::selector`]).
pub trait Desk: Clone + Send + Sync + 'static {
    /// Somebody who hears what happens.
    type Listener: Listen;
    /// Accepts a run.
    fn submit(&self, submission: Submission) -> impl Future<Output = Result<RunView, Problem>> + Send;
    /// Accepts a new run of the spec of the one that `selector` names, as far as `reach` goes.
    fn rerun(
        &self,
        selector: &str,
        body: RerunBody,
        reach: Reach,
    ) -> impl Future<Output = Result<RerunReply, Problem>> + Send;
    /// What a submission would come to. Nothing is recorded.
    fn plan(&self, submission: Submission) -> impl Future<Output = Result<Plan, Problem>> + Send;
    /// The workloads that can be run by name.
    fn workloads(&self) -> impl Future<Output = Result<WorkloadList, Problem>> + Send;
    /// Gives a command to the run that `selector` names.
    fn command(
        &self,
        selector: &str,
        body: CommandBody,
    ) -> impl Future<Output = Result<CommandReply, Problem>> + Send;
    /// Lets the run that `selector` names go on from a checkpoint of the user's choice.
    fn restore(
        &self,
        selector: &str,
        body: RestoreBody,
    ) -> impl Future<Output = Result<CommandReply, Problem>> + Send;
    /// Lets retention leave a checkpoint of the run that `selector` names alone, or no longer.
    fn pin(
        &self,
        selector: &str,
        body: PinBody,
    ) -> impl Future<Output = Result<CommandReply, Problem>> + Send;
    /// Runs retention for the run that `selector` names, or says what it would delete.
    fn prune(
        &self,
        selector: &str,
        body: PruneBody,
    ) -> impl Future<Output = Result<PruneReply, Problem>> + Send;
    /// Reads verified checkpoints of the run that `selector` names back once more.
    fn recheck(
        &self,
        selector: &str,
        body: RecheckBody,
    ) -> impl Future<Output = Result<CommandReply, Problem>> + Send;
    /// Removes the run that `selector` names, or says what would go.
    fn remove(
        &self,
        selector: &str,
        body: RemoveBody,
    ) -> impl Future<Output = Result<RemoveReply, Problem>> + Send;
    /// Deletes what fits the criteria, or says what would go.
    fn sweep(&self, body: SweepBody) -> impl Future<Output = Result<SweepReply, Problem>> + Send;
    /// Changes settings of the run that `selector` names.
    fn configure(
        &self,
        selector: &str,
        body: ConfigureBody,
    ) -> impl Future<Output = Result<CommandReply, Problem>> + Send;
    /// The checkpoints of one run.
    ///
    /// # Errors
    /// The problem that none or several are called so.
    fn checkpoints(&self, selector: &str) -> Result<CheckpointList, Problem>;
    /// The state of a run for those who come late.
    ///
    /// # Errors
    /// The problem that none or several are called so.
    fn snapshot(&self, selector: &str) -> Result<StateSnapshot, Problem>;
    /// All runs, newest first.
    fn runs(&self) -> RunList;
    /// One run.
    ///
    /// # Errors
    /// The problem that none or several are called so.
    fn run(&self, selector: &str) -> Result<RunView, Problem>;
    /// Grows with every change of any run.
    fn version(&self) -> u64;
    /// Waits until the version is above `since`, at most `within`; the version then.
    fn changed(&self, since: u64, within: Duration) -> impl Future<Output = u64> + Send;
    /// At most `limit` ledger events of a run after `after_seq`, in their order, as PULSE envelopes.
    fn events(
        &self,
        selector: &str,
        after_seq: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Value>, Problem>> + Send;
    /// The same told, one line each.
    fn story(
        &self,
        selector: &str,
        after_seq: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoryLine>, Problem>> + Send;
    /// The curves of a run over all its attempts.
    fn curves(&self, selector: &str) -> impl Future<Output = Result<Curves, Problem>> + Send;
    /// Somebody is there who asks nothing: the daemon is not idle.
    fn attended(&self);
    /// Hears everything that is published from now on, of all runs.
    fn listen(&self) -> Self::Listener;
    /// At most `max` bytes of an attempt's output from `offset` on; by default the newest's.
    fn output(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> impl Future<Output = Result<(OutputChunk, Vec<u8>), Problem>> + Send;
    /// The daemon itself.
    fn daemon(&self) -> DaemonView;
    /// Asks the daemon to stop; the workers live on.
    fn request_stop(&self);
    /// Reads the settings again; a file with faults is refused as a whole.
    fn reload(&self) -> impl Future<Output = Result<ReloadReply, Problem>> + Send;
}

/// Somebody who hears what happens. One that does not listen for long misses events and holds
/// nobody up.
pub trait Listen: Send + 'static {
    /// Waits for the next event.
    fn next(&mut self) -> impl Future<Output = Heard> + Send;
}
