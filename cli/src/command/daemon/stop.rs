//! `resus daemon stop`.

use crate::client::{Client, ClientError};
use crate::command::Around;
use crate::command::wait::until_ended;
use crate::daemon::start::locate;
use crate::error::CliError;
use crate::submission::command_body;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// The daemon has this long to end: its actors write what is queued, leaf to root.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// Arguments of `resus daemon stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Stop all runs first, each with a checkpoint if its worker can save one
    #[arg(long)]
    all: bool,
}

/// Stops the daemon and waits until it is gone.
///
/// # Errors
/// [`CliError`]: it hangs, or does not end in time.
pub(super) async fn stop(args: StopArgs, around: &Around) -> Result<ExitCode, CliError> {
    let client = locate(&around.state);
    let view = match client.daemon().await {
        Ok(view) => view,
        Err(ClientError::Nobody { .. }) => {
            // A shim may be about to start one: that would be against the user's will.
            mark_stopped(around)?;
            tell(around, None, 0, "no daemon runs")?;
            return Ok(ExitCode::Ok);
        }
        Err(error) => return Err(error.into()),
    };
    if args.all {
        stop_runs(&client, around).await?;
    }
    let process = open(view.pid)?;
    mark_stopped(around)?;
    let live = client.stop_daemon().await?.runs_live;
    if let Some(process) = process
        && !ends(process).await?
    {
        return Err(CliError::StillThere { pid: view.pid, waited: END_DEADLINE });
    }
    let text = match live {
        0 => "the daemon is stopped".to_owned(),
        1 => "the daemon is stopped; 1 run goes on under its shim".to_owned(),
        n => format!("the daemon is stopped; {n} runs go on under their shims"),
    };
    tell(around, Some(view.pid), live, &text)?;
    Ok(ExitCode::Ok)
}

/// A handle on the daemon's process, which no other process can be mistaken for; `None` if it
/// has ended already.
fn open(pid: u32) -> Result<Option<OwnedFd>, CliError> {
    let failed = |source| CliError::Io { what: "watch", path: format!("/proc/{pid}").into(), source };
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(process, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Waits for the end of a process; `false` if it is still there after [`END_DEADLINE`].
async fn ends(process: OwnedFd) -> Result<bool, CliError> {
    let failed = |source: io::Error| CliError::Io { what: "wait for", path: "the daemon".into(), source };
    let limit = Timespec::try_from(END_DEADLINE).map_err(|error| failed(io::Error::other(error)))?;
    // A handle on a process becomes readable when the process has ended.
    let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit));
    let waited = tokio::task::spawn_blocking(wait).await.map_err(|error| failed(error.into()))?;
    waited.map(|ready| ready > 0).map_err(|errno| failed(errno.into()))
}

/// Shims start the daemon again unless this mark is there.
fn mark_stopped(around: &Around) -> Result<(), CliError> {
    let path = around.state.stopped();
    let created = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    created.map(drop).map_err(|source| CliError::Io { what: "create", path, source })
}

async fn stop_runs(client: &Client, around: &Around) -> Result<(), CliError> {
    let live: Vec<_> = client.runs().await?.runs.into_iter().filter(|run| run.ended_at.is_none()).collect();
    let mut stopping = Vec::new();
    for run in live {
        match client.command(&run.run_id, &command_body(Verb::Stop)).await {
            Ok(reply) => stopping.push(reply.run),
            // It has ended in this very moment.
            Err(ClientError::Refused(problem)) if problem.exit_code == ExitCode::Refused => {}
            Err(error) => return Err(error.into()),
        }
    }
    for run in stopping {
        until_ended(around, run).await?;
    }
    Ok(())
}

fn tell(around: &Around, pid: Option<u32>, runs_live: usize, text: &str) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(&json!({"pid": pid, "runs_live": runs_live}));
    }
    around.console.tell(&format!("{text}\n"));
    Ok(())
}
