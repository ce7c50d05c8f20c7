//! `resus wait`: until a run ends.

use crate::args::a_duration;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::ending;
use crate::error::CliError;
use crate::follow::{Update, follow};
use crate::render::live::Shown;
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::screen::Screen;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// Arguments of `resus wait`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 the run is done, 20 it failed, 21 it was cancelled, 22 it was lost,
14 it has not ended in time; 130 Ctrl-C was pressed, the run goes on.")]
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
    let (view, _) = ask(&around.state, |client| async move { client.run(run).await }).await?;
    let run = short(&view.run_id).to_owned();
    let waiting = until_ended(around, view);
    let (view, exit) = match args.timeout {
        None => waiting.await?,
        Some(limit) => {
            timeout(limit, waiting).await.map_err(|_| CliError::TimedOut { run, waited: limit })??
        }
    };
    ending::tell(&view, &around.console)?;
    Ok(exit)
}

/// Follows `view` until it ends, shown on a terminal and silent elsewhere. Restarts of the
/// daemon don't matter.
///
/// # Errors
/// [`CliError`]; [`CliError::Interrupted`] when Ctrl-C is pressed.
pub(crate) async fn until_ended(around: &Around, view: RunView) -> Result<(RunView, ExitCode), CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|source: io::Error| CliError::Io {
        what: "watch the signals of",
        path: "/proc/self".into(),
        source,
    })?;
    let mut screen = Screen::new(around.console);
    let mut updates = follow(&around.state, &view.run_id, false);
    let mut known = view;
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            _ = interrupt.recv() => {
                screen.clear();
                let is_stopping = known.phase == "stopping";
                return Err(CliError::Interrupted { run: short(&known.run_id).to_owned(), is_stopping });
            }
        };
        let Some(update) = update else { break };
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
            screen.show(Shown { notice, ..Shown::of(&known) });
        }
    }
    screen.clear();
    // The follower ends only after an error, which was returned above.
    Err(CliError::TimedOut { run: short(&known.run_id).to_owned(), waited: Duration::ZERO })
}
