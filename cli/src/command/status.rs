//! `resus status`: everything about one run.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;
use crate::render::status::block;
use crate::render::summary::outcome;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::watch::Health;

/// Arguments of `resus status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus status @latest
  resus status nightly --json | jq .progress")]
pub(crate) struct StatusArgs {
    /// Which run
    pub run: String,
}

/// Carries out `resus status`. Its exit code says whether the run could be shown, not how the
/// run is.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn status(args: StatusArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let run = args.run.as_str();
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    if console.json {
        console.out_json(&view)?;
        return Ok(ExitCode::Ok);
    }
    console.out(&block(&view, &console.out_page()))?;
    if console.err_is_live {
        let id = short(&view.run_id);
        console.tell(&match outcome(&view) {
            None if matches!(view.phase.as_str(), "pausing" | "paused") => {
                format!("next: resus resume {id}, resus stop {id}, resus why {id}\n")
            }
            None if view.phase == "waiting" || view.health.is_some_and(|health| health == Health::Hung) => {
                format!("next: resus why {id}, resus logs {id} -f, resus stop {id}\n")
            }
            None => format!("next: resus logs {id} -f, resus stop {id}\n"),
            Some(ExitCode::Ok) => format!("next: resus logs {id}\n"),
            Some(_) => format!("next: resus why {id}, resus logs {id}, resus retry {id}\n"),
        });
    }
    Ok(ExitCode::Ok)
}
