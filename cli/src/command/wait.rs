//! `resus wait`: until a run ends.

use crate::args::a_duration;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::follow::{Update, follow};
use crate::render::parts::short;
use crate::render::summary::{outcome, summary};
use crate::screen::Screen;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::time::Duration;
use tokio::time::timeout;

/// Arguments of `resus wait`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 the run is done, 20 it failed, 21 it was cancelled, 22 it was lost,
14 it has not ended in time.")]
pub(crate) struct WaitArgs {
    /// Which run
    pub run: String,
    /// Wait no longer than this, e.g. 2h
    #[arg(long, value_name = "TIME", value_parser = a_duration)]
    pub timeout: Option<Duration>,
}

/// Carries out `resus wait`.
///
/// # Errors
/// [`CliError`]; [`CliError::TimedOut`] when the time is over.
pub(crate) async fn wait(args: WaitArgs, around: &Around) -> Result<ExitCode, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.state, |client| async move { client.run(run).await }).await?;
    let run = short(&view.run_id).to_owned();
    let waiting = until_ended(around, view);
    let (view, exit) = match args.timeout {
        None => waiting.await?,
        Some(limit) => {
            timeout(limit, waiting).await.map_err(|_| CliError::TimedOut { run, waited: limit })??
        }
    };
    match around.console.json {
        true => around.console.out_json(&view)?,
        false => around.console.out(&summary(&view, around.console.out_paint))?,
    }
    Ok(exit)
}

/// Follows `view` until it ends, shown on a terminal and silent elsewhere. Restarts of the
/// daemon don't matter.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn until_ended(around: &Around, view: RunView) -> Result<(RunView, ExitCode), CliError> {
    let mut screen = Screen::new(around.console);
    let mut updates = follow(&around.state, &view.run_id, false);
    let mut known = view;
    while let Some(update) = updates.recv().await {
        let notice = match update.inspect_err(|_| screen.clear())? {
            Update::Run { view, .. } => {
                known = *view;
                None
            }
            Update::Lost { stopped: false, .. } => Some("reconnecting…"),
            Update::Lost { stopped: true, .. } => Some("the daemon was stopped, waiting for it…"),
        };
        if let Some(exit) = outcome(&known) {
            screen.clear();
            return Ok((known, exit));
        }
        if around.console.err_is_live {
            screen.show(&known, 0.0, notice);
        }
    }
    screen.clear();
    // The follower ends only after an error, which was returned above.
    Err(CliError::TimedOut { run: short(&known.run_id).to_owned(), waited: Duration::ZERO })
}
