//! `resus retry`: another attempt, asked for by the user.

use crate::command::dry_run::{self, DryRunArg};
use crate::command::several::Tally;
use crate::command::{Around, Given, give};
use crate::error::CliError;
use crate::follow::Tell;
use crate::render::page::Page;
use crate::render::parts::{checkpoint, failure_of, said, short};
use crate::until::{in_time, until};
use clap::Args;
use resus_core::api::StoryLine;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use serde_json::Value;
use std::time::Duration;

/// Longest wait for the decision about an attempt: reading a large checkpoint takes longer, and what
/// is not known by then is not said.
const DECISION_WAIT: Duration = Duration::from_secs(3);
/// A decision can be in the ledger before the answer to the command: so many events are looked at
/// again, and those of other attempts passed over.
const EVENTS_BEFORE: u64 = 8;

/// Arguments of `resus retry`.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that waits for its next retry is tried at once. What you ask for is not counted
as one of its retries. The new attempt has the environment, the folder and the settings that
were recorded with the run; for others start a new one: resus rerun.

Examples:
  resus retry nightly
  resus retry @latest && resus logs -f @latest"
)]
pub(crate) struct RetryArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Carries out `resus retry`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn retry(args: RetryArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, Verb::Retry).await;
    }
    let (mut tally, found) = Tally::of(around, &args.runs).await?;
    for run in &found {
        let given = give(around, &run.view, Verb::Retry).await;
        let Some(Given { reply, .. }) = tally.note(run.selector, given).await? else { continue };
        if around.console.json {
            around.console.out_json(&reply.run)?;
            continue;
        }
        let begins = match reply.run.checkpoint {
            Some(_) => None,
            None => decided(&reply.run, around).await?,
        };
        around.console.tell(&told(&reply.run, begins.as_ref(), &around.console.err_page()));
    }
    Ok(tally.exit())
}

/// What was decided about an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Begins {
    /// It is started without a checkpoint.
    Anew,
    /// It is started from one that was found.
    From(String),
    /// It is not started.
    Not(String),
}

/// Waits a moment for the decision about the attempt of `view`, which was just begun; `None` if that
/// takes longer.
async fn decided(view: &RunView, around: &Around) -> Result<Option<Begins>, CliError> {
    let after = Tell::After(view.seq.saturating_sub(EVENTS_BEFORE));
    let attempt = view.attempt;
    let mut failure = None;
    let waiting = until(around, view.clone(), after, |_, lines| hear(&mut failure, attempt, &lines));
    match in_time(Some(DECISION_WAIT), &view.run_id, "has not been decided about", waiting).await {
        Ok((_, begins)) => Ok(Some(begins)),
        Err(CliError::TimedOut { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn hear(failure: &mut Option<String>, attempt: u32, lines: &[StoryLine]) -> Option<Begins> {
    let of_it = |line: &&StoryLine| line.event.get("attempt").and_then(Value::as_u64) == Some(attempt.into());
    lines.iter().filter(of_it).find_map(|line| match line.what.as_str() {
        "spawn_ordered" => {
            Some(line.text("from_checkpoint").map_or(Begins::Anew, |id| Begins::From(said(id))))
        }
        "failed" => {
            let part = |name| line.text(name).unwrap_or_default();
            *failure = Some(failure_of(part("error_code"), part("message")));
            None
        }
        "ended" => Some(Begins::Not(failure.take().unwrap_or_else(|| "it was ended before".to_owned()))),
        _ => None,
    })
}

fn told(view: &RunView, begins: Option<&Begins>, page: &Page) -> String {
    let id = short(&view.run_id);
    let begun = match (&view.checkpoint, begins) {
        (_, Some(Begins::Not(why))) => {
            let text = format!("{id} ({}) attempt {} does not begin: {why}", view.name, view.attempt);
            return format!("✗ {}\n  what can be done: resus why {id}\n", page.sentence(&text));
        }
        (Some(newest), _) => {
            format!("begins from checkpoint {}, if it verifies", checkpoint(newest, &view.progress.unit))
        }
        (None, Some(Begins::From(found))) => format!("begins from checkpoint {found}"),
        (None, Some(Begins::Anew)) => "begins without a checkpoint".to_owned(),
        (None, None) => "begins".to_owned(),
    };
    let text = format!("{id} ({}) attempt {} {begun}", view.name, view.attempt);
    format!("↻ {}\n  watch it with: resus attach {id}\n", page.sentence(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{line, page, view};
    use serde_json::json;

    #[test]
    fn a_retry_says_from_where_it_starts_as_far_as_that_is_known() {
        let newest =
            json!({"checkpoint_id": "ck-12000", "path": "/a", "step": 12000.0, "size_bytes": 1048576});
        let expected = "\
↻ 8c1d9e77 (othello) attempt 2 begins from checkpoint ck-12000 at 12,000 games,
  1MiB, if it verifies
  watch it with: resus attach 8c1d9e77
";
        let with = view(json!({"attempt": 2, "checkpoint": newest}));
        assert_eq!(told(&with, None, &page(80)), expected);
        let bare = view(json!({"attempt": 2}));
        let at = |begins: Option<Begins>| told(&bare, begins.as_ref(), &page(120));
        assert!(at(None).contains("attempt 2 begins\n"), "{}", at(None));
        assert!(at(Some(Begins::Anew)).contains("attempt 2 begins without a checkpoint\n"));
        let not = at(Some(Begins::Not("CHECKPOINT_CORRUPT: 2 were refused".to_owned())));
        assert!(not.contains("does not begin: CHECKPOINT_CORRUPT: 2 were refused\n"), "{not}");
        assert!(not.ends_with("  what can be done: resus why 8c1d9e77\n"), "{not}");
    }

    #[test]
    fn the_decision_is_that_about_the_attempt() {
        let of = |attempt: u32, what: &str, payload: Value| {
            let mut line = line(1, what, payload);
            line.event["attempt"] = json!(attempt);
            line
        };
        let ordered = |attempt, from: Value| of(attempt, "spawn_ordered", json!({"from_checkpoint": from}));
        let mut none = None;
        assert_eq!(hear(&mut none, 3, &[ordered(2, json!(null))]), None, "an earlier one");
        assert_eq!(hear(&mut none, 3, &[ordered(3, json!(null))]), Some(Begins::Anew));
        assert_eq!(hear(&mut none, 3, &[ordered(3, json!("ck-5"))]), Some(Begins::From("ck-5".to_owned())));
        let message =
            "no checkpoint of the run can be used: 2 were refused; `resus checkpoints x` shows them";
        let failed = of(3, "failed", json!({"error_code": "CHECKPOINT_CORRUPT", "message": message}));
        assert_eq!(hear(&mut none, 3, &[failed]), None);
        let why = "CHECKPOINT_CORRUPT: no checkpoint of the run can be used: 2 were refused";
        assert_eq!(hear(&mut none, 3, &[of(3, "ended", json!({}))]), Some(Begins::Not(why.to_owned())));
    }
}
