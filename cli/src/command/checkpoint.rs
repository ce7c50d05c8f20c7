//! `resus checkpoint`: a checkpoint now.

use crate::args::a_duration;
use crate::command::dry_run::{self, DryRunArg};
use crate::command::several::Tally;
use crate::command::{Around, Given, give};
use crate::error::CliError;
use crate::follow::Tell;
use crate::render::page::Page;
use crate::render::parts::{checkpoint as named, said, short};
use crate::text::paint::Colour;
use crate::until::{in_time, until};
use clap::Args;
use resus_core::api::StoryLine;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Arguments of `resus checkpoint`.
#[derive(Debug, Args)]
#[command(
    after_help = "Returns when the checkpoint has been read back and may be resumed from. Only a worker that
speaks PULSE can be asked.

Examples:
  resus checkpoint nightly
  resus checkpoint @latest --timeout 5m && resus kill @latest"
)]
pub(crate) struct CheckpointArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Return when the worker was asked
    #[arg(long)]
    pub no_wait: bool,
    /// Wait for each run no longer than this, e.g. 5m
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Carries out `resus checkpoint`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn checkpoint(args: CheckpointArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, Verb::Checkpoint).await;
    }
    let (mut tally, found) = Tally::of(around, &args.runs).await?;
    let mut asked = Vec::new();
    for run in &found {
        let given = give(around, &run.view, Verb::Checkpoint).await;
        asked.extend(tally.note(run.selector, given).await?.map(|given| (run.selector, given)));
    }
    for (selector, given) in asked {
        let came = came_of(&args, given, around).await;
        if let Some(view) = tally.note(selector, came).await? {
            tell(around, &view, !args.no_wait)?;
        }
    }
    Ok(tally.exit())
}

/// The run with its new checkpoint.
async fn came_of(args: &CheckpointArgs, given: Given, around: &Around) -> Result<RunView, CliError> {
    let run = given.reply.run;
    if args.no_wait {
        return Ok(run);
    }
    let id = short(&run.run_id).to_owned();
    let mut wish = Wish::default();
    let waiting = until(around, run, Tell::After(given.seq_before), |_, lines| {
        lines.iter().find_map(|line| wish.hear(line))
    });
    let (view, came) = in_time(args.timeout, &id, "has no new verified checkpoint", waiting).await?;
    came.map_err(|what| CliError::NotReached { run: id.clone(), what, next: format!("resus why {id}") })?;
    Ok(view)
}

/// What has become of the wish for a checkpoint. One that was saved before it is not it.
#[derive(Debug, Default)]
struct Wish {
    asked: bool,
    /// Announced by the worker since.
    saved: BTreeSet<String>,
}

impl Wish {
    /// What came of the wish with this event, if it came to its end: a checkpoint, or why not.
    fn hear(&mut self, line: &StoryLine) -> Option<Result<(), String>> {
        let id = line.text("checkpoint_id").unwrap_or_default();
        match line.what.as_str() {
            "checkpoint_requested" => self.asked = true,
            // Whether or not the wish was seen: nothing follows an end.
            "ended" => return Some(Err("ended before a checkpoint was verified".to_owned())),
            _ if !self.asked => {}
            "checkpoint_undelivered" => {
                return Some(Err(
                    "could not be asked for a checkpoint: its worker does not listen".to_owned()
                ));
            }
            "said" if line.text("action") == Some("saved") => {
                self.saved.insert(id.to_owned());
            }
            "said" if line.text("error_code") == Some("CHECKPOINT_SAVE_FAILED") => {
                let is_final = line.event.pointer("/payload/is_retryable") == Some(&Value::from(false));
                let why = said(line.text("message").unwrap_or("no reason given"));
                return is_final.then(|| Err(format!("has saved no checkpoint: {why}")));
            }
            "checkpoint_verified" if self.saved.contains(id) => return Some(Ok(())),
            "checkpoint_refused" if self.saved.contains(id) => {
                let why = said(line.text("reason").unwrap_or("no reason given"));
                return Some(Err(format!("has saved a checkpoint that does not verify: {why}")));
            }
            "worker_exited" if self.saved.is_empty() => {
                return Some(Err("lost its worker before a checkpoint was saved".to_owned()));
            }
            _ => {}
        }
        None
    }
}

fn tell(around: &Around, view: &RunView, is_there: bool) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(view);
    }
    around.console.tell(&told(view, is_there, &around.console.err_page()));
    Ok(())
}

fn told(view: &RunView, is_there: bool, page: &Page) -> String {
    let id = short(&view.run_id);
    let what = match view.checkpoint.as_ref().filter(|_| is_there) {
        Some(newest) => {
            let path = page.path(&newest.path);
            format!(
                "saved checkpoint {}, and it verifies\n  {}",
                named(newest, &view.progress.unit),
                said(&path)
            )
        }
        None => "was asked for a checkpoint".to_owned(),
    };
    let glyph = page.paint.on(Colour::Green, if is_there { "✓" } else { "→" });
    let mut lines = what.lines();
    let head = page.sentence(&format!("{id} ({}) {}", view.name, lines.next().unwrap_or_default()));
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    format!("{glyph} {head}\n{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{line, page, view};
    use serde_json::json;

    fn came(events: &[(&str, Value)]) -> Option<Result<(), String>> {
        let mut wish = Wish::default();
        let lines = events.iter().zip(1..).map(|((what, payload), seq)| line(seq, what, payload.clone()));
        lines.into_iter().find_map(|line| wish.hear(&line))
    }

    fn saved(id: &str) -> (&'static str, Value) {
        ("said", json!({"action": "saved", "checkpoint_id": id}))
    }

    fn verified(id: &str) -> (&'static str, Value) {
        ("checkpoint_verified", json!({"action": "verified", "checkpoint_id": id}))
    }

    fn asked() -> (&'static str, Value) {
        ("checkpoint_requested", json!({}))
    }

    #[test]
    fn only_a_checkpoint_that_was_saved_after_the_wish_fulfils_it() {
        assert_eq!(came(&[saved("a"), asked(), verified("a")]), None);
        assert_eq!(came(&[saved("a"), verified("a"), asked(), saved("b")]), None);
        assert_eq!(came(&[asked(), saved("b"), verified("a"), verified("b")]), Some(Ok(())));
        let late = [asked(), saved("b"), ("worker_exited", json!({})), verified("b")];
        assert_eq!(came(&late), Some(Ok(())), "what was saved is verified even if the worker is gone");
    }

    #[test]
    fn an_end_is_told_even_if_the_wish_was_not_seen() {
        let told = came(&[("worker_exited", json!({})), ("ended", json!({}))]).and_then(Result::err);
        assert_eq!(told.as_deref(), Some("ended before a checkpoint was verified"));
    }

    #[test]
    fn what_came_instead_is_told() {
        let failed = |is_retryable: bool| {
            let error = json!({"error_code": "CHECKPOINT_SAVE_FAILED", "message": "disk full", "is_retryable": is_retryable});
            came(&[asked(), ("said", error)])
        };
        assert_eq!(failed(true), None, "it tries again");
        assert_eq!(failed(false), Some(Err("has saved no checkpoint: disk full".to_owned())));
        for (last, words) in [
            (("checkpoint_undelivered", json!({})), "does not listen"),
            (("worker_exited", json!({})), "lost its worker"),
            (("ended", json!({})), "ended before"),
        ] {
            let told = came(&[asked(), last]).and_then(Result::err).unwrap();
            assert!(told.contains(words), "{told}");
        }
        let corrupt = ("checkpoint_refused", json!({"checkpoint_id": "b", "reason": "bad CRC"}));
        let told = came(&[asked(), saved("b"), corrupt]).and_then(Result::err).unwrap();
        assert!(told.contains("does not verify: bad CRC"), "{told}");
    }

    #[test]
    fn the_new_checkpoint_is_named_with_its_place() {
        let newest = json!({"checkpoint_id": "ck-12000", "path": "/s/ck-12000.prsm", "step": 12000.0});
        let view = view(json!({"checkpoint": newest}));
        let expected = "\
✓ 8c1d9e77 (othello) saved checkpoint ck-12000 at 12,000 games, and it verifies
  /s/ck-12000.prsm
";
        assert_eq!(told(&view, true, &page(80)), expected);
        assert_eq!(told(&view, false, &page(80)), "→ 8c1d9e77 (othello) was asked for a checkpoint\n");
    }
}
