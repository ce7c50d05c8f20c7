//! `resus retry`: another attempt, asked for by the user.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;
use crate::render::status::checkpoint;
use crate::submission::command_body;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;

/// Arguments of `resus retry`.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that waits for its next retry is tried at once. What you ask for is not counted
as one of its retries."
)]
pub(crate) struct RetryArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
}

/// Carries out `resus retry`.
///
/// # Errors
/// [`CliError`] of the first run that it fails for.
pub(crate) async fn retry(args: RetryArgs, around: &Around) -> Result<ExitCode, CliError> {
    for run in &args.runs {
        let body = &command_body(Verb::Retry);
        let reply = ask(&around.state, |client| async move { client.command(run, body).await }).await?;
        if around.console.json {
            around.console.out_json(&reply.run)?;
            continue;
        }
        let (id, view) = (short(&reply.run.run_id), &reply.run);
        let from = match &view.checkpoint {
            Some(newest) => format!("from checkpoint {}, if it verifies", checkpoint(newest)),
            None => "from the beginning: there is no checkpoint".to_owned(),
        };
        around.console.tell(&format!(
            "↻ {id} ({}) attempt {} starts {from}\n  watch it with: resus logs {id} -f\n",
            view.name, view.attempt
        ));
    }
    Ok(ExitCode::Ok)
}
