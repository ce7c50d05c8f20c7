//! `resus checkpoints`: what a run can go on from.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::checkpoints::table;
use crate::render::parts::short;
use clap::Args;
use resus_core::exit::ExitCode;

/// Arguments of `resus checkpoints`.
#[derive(Debug, Args)]
#[command(after_help = "The next attempt begins from the one marked with '→', if it verifies again then.

Examples:
  resus checkpoints nightly
  resus checkpoints nightly --json | jq -r '.checkpoints[].checkpoint.path'
  resus restore nightly ck-000150")]
pub(crate) struct CheckpointsArgs {
    /// Which run
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Carries out `resus checkpoints`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn checkpoints(args: CheckpointsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let run = args.run.as_str();
    let list = ask(&around.target, |client| async move { client.checkpoints(run).await }).await?;
    if console.json {
        console.out_json(&list)?;
        return Ok(ExitCode::Ok);
    }
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    if list.checkpoints.is_empty() {
        console.tell(&format!("{} ({}) has no checkpoint\n", short(&view.run_id), view.name));
        return Ok(ExitCode::Ok);
    }
    console.out(&table(&list.checkpoints, &view.progress.unit, console.out_paint))?;
    Ok(ExitCode::Ok)
}
