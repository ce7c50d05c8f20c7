//! `resus ps`: the list of runs.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::said;
use crate::render::ps::{ENDED_SHOWN, shown, table};
use clap::Args;
use resus_core::exit::ExitCode;

/// Arguments of `resus ps`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus ps
  resus ps -a --json | jq '.runs[] | {name, phase}'
  resus stop $(resus ps -q)")]
pub(crate) struct PsArgs {
    /// All runs, not only those that live and the newest that ended
    #[arg(short, long)]
    pub all: bool,
    /// Ids only, one per line
    #[arg(short, long)]
    pub quiet: bool,
}

/// Carries out `resus ps`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn ps(args: PsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let mut list = ask(&around.target, |client| async move { client.runs().await }).await?;
    let total = list.runs.len();
    if !args.all {
        list.runs = shown(list.runs);
    }
    if console.json {
        console.out_json(&list)?;
        return Ok(ExitCode::Ok);
    }
    for (run, why) in &list.quarantined {
        console.tell(&format!("! run {run} is left alone, its history is damaged: {}\n", said(why)));
    }
    if args.quiet {
        let ids: String = list.runs.iter().map(|run| format!("{}\n", run.run_id)).collect();
        console.out(&ids)?;
        return Ok(ExitCode::Ok);
    }
    if total == 0 {
        console.tell("no runs yet; start one with: resus run -- python train.py\n");
        return Ok(ExitCode::Ok);
    }
    console.out(&table(&list.runs, console.out_width(), console.out_is_terminal, console.out_paint))?;
    let hidden = total - list.runs.len();
    if hidden > 0 && console.err_is_live {
        console.tell(&format!(
            "{hidden} more ended before the newest {ENDED_SHOWN}; show them with: resus ps -a\n"
        ));
    }
    Ok(ExitCode::Ok)
}
