//! `resus run`: accept a run and watch it.

use crate::args::{a_duration, a_pair};
use crate::attach::{Watched, watch};
use crate::client::Client;
use crate::command::Around;
use crate::daemon::start::{ask, ensure};
use crate::error::CliError;
use crate::output::{Decoder, PIECE_BYTES, tail_offset};
use crate::render::parts::short;
use crate::render::summary::{summary, told};
use crate::settings::Settings;
use crate::submission::{command_id, worker_env, working_folder};
use crate::text::paint::Colour;
use clap::Args;
use resus_core::api::{Overrides, Submission};
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

/// Lines of output shown of a run that failed.
const LAST_LINES: usize = 10;

/// Arguments of `resus run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus run -- python train.py --epochs 3
  resus run othello --set games=20000 --retries 10
  RUN=$(resus run -d --name nightly -- ./train.sh) && resus wait $RUN

While it is watched: Ctrl-C stops it with a checkpoint, a second Ctrl-C kills it, Ctrl-\\ leaves
it running.")]
pub(crate) struct RunArgs {
    /// A built-in workload, e.g. othello
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub workload: Option<String>,
    /// Any program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Set a parameter of the workload; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_pair, conflicts_with = "command")]
    pub set: Vec<(String, String)>,
    /// Leave it running: print its id and return
    #[arg(short, long)]
    pub detach: bool,
    /// What to call it: lower-case letters, digits and '-'
    #[arg(long)]
    pub name: Option<String>,
    /// Retries within the window [default: 5 an hour]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Wait before the first retry, e.g. 1s
    #[arg(long, value_name = "TIME", value_parser = a_duration)]
    pub backoff: Option<Duration>,
    /// Time to save a checkpoint and leave when it is stopped, e.g. 60s
    #[arg(long, value_name = "TIME", value_parser = a_duration)]
    pub grace: Option<Duration>,
    /// Time until its first word, if it speaks PULSE, e.g. 10m
    #[arg(long, value_name = "TIME", value_parser = a_duration)]
    pub startup_timeout: Option<Duration>,
    /// Verified checkpoints to keep
    #[arg(long, value_name = "N")]
    pub keep: Option<u32>,
}

/// Carries out `resus run`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(args: RunArgs, around: &Around) -> Result<ExitCode, CliError> {
    // A mistake in the configuration is told now, not when the next daemon starts.
    Settings::load()?;
    let detach = args.detach;
    let submission = submission(args, around)?;
    let handed_in = &submission;
    let view = ask(&around.state, |client| async move { client.submit(handed_in).await }).await?;
    let id = short(&view.run_id);
    if detach {
        match around.console.json {
            true => around.console.out_json(&view)?,
            false => around.console.out(&format!("{}\n", view.run_id))?,
        }
        return Ok(ExitCode::Ok);
    }
    if !around.console.json {
        let name = around.console.err_paint.on(Colour::Bold, &view.name);
        around
            .console
            .tell(&format!("{name} {id}  Ctrl-C: stop with a checkpoint (twice: kill) · Ctrl-\\: detach\n"));
    }
    match watch(around, view).await? {
        Watched::Left(exit) => Ok(exit),
        Watched::Ended(view, exit) => {
            conclude(&view, around).await?;
            Ok(exit)
        }
    }
}

fn submission(args: RunArgs, around: &Around) -> Result<Submission, CliError> {
    let env = worker_env(env::vars_os());
    if !env.left_out.is_empty() && !around.console.json {
        let names = env.left_out.join(", ");
        around.console.tell(&format!("warning: not UTF-8, so the worker does not get: {names}\n"));
    }
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Submission {
        workload: args.workload,
        params: args.set.into_iter().collect::<BTreeMap<_, _>>(),
        command: (!args.command.is_empty()).then_some(args.command),
        name: args.name,
        cwd: working_folder()?,
        env: env.vars,
        overrides: Overrides {
            retries: args.retries,
            backoff_ms: args.backoff.map(ms),
            grace_ms: args.grace.map(ms),
            startup_timeout_ms: args.startup_timeout.map(ms),
            keep_checkpoints: args.keep,
        },
        command_id: command_id(),
    })
}

/// Tells how the run ended, and shows its last words if it failed.
async fn conclude(view: &RunView, around: &Around) -> Result<(), CliError> {
    let console = &around.console;
    if console.json {
        return console.out_json(view);
    }
    console.out(&summary(view, console.out_paint))?;
    let Some(told) = told(view) else { return Ok(()) };
    if let Some(words) = last_words(&ensure(&around.state).await?, view).await {
        let head = console.err_paint.on(Colour::Dim, "the end of its output:");
        console.tell(&format!("{head}\n{words}"));
    }
    console.tell(&told.text(console.err_paint));
    Ok(())
}

/// The end of a worker's output. A run that failed is told as failed even if it can't be read.
async fn last_words(client: &Client, view: &RunView) -> Option<String> {
    let (run, attempt) = (view.run_id.as_str(), view.attempt);
    let offset = tail_offset(client, run, attempt, LAST_LINES).await.ok()?;
    let output = client.output(run, Some(attempt), offset, PIECE_BYTES, Duration::ZERO).await.ok()?;
    let text = Decoder::default().decode(&output.bytes);
    (!text.is_empty()).then(|| text.lines().map(|line| format!("  | {line}\n")).collect())
}
