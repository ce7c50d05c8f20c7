//! Kinds and ids of messages, for logs: never contents.

use crate::checkpoint::{CheckpointMsg, Job};
use crate::doing::Summary;
use crate::gateway::GatewayMsg;
use crate::monitor::MonitorMsg;
use crate::publisher::PublisherMsg;
use crate::store::StoreMsg;
use crate::supervisor::{Forgotten, SupervisorMsg};
use crate::watchdog::WatchdogMsg;
use crate::worker::{Order, WorkerMsg};
use crate::workers::WorkersMsg;
use resus_core::input::{Fact, Input};

impl Summary for StoreMsg {
    fn summary(&self) -> String {
        match self {
            Self::Append { ticket, rows } => format!("append of {} rows, ticket {ticket}", rows.len()),
            Self::Replay { .. } => "replay".to_owned(),
            Self::Written(_) => "an answer of the writing thread".to_owned(),
            Self::Flush => "flush".to_owned(),
        }
    }
}

impl Summary for PublisherMsg {
    fn summary(&self) -> String {
        match self {
            Self::Advanced => "the ledger advanced".to_owned(),
        }
    }
}

impl Summary for CheckpointMsg {
    fn summary(&self) -> String {
        match self {
            Self::Do { run_id, attempt, job } => {
                let job = match job {
                    Job::Pick { .. } => "pick",
                    Job::Restore(_) => "restore",
                    Job::Verify(_) => "verify",
                    Job::Prune { .. } => "prune",
                };
                format!("{job} for run {run_id} attempt {attempt}")
            }
            Self::Done { run_id, attempt, .. } => format!("job done for run {run_id} attempt {attempt}"),
            Self::Checked { run_id, attempt, .. } => {
                format!("checkpoint of another framework checked for run {run_id} attempt {attempt}")
            }
        }
    }
}

impl Summary for WatchdogMsg {
    fn summary(&self) -> String {
        match self {
            Self::Set { run_id, attempt, .. } => format!("deadline of run {run_id} attempt {attempt}"),
            Self::Look => "look at the deadlines".to_owned(),
        }
    }
}

impl Summary for MonitorMsg {
    fn summary(&self) -> String {
        match self {
            Self::Tick => "measure".to_owned(),
        }
    }
}

impl Summary for Order {
    fn summary(&self) -> String {
        match self {
            Self::Spawn { attempt, .. } => format!("spawn attempt {attempt}"),
            Self::Attach { attempt, .. } => format!("attach to attempt {attempt}"),
            Self::Ask { attempt, ask } => format!("ask attempt {attempt} ({ask:?})"),
            Self::Freeze { attempt } => format!("freeze attempt {attempt}"),
            Self::Thaw { attempt } => format!("thaw attempt {attempt}"),
            Self::KeepEvidence { attempt } => format!("keep evidence of attempt {attempt}"),
            Self::Terminate { attempt } => format!("terminate attempt {attempt}"),
            Self::Kill { attempt } => format!("kill attempt {attempt}"),
            Self::Dismiss => "dismiss".to_owned(),
        }
    }
}

impl Summary for WorkersMsg {
    fn summary(&self) -> String {
        match self {
            Self::Order { run_id, order } => format!("order to run {run_id}: {}", order.summary()),
            Self::Finished { run_id, .. } => format!("run {run_id} needs no actor"),
            Self::Bye => "bye".to_owned(),
        }
    }
}

impl Summary for WorkerMsg {
    fn summary(&self) -> String {
        match self {
            Self::Order(order) => order.summary(),
            Self::AttachAgain { attempt } => format!("attach again to attempt {attempt}"),
            Self::GoOnAgain { attempt, .. } => format!("tell attempt {attempt} again to go on"),
            Self::Shim { .. } => "a reply of the shim".to_owned(),
            Self::LinkLost { .. } => "the shim is gone".to_owned(),
            Self::AdoptedGone { attempt } => format!("the adopted worker of attempt {attempt} is gone"),
            Self::Drained { attempt, .. } => format!("the events of attempt {attempt} are read"),
            Self::Bye => "bye".to_owned(),
        }
    }
}

impl Summary for SupervisorMsg {
    fn summary(&self) -> String {
        match self {
            Self::Begin => "replay the ledger".to_owned(),
            Self::Submit { run_id, .. } => format!("submission of run {run_id}"),
            Self::Command { run_id, input, .. } => format!("{} run {run_id}", command(input)),
            Self::Consider { run_id, input, .. } => format!("would {} run {run_id}", command(input)),
            Self::Obstacles { run_id, .. } => format!("would remove run {run_id}"),
            Self::Observed(observation) => format!(
                "observed of run {} attempt {}: {}",
                observation.run_id,
                observation.attempt,
                fact(&observation.fact)
            ),
            Self::DeadlinePassed { run_id, attempt } => {
                format!("deadline of run {run_id} attempt {attempt} passed")
            }
            Self::Committed { ticket } => format!("ticket {ticket} is on disk"),
            Self::NotCommitted { ticket, .. } => format!("ticket {ticket} will not be on disk"),
            Self::Resync(Forgotten::Worker(run_id)) => format!("ask again for run {run_id}"),
            Self::Resync(Forgotten::Workers) => "ask again for every worker".to_owned(),
            Self::Resync(Forgotten::Checkpoints) => "ask again for every checkpoint".to_owned(),
            Self::Resync(Forgotten::Deadlines) => "set every deadline again".to_owned(),
        }
    }
}

fn command(input: &Input) -> &'static str {
    match input {
        Input::Command { verb, .. } => verb.as_str(),
        Input::Restore { .. } => "restore",
        Input::Pin { .. } => "pin",
        Input::Prune { .. } => "prune",
        Input::Recheck { .. } => "recheck",
        Input::Remove { .. } => "remove",
        Input::DropOutput { .. } => "drop output",
        Input::Configure { .. } => "configure",
        Input::Observed { .. }
        | Input::DeadlinePassed { .. }
        | Input::TakenOver { .. }
        | Input::CheckpointsForgotten => "no command",
    }
}

fn fact(fact: &Fact) -> &'static str {
    match fact {
        Fact::CheckpointPicked { .. } => "checkpoint picked",
        Fact::CheckpointsUnknown { .. } => "checkpoints can't be read",
        Fact::RestoreChecked { .. } => "checkpoint to restore checked",
        Fact::Started(_) => "started",
        Fact::SpawnRefused { .. } => "spawn refused",
        Fact::NeverSpawned => "never spawned",
        Fact::AskUndelivered { .. } => "could not be asked",
        Fact::Frozen => "frozen",
        Fact::Silent { .. } => "silent for too long",
        Fact::SignOfLife => "sign of life",
        Fact::Said { .. } => "said something",
        Fact::Exited { .. } => "exited",
        Fact::CheckpointChecked { .. } => "checkpoint checked",
        Fact::CheckpointsPruned { .. } => "checkpoints pruned",
    }
}

impl Summary for GatewayMsg {
    fn summary(&self) -> String {
        match self {
            Self::Submit { .. } => "a submission".to_owned(),
            Self::Command { input, .. } => format!("a command: {}", command(input)),
            Self::Answered { .. } => "an answer".to_owned(),
        }
    }
}
