//! `resus attach`: back before a run that was left.

use crate::command::Around;
use crate::command::run::{conclude, stay};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::passthrough;
use crate::render::summary::outcome;
use clap::Args;

/// Arguments of `resus attach`.
#[derive(Debug, Args)]
#[command(
    after_help = "What 'resus run' shows, of any run: what has happened, and one live line. Ctrl-C stops it
with a checkpoint, a second Ctrl-C kills it, Ctrl-\\ leaves it running. It exits as 'resus run'
does: 0 done, 20 failed, 21 cancelled, 22 lost; of a run that has ended, at once.

Examples:
  resus attach nightly
  resus attach @latest --json"
)]
pub(crate) struct AttachArgs {
    /// Which run
    pub run: String,
    /// Exit as its last worker did: its code, 128+n after signal n
    #[arg(long)]
    pub passthrough: bool,
}

/// Carries out `resus attach`: the exit code of the process.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn attach(args: AttachArgs, around: &Around) -> Result<u8, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    match outcome(&view) {
        Some(exit) => {
            conclude(&view, around).await?;
            Ok(passthrough::code(&view, exit, args.passthrough))
        }
        None => stay(view, args.passthrough, around).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use serde_json::json;

    #[tokio::test]
    async fn a_run_that_has_ended_gives_its_exit_code_at_once() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let args = |passthrough| AttachArgs { run: "@latest".into(), passthrough };
        daemon.desk.change(json!({"phase": "cancelled", "last_exit": {"signal": 15}}), 1);
        assert_eq!(attach(args(false), &around).await.unwrap(), 21);
        assert_eq!(attach(args(true), &around).await.unwrap(), 143);
    }

    #[tokio::test]
    async fn a_run_that_lives_is_watched_to_its_end() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let args = AttachArgs { run: "@latest".into(), passthrough: false };
        let desk = daemon.desk.clone();
        let ending = async move {
            tokio::task::yield_now().await;
            desk.tell(json!({"phase": "done"}), &[("ended", json!({}))]);
        };
        let (code, ()) = tokio::join!(attach(args, &around), ending);
        assert_eq!(code.unwrap(), 0);
    }
}
