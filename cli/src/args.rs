//! The command line.

use crate::command::adopt::AdoptArgs;
use crate::command::attach::AttachArgs;
use crate::command::checkpoint::CheckpointArgs;
use crate::command::checkpoints::CheckpointsArgs;
use crate::command::completion::CompletionArgs;
use crate::command::config::ConfigArgs;
use crate::command::configure::ConfigureArgs;
use crate::command::context::ContextArgs;
use crate::command::daemon::DaemonArgs;
use crate::command::doctor::DoctorArgs;
use crate::command::events::EventsArgs;
use crate::command::explain::ExplainArgs;
use crate::command::logs::LogsArgs;
use crate::command::man::ManArgs;
use crate::command::nats::NatsArgs;
use crate::command::pause::{PauseArgs, ResumeArgs};
use crate::command::prune::PruneArgs;
use crate::command::ps::PsArgs;
use crate::command::rerun::RerunArgs;
use crate::command::restore::RestoreArgs;
use crate::command::retry::RetryArgs;
use crate::command::rm::RmArgs;
use crate::command::run::RunArgs;
use crate::command::status::StatusArgs;
use crate::command::stop::{KillArgs, StopArgs};
use crate::command::wait::WaitArgs;
use crate::command::watch::WatchArgs;
use crate::command::why::WhyArgs;
use crate::command::workload::WorkloadArgs;
use crate::console::ColourChoice;
use crate::text::{duration, share, size};
use clap::{Args, Parser, Subcommand};
use resus_core::retention::{Best, BestError};
use std::path::PathBuf;
use std::time::Duration;

/// Keeps training runs alive
///
/// Starts a training, restarts it from its last verified checkpoint when it crashes, and tells
/// the truth about it. Closing the terminal harms nothing: a daemon, started by the first
/// command, and a shim per run look after the workers.
#[derive(Debug, Parser)]
#[command(name = "resus", bin_name = "resus", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where runs are kept [default: $XDG_STATE_HOME/resus]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    pub state_dir: Option<PathBuf>,
    /// Write JSON: one document, or one object per line
    #[arg(long, global = true, hide_short_help = true)]
    pub json: bool,
    /// Colours: auto, never or always
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        default_value_t
    )]
    pub color: ColourChoice,
    /// Ask another machine's daemon, through this NATS server
    ///
    /// Without it the environment's RESUS_NATS counts, unless there is a --context.
    #[arg(long, global = true, value_name = "URL", hide_short_help = true, conflicts_with_all = ["state_dir", "context"])]
    pub nats: Option<String>,
    /// Ask the daemon kept under this name
    ///
    /// See 'resus context'; 'local' is this machine's. Without it RESUS_CONTEXT counts, and then the
    /// context in use.
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true, conflicts_with = "state_dir")]
    pub context: Option<String>,
    /// With --nats: the machine whose daemon is meant [default: the only one that answers]
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub node: Option<String>,
    /// With --nats: the namespace of that daemon [default: default]
    #[arg(long, global = true, value_name = "NS", hide_short_help = true)]
    pub namespace: Option<String>,
    /// With --nats: who we are; the password is in RESUS_NATS_PASSWORD
    #[arg(long, global = true, value_name = "USER", hide_short_help = true, conflicts_with = "nats_creds")]
    pub nats_user: Option<String>,
    /// With --nats: a .creds file
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub nats_creds: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a training and watch it
    Run(RunArgs),
    /// Watch a run that was left, with the same keys
    Attach(AttachArgs),
    /// List runs
    Ps(PsArgs),
    /// Show everything about one run
    Status(StatusArgs),
    /// Show what a run's worker prints
    Logs(LogsArgs),
    /// Tell where a run is, why, and what comes next
    Why(WhyArgs),
    /// Show what happened to a run
    Events(EventsArgs),
    /// Show everything as it happens
    Watch(WatchArgs),
    /// Wait until runs end, or are where they should be
    Wait(WaitArgs),
    /// Halt runs; they keep their memory, or leave with a checkpoint
    Pause(PauseArgs),
    /// Let paused runs go on
    Resume(ResumeArgs),
    /// Save a checkpoint now
    Checkpoint(CheckpointArgs),
    /// List, verify, compare, pin and prune checkpoints
    Checkpoints(CheckpointsArgs),
    /// Let a run go on from an older checkpoint
    Restore(RestoreArgs),
    /// Change settings of runs that live
    Configure(ConfigureArgs),
    /// Stop runs, with a checkpoint if the worker can save one
    Stop(StopArgs),
    /// Kill runs at once
    Kill(KillArgs),
    /// Try a failed or cancelled run again from its checkpoint
    Retry(RetryArgs),
    /// Start a new run as an old one was started
    Rerun(RerunArgs),
    /// Remove runs that have ended, with all their files
    Rm(RmArgs),
    /// Delete old runs, or their output or checkpoints, to make room
    Prune(PruneArgs),
    /// Watch a training that somebody else runs
    Adopt(AdoptArgs),
    /// List, show, check and make kinds of training
    #[command(alias = "workloads")]
    Workload(WorkloadArgs),
    /// Look after the daemon
    Daemon(DaemonArgs),
    /// Show, check and begin settings
    Config(ConfigArgs),
    /// Keep daemons on other machines under names
    Context(ContextArgs),
    /// Tell how to reach the NATS server
    Nats(NatsArgs),
    /// Look whether everything is as it should be
    Doctor(DoctorArgs),
    /// Tell what a code means, and what to do about it
    Explain(ExplainArgs),
    /// Write the script that completes commands in your shell
    Completion(CompletionArgs),
    /// Write a manual page
    Man(ManArgs),
}

/// Reads a duration such as `30s` or `1h30m`.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_duration(text: &str) -> Result<Duration, duration::BadDuration> {
    duration::parse_ms(text).map(Duration::from_millis)
}

/// Reads a share such as `1%`, in thousandths.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_share(text: &str) -> Result<u32, share::BadShare> {
    share::parse_permille(text)
}

/// Reads a size such as `20GiB`, in bytes.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_size(text: &str) -> Result<u64, size::BadSize> {
    size::parse(text)
}

/// Reads the metric by which the best checkpoints are told; empty = none.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_metric(text: &str) -> Result<String, BestError> {
    if !text.is_empty() {
        Best::parse(text)?;
    }
    Ok(text.to_owned())
}

/// Reads a whole number.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_count(text: &str) -> Result<u32, String> {
    match text.parse::<i128>() {
        Ok(number) if number < 0 => Err("expected 0 or more".to_owned()),
        Ok(number) => u32::try_from(number).map_err(|_| format!("expected at most {}", u32::MAX)),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// The same up to 64 bits.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_number(text: &str) -> Result<u64, String> {
    match text.parse::<i128>() {
        Ok(number) if number < 0 => Err("expected 0 or more".to_owned()),
        Ok(number) => u64::try_from(number).map_err(|_| format!("expected at most {}", u64::MAX)),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Reads the number of an attempt.
///
/// # Errors
/// What the text should have been.
pub(crate) fn an_attempt(text: &str) -> Result<u32, String> {
    match a_count(text)? {
        0 => Err("attempts are counted from 1".to_owned()),
        attempt => Ok(attempt),
    }
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// What the text should have been.
pub(crate) fn a_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it has the form KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests;
