//! `resus stop` and `resus kill`: the end of runs.

use crate::command::Around;
use crate::command::wait::until_ended;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::submission::command_body;
use crate::text::paint::phase;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;

/// Arguments of `resus stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Return when the stop has begun
    #[arg(long)]
    pub no_wait: bool,
}

/// Arguments of `resus kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
}

/// Carries out `resus stop`.
///
/// # Errors
/// [`CliError`] of the first run that it fails for.
pub(crate) async fn stop(args: StopArgs, around: &Around) -> Result<ExitCode, CliError> {
    end(around, Verb::Stop, &args.runs, !args.no_wait).await
}

/// Carries out `resus kill`.
///
/// # Errors
/// [`CliError`] of the first run that it fails for.
pub(crate) async fn kill(args: KillArgs, around: &Around) -> Result<ExitCode, CliError> {
    end(around, Verb::Kill, &args.runs, true).await
}

/// Asks every run to end, then waits for each: they end side by side.
async fn end(around: &Around, verb: Verb, runs: &[String], wait: bool) -> Result<ExitCode, CliError> {
    let mut asked = Vec::new();
    for run in runs {
        let body = &command_body(verb);
        asked.push(ask(&around.state, |client| async move { client.command(run, body).await }).await?);
    }
    for reply in asked {
        let had_ended = !reply.changed && outcome(&reply.run).is_some();
        let view = if wait { until_ended(around, reply.run).await?.0 } else { reply.run };
        tell(around, &view, had_ended)?;
    }
    Ok(ExitCode::Ok)
}

fn tell(around: &Around, view: &RunView, had_ended: bool) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(view);
    }
    let (look, id) = (phase(&view.phase), short(&view.run_id));
    let mut line = format!("{} {id} ({}) ", look.glyph, view.name);
    match (outcome(view), had_ended) {
        (Some(_), true) => line.push_str(&format!("had ended already: {}", look.word)),
        (Some(_), false) => line.push_str(look.word),
        (None, _) => line.push_str("is being stopped"),
    }
    if let Some(checkpoint) = &view.checkpoint {
        let text = crate::render::status::checkpoint(checkpoint);
        line.push_str(&format!("; newest checkpoint: {text}"));
    }
    around.console.tell(&format!("{line}\n"));
    Ok(())
}
