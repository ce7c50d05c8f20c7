//! `resus checkpoints pin`, `unpin` and `prune`: what retention keeps.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::hints::naming;
use crate::render::checkpoints::pruned;
use crate::render::page::Page;
use crate::render::parts::{said, short};
use crate::submission::{pin_body, prune_body};
use crate::text::paint::Colour;
use clap::Args;
use resus_core::api::CommandReply;
use resus_core::exit::ExitCode;

/// Arguments of `resus checkpoints pin` and `unpin`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus checkpoints pin nightly ck-000150
  resus checkpoints pin nightly latest
  resus checkpoints unpin nightly ck-000150")]
pub(crate) struct PinArgs {
    /// Which run
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Its id, the unique beginning of one, or 'latest'
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: String,
}

/// Arguments of `resus checkpoints prune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Retention runs by itself after every checkpoint. What it keeps is set with 'resus configure
RUN --keep 10' and the like.

Examples:
  resus checkpoints prune nightly --dry-run
  resus checkpoints prune nightly"
)]
pub(crate) struct PruneArgs {
    /// Which run
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only tell what would be deleted, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Carries out `resus checkpoints pin` and `unpin`.
///
/// # Errors
/// [`CliError`]: there is no such checkpoint, or more than one.
pub(crate) async fn pin(args: PinArgs, pinned: bool, around: &Around) -> Result<ExitCode, CliError> {
    let (run, body) = (args.run.as_str(), &pin_body(args.checkpoint, pinned));
    let asked = ask(&around.target, |client| async move { client.pin(run, body).await }).await;
    let reply = match asked {
        Ok(reply) => reply,
        Err(error) => return Err(naming(error, run, around).await),
    };
    if around.console.json {
        around.console.out_json(&reply.run)?;
        return Ok(ExitCode::Ok);
    }
    around.console.tell(&told(&reply, &body.checkpoint, pinned, &around.console.err_page()));
    Ok(ExitCode::Ok)
}

fn told(reply: &CommandReply, typed: &str, pinned: bool, page: &Page) -> String {
    let what = match (pinned, reply.changed) {
        (true, true) => "is pinned: retention leaves it alone",
        (true, false) => "is pinned already",
        (false, true) => "is no longer pinned: the rules of retention apply to it",
        (false, false) => "was not pinned",
    };
    let newest = reply.run.checkpoint.as_ref().filter(|_| typed == "latest");
    let checkpoint = newest.map_or(typed, |newest| newest.checkpoint_id.as_str());
    let (id, name) = (short(&reply.run.run_id), &reply.run.name);
    let text = format!("checkpoint {} of {id} ({name}) {what}", said(checkpoint));
    format!("{} {}\n", page.paint.on(Colour::Green, "✓"), page.sentence(&text))
}

/// Carries out `resus checkpoints prune`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn prune(args: PruneArgs, around: &Around) -> Result<ExitCode, CliError> {
    let (run, body) = (args.run.as_str(), &prune_body(args.dry_run));
    let reply = ask(&around.target, |client| async move { client.prune(run, body).await }).await?;
    let console = &around.console;
    if console.json {
        console.out_json(&reply)?;
        return Ok(ExitCode::Ok);
    }
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    console.out(&pruned(&reply, &view.progress.unit, &console.out_page()))?;
    Ok(ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::{RUN_ID, page, view};
    use serde_json::json;

    #[tokio::test]
    async fn what_is_typed_reaches_the_daemon() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let args = || PinArgs { run: RUN_ID.to_owned(), checkpoint: "latest".to_owned() };
        assert_eq!(pin(args(), true, &around).await.unwrap(), ExitCode::Ok);
        assert_eq!(pin(args(), false, &around).await.unwrap(), ExitCode::Ok);
        for dry_run in [true, false] {
            prune(PruneArgs { run: RUN_ID.to_owned(), dry_run }, &around).await.unwrap();
        }
        let gone = PruneArgs { run: "nobody".to_owned(), dry_run: true };
        assert_eq!(prune(gone, &around).await.unwrap_err().exit(), ExitCode::NotFound);
        let expected = ["pin", "unpin"].map(|verb| format!("{verb} {RUN_ID} latest")).to_vec();
        let pruned = ["true", "false"].map(|dry| format!("prune {RUN_ID} {dry}")).to_vec();
        let stray = "prune nobody true".to_owned();
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [expected, pruned, vec![stray]].concat());
    }

    #[test]
    fn the_checkpoint_is_told_by_its_name() {
        let newest = json!({"checkpoint_id": "ck-5", "path": "/s/ck-5"});
        let run = view(json!({"checkpoint": newest}));
        let reply = |changed| CommandReply { changed, why: String::new(), run: run.clone(), would: None };
        let at = |changed, typed, pinned| told(&reply(changed), typed, pinned, &page(80));
        let is_pinned = "✓ checkpoint ck-5 of 8c1d9e77 (othello) is pinned: retention leaves it alone\n";
        assert_eq!(at(true, "latest", true), is_pinned);
        assert_eq!(
            at(false, "ck-1\u{1b}", false),
            "✓ checkpoint ck-1\\u{1b} of 8c1d9e77 (othello) was not pinned\n"
        );
    }
}
