//! `resus daemon stop`.

use crate::client::{Client, ClientError};
use crate::command::Around;
use crate::command::wait::until_ended;
use crate::confirm::consent;
use crate::daemon::halt::{forbid_starts, halt};
use crate::daemon::start::{ensure, locate};
use crate::error::CliError;
use crate::render::parts::short;
use crate::submission::command_body;
use crate::text::paint::phase;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use serde_json::json;

/// Arguments of `resus daemon stop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus daemon stop
  resus daemon stop --all
  resus daemon stop --all --yes    # also where nobody can be asked")]
pub(crate) struct StopArgs {
    /// Stop all runs first, each with a checkpoint if its worker can save one
    #[arg(long)]
    all: bool,
    /// With --all: do not ask
    #[arg(short = 'y', long, requires = "all")]
    yes: bool,
}

/// Longest list of runs in a question.
const LISTED_MAX: usize = 20;

/// Stops the daemon and waits until it is gone.
///
/// # Errors
/// [`CliError`]: it hangs, or does not end in time.
pub(super) async fn stop(args: StopArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.all {
        let client = locate(around.here()?);
        match client.daemon().await {
            Ok(_) => stop_runs(&client, args.yes, around).await?,
            // Runs go on without a daemon. Only one can find them and stop them.
            Err(ClientError::Nobody { .. }) if around.here()?.ledger().exists() => {
                stop_runs(&ensure(&around.target).await?, args.yes, around).await?;
            }
            Err(ClientError::Nobody { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(ended) = halt(around.here()?).await? else {
        // A shim may be about to start one: that would be against the user's will.
        forbid_starts(around.here()?)?;
        tell(around, None, None, "no daemon runs; runs that live go on under their shims")?;
        return Ok(ExitCode::Ok);
    };
    let text = match ended.runs_live {
        Some(0) => "the daemon is stopped".to_owned(),
        Some(1) => "the daemon is stopped; 1 run goes on under its shim".to_owned(),
        Some(n) => format!("the daemon is stopped; {n} runs go on under their shims"),
        None => "the daemon is stopped; runs go on under their shims".to_owned(),
    };
    tell(around, Some(ended.pid), ended.runs_live, &text)?;
    Ok(ExitCode::Ok)
}

/// Asks whether the trainings of `live` are to end, and not only the daemon.
fn agree(live: &[RunView], yes: bool, around: &Around) -> Result<(), CliError> {
    let count = if live.len() == 1 { "1 run".to_owned() } else { format!("{} runs", live.len()) };
    if !yes && !live.is_empty() && !around.console.json {
        let listed = live.iter().take(LISTED_MAX);
        let mut text: String = listed
            .map(|run| format!("  {} ({}) {}\n", short(&run.run_id), run.name, phase(&run.phase).word))
            .collect();
        if live.len() > LISTED_MAX {
            text.push_str(&format!("  … {} more\n", live.len() - LISTED_MAX));
        }
        around.console.tell(&format!("{count} would end:\n{text}"));
    }
    let why = format!("{count} would end, and nobody can be asked here");
    let next = "resus daemon stop --all --yes; without --all they go on";
    let question = "Stop them, and then the daemon?";
    consent(&around.console, question, yes || live.is_empty(), ("nothing was stopped", &why, next))
}

async fn stop_runs(client: &Client, yes: bool, around: &Around) -> Result<(), CliError> {
    let live: Vec<_> = client.runs().await?.runs.into_iter().filter(|run| run.ended_at.is_none()).collect();
    agree(&live, yes, around)?;
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

fn tell(around: &Around, pid: Option<u32>, runs_live: Option<usize>, text: &str) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(&json!({"pid": pid, "runs_live": runs_live}));
    }
    around.console.tell(&format!("{text}\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;

    #[tokio::test]
    async fn runs_end_only_if_somebody_wants_them_to() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let refused = stop(StopArgs { all: true, yes: false }, &around).await.unwrap_err();
        assert_eq!(refused.exit(), ExitCode::Refused);
        assert!(refused.told().why.concat().contains("1 run would end"), "{refused:?}");
        assert!(daemon.desk.commands.lock().unwrap().is_empty() && !daemon.state.stopped().exists());
        assert!(agree(&[], false, &around).is_ok(), "nothing would end");
    }
}
