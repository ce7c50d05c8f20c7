//! `resus stop` and `resus kill`: the end of runs.

use crate::command::dry_run::{self, DryRunArg};
use crate::command::several::Tally;
use crate::command::wait::until_ended;
use crate::command::{Around, give};
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::{checkpoint, short};
use crate::render::summary::{after_cancel, outcome};
use crate::text::paint::phase;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;

/// Arguments of `resus stop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus stop nightly
  resus stop nightly a1b2c3d4 --no-wait")]
pub(crate) struct StopArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Return when the stop has begun
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Arguments of `resus kill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus kill nightly
  resus checkpoint nightly && resus kill nightly")]
pub(crate) struct KillArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Carries out `resus stop`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn stop(args: StopArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, Verb::Stop).await;
    }
    end(around, Verb::Stop, &args.runs, !args.no_wait).await
}

/// Carries out `resus kill`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn kill(args: KillArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, Verb::Kill).await;
    }
    end(around, Verb::Kill, &args.runs, true).await
}

/// Asks every run to end, then waits for each: they end side by side.
async fn end(around: &Around, verb: Verb, runs: &[String], wait: bool) -> Result<ExitCode, CliError> {
    let (mut tally, found) = Tally::of(around, runs).await?;
    let mut asked = Vec::new();
    for run in &found {
        let given = give(around, &run.view, verb).await;
        asked.extend(tally.note(run.selector, given).await?.map(|given| (run.selector, given.reply)));
    }
    for (selector, reply) in asked {
        let had_ended = !reply.changed && outcome(&reply.run).is_some();
        let ended = match wait {
            true => until_ended(around, reply.run).await.map(|(view, _)| view),
            false => Ok(reply.run),
        };
        if let Some(view) = tally.note(selector, ended).await? {
            tell(around, &view, had_ended)?;
        }
    }
    Ok(tally.exit())
}

fn tell(around: &Around, view: &RunView, had_ended: bool) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(view);
    }
    around.console.tell(&told(view, had_ended, &around.console.err_page()));
    Ok(())
}

/// What came of a stop, and what is left to go on from.
fn told(view: &RunView, had_ended: bool, page: &Page) -> String {
    let (look, id) = (phase(&view.phase), short(&view.run_id));
    let what = match (outcome(view), had_ended) {
        (Some(_), true) => format!("had ended already: {}", look.word),
        (Some(_), false) => look.word.to_owned(),
        (None, _) => "is being stopped".to_owned(),
    };
    let glyph = page.paint.on(look.colour, look.glyph);
    let mut text = format!("{glyph} {}\n", page.sentence(&format!("{id} ({}) {what}", view.name)));
    let newest = view.checkpoint.as_ref().map(|newest| checkpoint(newest, &view.progress.unit));
    let newest = newest.map(|newest| format!("newest checkpoint: {newest}"));
    for line in newest.into_iter().chain(after_cancel(view)) {
        text.push_str(&format!("  {}\n", page.sentence(&line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use serde_json::json;

    #[test]
    fn a_stop_says_what_is_left_to_go_on_from() {
        let newest = json!({"checkpoint_id": "ck-12000", "path": "/a/long/path", "step": 12000.0, "size_bytes": 1048576});
        let cancelled = view(json!({"phase": "cancelled", "checkpoint": newest}));
        let expected = "\
○ 8c1d9e77 (othello) cancelled
  newest checkpoint: ck-12000 at 12,000 games, 1MiB
  resus retry 8c1d9e77  goes on from there
";
        assert_eq!(told(&cancelled, false, &page(80)), expected);
        let bare = view(json!({"phase": "stopping"}));
        assert_eq!(told(&bare, false, &page(80)), "■ 8c1d9e77 (othello) is being stopped\n");
    }

    #[test]
    fn a_run_that_had_ended_is_left_as_it_is() {
        let done = view(json!({"phase": "done"}));
        assert_eq!(told(&done, true, &page(80)), "✓ 8c1d9e77 (othello) had ended already: done\n");
    }
}
