//! `resus restore`: going on from a checkpoint of one's choice.

use crate::args::a_duration;
use crate::command::Around;
use crate::command::dry_run::{self, DryRunArg};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::follow::Tell;
use crate::hints::naming;
use crate::render::page::Page;
use crate::render::parts::{checkpoint as named, said, short};
use crate::submission::restore_body;
use crate::text::paint::Colour;
use crate::until::{in_time, until};
use clap::Args;
use resus_core::api::{RestoreBody, StoryLine};
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::time::Duration;

/// What stands for no checkpoint.
const NONE: &str = "none";

/// Arguments of `resus restore`.
#[derive(Debug, Args)]
#[command(after_help = "The run must be failed, cancelled, waiting for a retry, or paused without a worker
(resus pause --release). Newer checkpoints are set aside: they stay on the disk until the run has
gone further than they were, and are not used unless you restore one. If the checkpoint does not
verify, the run fails and says so; no other takes its place. 'none' begins anew: all of them are
set aside.

Examples:
  resus restore nightly ck-000150
  resus restore nightly latest
  resus restore nightly none")]
pub(crate) struct RestoreArgs {
    /// Which run
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Its id, the unique beginning of one, 'latest', or 'none'
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: String,
    /// Return before the checkpoint has been read back
    #[arg(long)]
    pub no_wait: bool,
    /// Wait no longer than this, e.g. 5m
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Carries out `resus restore`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn restore(args: RestoreArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        let (run, body) = (args.run.as_str(), restore_body(args.checkpoint));
        let body = &RestoreBody { dry_run: true, ..body };
        let asked = ask(&around.target, |client| async move { client.restore(run, body).await }).await;
        let reply = match asked {
            Ok(reply) => reply,
            Err(error) => return Err(naming(error, run, around).await),
        };
        return dry_run::tell(&reply, around).map(|()| ExitCode::Ok);
    }
    let run = args.run.as_str();
    let is_anew = args.checkpoint == NONE;
    let body = &restore_body(args.checkpoint);
    // A question of its own: what comes of the command lies behind it, even if its answer is lost.
    let (before, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    // A selector such as @latest may name another run by now.
    let id = before.run_id.as_str();
    let asked = ask(&around.target, |client| async move { client.restore(id, body).await }).await;
    let reply = match asked {
        Ok(reply) => reply,
        Err(error) => return Err(naming(error, id, around).await),
    };
    if args.no_wait {
        tell(around, &reply.run, if is_anew { Came::Anew } else { Came::Asked })?;
        return Ok(ExitCode::Ok);
    }
    let id = short(&reply.run.run_id).to_owned();
    let mut failure = None;
    let waiting =
        until(around, reply.run, Tell::After(before.seq), |_, lines| hear_all(&mut failure, is_anew, &lines));
    let (view, came) = in_time(args.timeout, &id, "has not gone on from the checkpoint", waiting).await?;
    came.map_err(|what| CliError::NotReached { run: id.clone(), what, next: format!("resus why {id}") })?;
    tell(around, &view, if is_anew { Came::Anew } else { Came::Restored })?;
    Ok(ExitCode::Ok)
}

/// How far a wish has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// The checkpoint is being read back.
    Asked,
    /// The attempt starts from it.
    Restored,
    /// The attempt starts from none.
    Anew,
}

/// What came of the wish, once it came to its end. Who wants no checkpoint waits for no file.
fn hear_all(failure: &mut Option<String>, is_anew: bool, lines: &[StoryLine]) -> Option<Result<(), String>> {
    lines.iter().find_map(|line| match line.what.as_str() {
        "restored" => Some(Ok(())),
        "spawn_ordered" if is_anew => Some(Ok(())),
        "failed" => {
            *failure = line.text("message").map(said);
            None
        }
        "paused" => Some(Err("was paused before the checkpoint was read back".to_owned())),
        "ended" => {
            let why = failure.take().unwrap_or_else(|| "it was ended before".to_owned());
            Some(Err(format!("does not go on: {why}")))
        }
        _ => None,
    })
}

fn tell(around: &Around, view: &RunView, came: Came) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(view);
    }
    around.console.tell(&told(view, came, &around.console.err_page()));
    Ok(())
}

fn told(view: &RunView, came: Came, page: &Page) -> String {
    let id = short(&view.run_id);
    let what = match (came, &view.resumed_from) {
        (Came::Anew, _) => {
            format!("attempt {} starts from the beginning; its checkpoints are set aside", view.attempt)
        }
        (Came::Restored, Some(from)) => {
            format!("attempt {} starts from checkpoint {}", view.attempt, named(from, &view.progress.unit))
        }
        (Came::Asked, _) | (Came::Restored, None) => {
            format!("attempt {} starts as soon as the checkpoint is read back", view.attempt)
        }
    };
    let glyph = page.paint.on(Colour::Green, "↻");
    let text = page.sentence(&format!("{id} ({}) {what}", view.name));
    format!("{glyph} {text}\n  watch it with: resus logs {id} -f\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::{RUN_ID, line, page, view};
    use serde_json::json;

    #[tokio::test]
    async fn the_run_that_was_looked_at_is_restored() {
        let daemon = FakeDaemon::start();
        let (run, checkpoint) = ("@latest".to_owned(), "latest".to_owned());
        let args = RestoreArgs { run, checkpoint, no_wait: true, timeout: None, dry: DryRunArg::default() };
        restore(args, &Around::of_test(&daemon.state)).await.unwrap();
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [RUN_ID]);
    }

    #[test]
    fn what_came_of_it_is_told() {
        let mut none = None;
        let lines = [line(1, "resumed", json!({})), line(2, "attempt_begun", json!({}))];
        assert_eq!(hear_all(&mut none, false, &lines), None);
        assert_eq!(hear_all(&mut none, false, &[line(3, "restored", json!({}))]), Some(Ok(())));
        let ordered = [line(3, "attempt_begun", json!({})), line(4, "spawn_ordered", json!({}))];
        assert_eq!(hear_all(&mut none, true, &ordered), Some(Ok(())), "nothing has to be read back");
        assert_eq!(hear_all(&mut none, false, &ordered), None);
        let torn = json!({"message": "checkpoint ck-5 can't be restored: torn"});
        assert_eq!(hear_all(&mut none, false, &[line(4, "failed", torn)]), None);
        let ended = hear_all(&mut none, false, &[line(5, "ended", json!({}))]).unwrap().unwrap_err();
        assert_eq!(ended, "does not go on: checkpoint ck-5 can't be restored: torn");
    }

    #[test]
    fn the_checkpoint_is_named_with_its_place() {
        let from = json!({"checkpoint_id": "ck-100", "path": "/s/ck-100", "step": 100.0});
        let view = view(json!({"attempt": 3, "resumed_from": from}));
        let expected = "\
↻ 8c1d9e77 (othello) attempt 3 starts from checkpoint ck-100 at 100 games
  watch it with: resus logs 8c1d9e77 -f
";
        assert_eq!(told(&view, Came::Restored, &page(80)), expected);
        assert!(told(&view, Came::Asked, &page(80)).contains("as soon as the checkpoint is read back"));
        assert!(told(&view, Came::Anew, &page(80)).contains("attempt 3 starts from the beginning"));
    }
}
