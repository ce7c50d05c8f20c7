//! `resus why`: where a run is, and what led there.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::why::{Account, document, text, turn};
use clap::Args;
use resus_core::api::StoryLine;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use resus_store::StateDir;
use std::path::PathBuf;

/// Events read at first, from the end backwards.
const WINDOW: u64 = 128;
/// Each further look goes so many times as far back: a look costs the daemon a fold of the whole
/// history, so there should be few.
const WINDOW_FACTOR: u64 = 8;
/// Most events read: what lies farther back does not explain the present any more.
const WINDOW_MAX: u64 = 8192;
/// What is kept of a worker that hung, in the folder of its attempt.
const HANG_FILE: &str = "hang.txt";

/// Arguments of `resus why`.
#[derive(Debug, Args)]
#[command(
    after_help = "Tells what was seen and what was decided since the run was last well, what happens next and
when, and what to type. For a run that has ended: why, and where the evidence is.

Examples:
  resus why nightly
  resus why @latest
  resus why nightly --json | jq -r '.chain[].sentence'"
)]
pub(crate) struct WhyArgs {
    /// Which run
    pub run: String,
}

/// Carries out `resus why`. Its exit code says whether it could be told, not how the run is.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn why(args: WhyArgs, around: &Around) -> Result<ExitCode, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    let lines = since_it_was_well(&view, around).await?;
    let account = Account::new(&view, &lines);
    // What lies on another machine is of no use here.
    let evidence = around.target.state().map(|state| evidence(state, &view, &account)).unwrap_or_default();
    let console = &around.console;
    if console.json {
        console.out_json(&document(&account, &evidence))?;
    } else {
        console.out(&text(&account, &evidence, &console.out_page()))?;
    }
    Ok(ExitCode::Ok)
}

/// The run's events from the turn for the worse on.
async fn since_it_was_well(view: &RunView, around: &Around) -> Result<Vec<StoryLine>, CliError> {
    let run_id = view.run_id.as_str();
    let mut window = WINDOW;
    loop {
        let from = view.seq.saturating_sub(window);
        let mut lines: Vec<StoryLine> = Vec::new();
        let mut seq = from;
        while seq < view.seq {
            let page = ask(&around.target, |client| async move { client.story(run_id, seq).await }).await?;
            let Some(newest) = page.iter().map(StoryLine::seq).max() else { break };
            seq = newest;
            lines.extend(page);
        }
        // What came after the view was read would not fit to it.
        lines.retain(|line| line.seq() <= view.seq);
        match turn(view, &lines) {
            Some(turn) => return Ok(lines.split_off(turn)),
            None if from == 0 || window >= WINDOW_MAX => return Ok(lines),
            None => window *= WINDOW_FACTOR,
        }
    }
}

/// Files that tell more of what went wrong.
fn evidence(state: &StateDir, view: &RunView, account: &Account<'_>) -> Vec<PathBuf> {
    let folders =
        account.attempts_that_hung().into_iter().filter_map(|n| state.attempt(&view.run_id, n).ok());
    folders.map(|folder| folder.join(HANG_FILE)).filter(|file| file.exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use serde_json::json;

    #[tokio::test]
    async fn the_history_is_read_back_to_where_the_run_was_well_and_no_farther() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        daemon.desk.change(json!({}), 50);
        daemon.desk.tell(json!({}), &[("worker_ready", json!({}))]);
        daemon.desk.change(json!({}), 300);
        let failure = json!({"code": "EXIT_NONZERO", "message": "", "retried": true});
        let waiting = json!({"phase": "waiting", "failures": 1, "last_failure": failure});
        daemon.desk.tell(waiting, &[("failed", json!({})), ("retry_scheduled", json!({}))]);
        let view = daemon.desk.view.lock().unwrap().clone();
        let lines = since_it_was_well(&view, &around).await.unwrap();
        assert_eq!(lines.first().map(StoryLine::seq), Some(51), "it was ready then");
        assert_eq!(lines.last().map(StoryLine::seq), Some(353));
        let args = WhyArgs { run: RUN_ID.to_owned() };
        assert_eq!(why(args, &around).await.unwrap(), ExitCode::Ok);
    }
}
