//! `resus wait`: until a run ends.

use crate::args::a_duration;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::ending;
use crate::error::CliError;
use crate::follow::Tell;
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::until::{in_time, until};
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::time::Duration;

/// Arguments of `resus wait`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 the run is done, 20 it failed, 21 it was cancelled, 22 it was lost,
14 it has not ended in time; 130 Ctrl-C was pressed, the run goes on.

Examples:
  resus wait nightly && ./evaluate.sh
  resus wait @latest --timeout 2h")]
pub(crate) struct WaitArgs {
    /// Which run
    pub run: String,
    /// Wait no longer than this, e.g. 2h
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
}

/// Carries out `resus wait`.
///
/// # Errors
/// [`CliError`]; [`CliError::TimedOut`] when the time is over.
pub(crate) async fn wait(args: WaitArgs, around: &Around) -> Result<ExitCode, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    let run = short(&view.run_id).to_owned();
    let (view, exit) = in_time(args.timeout, &run, "has not ended", until_ended(around, view)).await?;
    ending::tell(&view, &around.console)?;
    Ok(exit)
}

/// Follows `view` until it ends, shown on a terminal and silent elsewhere. Restarts of the
/// daemon don't matter.
///
/// # Errors
/// [`CliError`]; [`CliError::Interrupted`] when Ctrl-C is pressed.
pub(crate) async fn until_ended(around: &Around, view: RunView) -> Result<(RunView, ExitCode), CliError> {
    until(around, view, Tell::Nothing, |view, _| outcome(view)).await
}
