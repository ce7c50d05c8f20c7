//! `resus wait`: until runs end, or are where they are waited for.

mod goal;

use crate::args::a_duration;
use crate::client::ClientError;
use crate::command::Around;
use crate::command::wait::goal::{Came, Goal, a_goal};
use crate::console::Console;
use crate::daemon::start::ask;
use crate::ending;
use crate::error::CliError;
use crate::follow::Tell;
use crate::passthrough;
use crate::render::parts::{checkpoint, said, short};
use crate::render::summary::outcome;
use crate::text::paint::phase;
use crate::until::{in_time, until};
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

/// A problem of a run that was there before.
const REMOVED: &str = "urn:resus:removed";

/// Arguments of `resus wait`.
#[derive(Debug, Args)]
#[command(
    after_help = "--for: ended; checkpoint (there is one that verified); or a phase: preparing, running,
pausing, paused, cooling_down, stopping, waiting, done, failed, cancelled. What is so already is
not waited for.
Exit codes: 0 it is so; for 'ended' 0 the run is done, 20 it failed, 21 it was cancelled, 22 it
was lost. When it can't be so any more the wait ends at once: with 20, 21 or 22, or 11 if the run
is done. A run that is removed meanwhile: as it had ended, 22 if nobody saw that. 14 the time is over; 130 Ctrl-C was pressed, the run goes on. Of several runs the first
code that is not 0. With --passthrough a run that has ended gives the exit code of its last
worker, 128+n if signal n ended it.

Examples:
  resus wait nightly && ./evaluate.sh
  resus wait @latest --for running --timeout 2h
  resus wait --any $(resus ps -q --filter phase=living)"
)]
pub(crate) struct WaitArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// ended, checkpoint, or a phase, e.g. running, paused, done [default: ended]
    ///
    /// The phases: preparing, running, pausing, paused, cooling_down, stopping, waiting, done,
    /// failed, cancelled. 'checkpoint': there is one that verified.
    #[arg(long = "for", value_name = "WHAT", value_parser = a_goal, default_value = "ended", hide_default_value = true)]
    pub goal: Goal,
    /// Only until it is so of one of the runs
    #[arg(long)]
    pub any: bool,
    /// Exit as the worker did
    #[arg(long)]
    pub passthrough: bool,
    /// Wait no longer than this, e.g. 2h
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
}

/// Carries out `resus wait`: the exit code of the process.
///
/// # Errors
/// [`CliError`]; [`CliError::TimedOut`] when the time is over.
pub(crate) async fn wait(args: WaitArgs, around: &Around) -> Result<u8, CliError> {
    let mut views = Vec::new();
    for run in &args.runs {
        views.push(ask(&around.target, |client| async move { client.run(run).await }).await?.0);
    }
    let mut quiet = around.clone();
    // Several runs have no line in common.
    quiet.console.err_is_live &= views.len() == 1;
    let mut waiting = JoinSet::new();
    for (place, view) in views.into_iter().enumerate() {
        let (around, goal, timeout) = (quiet.clone(), args.goal, args.timeout);
        waiting.spawn(async move { (place, one(&around, view, goal, timeout).await) });
    }
    let mut codes = BTreeMap::new();
    while let Some(done) = waiting.join_next().await {
        let (place, came) = done?;
        let (view, came) = came?;
        let code = tell(&view, args.goal, came, args.passthrough, &around.console)?;
        // Any: one that will not come leaves the others. All: it decides.
        if (came == Came::Reached) == args.any {
            return Ok(code);
        }
        codes.insert(place, code);
    }
    Ok(codes.into_values().find(|code| *code != 0).unwrap_or_else(|| ExitCode::Ok.code()))
}

async fn one(
    around: &Around,
    view: RunView,
    goal: Goal,
    timeout: Option<Duration>,
) -> Result<(RunView, Came), CliError> {
    let (run, after) = (short(&view.run_id).to_owned(), Tell::After(view.seq));
    let mut known = view.clone();
    let waiting = until(around, view, after, |view, lines| {
        known = view.clone();
        goal.came(view, &lines)
    });
    match in_time(timeout, &run, goal.missing(), waiting).await {
        Err(CliError::Client(ClientError::Refused(problem))) if problem.kind == REMOVED => {
            Ok((known, Came::Removed))
        }
        came => came,
    }
}

/// Tells what came of the wait for `view`: the exit code of that.
fn tell(
    view: &RunView,
    goal: Goal,
    came: Came,
    passthrough: bool,
    console: &Console,
) -> Result<u8, CliError> {
    let (ended, id) = (outcome(view), short(&view.run_id));
    let page = console.err_page();
    if came == Came::Removed {
        return removed(view, goal, passthrough, console);
    }
    if came == Came::Never && !console.json {
        let look = phase(&view.phase);
        let text = format!("! {id} ({}) has ended ({}): it {}", view.name, look.word, goal.missing());
        console.tell(&format!("{}\n", page.sentence(&text)));
    }
    match ended {
        // That it ended well is no good news for who waited for something else.
        Some(ExitCode::Ok) if came == Came::Never && !console.json => {}
        Some(_) => ending::tell(view, console)?,
        None if console.json => console.out_json(view)?,
        None => {
            let newest = view.checkpoint.as_ref().filter(|_| goal == Goal::Checkpoint);
            let newest = newest.map(|newest| format!(": {}", checkpoint(newest, &view.progress.unit)));
            let text = format!("✓ {id} ({}) {}{}", view.name, goal.words(), newest.unwrap_or_default());
            console.tell(&format!("{}\n", page.sentence(&text)));
        }
    }
    let ours = match (came, ended) {
        (Came::Reached, Some(ended)) if goal == Goal::Ended => ended,
        (Came::Reached, _) => ExitCode::Ok,
        (Came::Never, Some(ExitCode::Ok) | None) => return Ok(ExitCode::Refused.code()),
        (Came::Never, Some(ended)) => ended,
        (Came::Removed, _) => ExitCode::RunLost,
    };
    Ok(passthrough::code(view, ours, passthrough && ended.is_some()))
}

/// A run that was removed had ended: what is known of how counts. Who did not see it end knows nothing.
fn removed(view: &RunView, goal: Goal, passthrough: bool, console: &Console) -> Result<u8, CliError> {
    let (ended, page) = (outcome(view), console.err_page());
    let how = match ended {
        Some(_) => format!("it had ended before: {}", phase(&view.phase).word),
        None => "nobody saw how it ended".to_owned(),
    };
    let text = format!("! {} ({}) was removed; {how}", short(&view.run_id), said(&view.name));
    console.tell(&format!("{}\n", page.sentence(&text)));
    if console.json {
        console.out_json(view)?;
    }
    Ok(match ended {
        None => ExitCode::RunLost.code(),
        Some(ExitCode::Ok) if goal != Goal::Ended => ExitCode::Refused.code(),
        Some(ended) => passthrough::code(view, ended, passthrough),
    })
}

/// Follows `view` until it ends, shown on a terminal and silent elsewhere. Restarts of the
/// daemon don't matter.
///
/// # Errors
/// [`CliError`]; [`CliError::Interrupted`] when Ctrl-C is pressed.
pub(crate) async fn until_ended(around: &Around, view: RunView) -> Result<(RunView, ExitCode), CliError> {
    until(around, view, Tell::Nothing, |view, _| outcome(view)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::capture;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use serde_json::{Value, json};

    fn args(more: &[&str]) -> WaitArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: WaitArgs,
        }
        <Line as clap::Parser>::parse_from(["wait", RUN_ID].iter().chain(more)).args
    }

    async fn code(changes: Value, more: &[&str]) -> u8 {
        let daemon = FakeDaemon::start();
        daemon.desk.change(changes, 1);
        wait(args(more), &Around::of_test(&daemon.state)).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_so_is_not_waited_for_and_what_can_not_be_ends_the_wait() {
        let failed = || {
            let failure = json!({"code": "EXIT_NONZERO", "message": "", "retried": false});
            json!({"phase": "failed", "last_failure": failure, "last_exit": {"code": 3}})
        };
        let done = || json!({"phase": "done", "last_exit": {"code": 0}});
        let saved = json!({"checkpoint": {"checkpoint_id": "ck-1", "path": "/p"}});
        for (changes, more, expected) in [
            (done(), &[][..], 0),
            (failed(), &[], 20),
            (failed(), &["--passthrough"], 3),
            (failed(), &["--for", "failed"], 0),
            (failed(), &["--for", "done"], 20),
            (failed(), &["--for", "done", "--passthrough"], 3),
            (done(), &["--for", "done"], 0),
            (done(), &["--for", "running"], 11),
            (done(), &["--for", "running", "--passthrough"], 11),
            (done(), &["--for", "checkpoint"], 11),
            (json!({"phase": "cancelled"}), &["--for", "paused"], 21),
            (json!({}), &["--for", "running"], 0),
            (json!({}), &["--for", "running", "--passthrough"], 0),
            (saved, &["--for", "checkpoint"], 0),
        ] {
            assert_eq!(code(changes.clone(), more).await, expected, "{more:?}: {changes}");
        }
    }

    #[tokio::test]
    async fn what_will_not_come_is_told_without_a_sign_of_success() {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({"phase": "done"}), 1);
        let mut around = Around::of_test(&daemon.state);
        around.console.json = false;
        capture::begin();
        wait(args(&["--for", "running"]), &around).await.unwrap();
        let (out, told) = capture::end();
        assert_eq!(
            (out.as_str(), told.as_str()),
            ("", "! 8c1d9e77 (othello) has ended (done): it is not running\n")
        );
    }

    #[tokio::test]
    async fn of_several_all_count_or_any() {
        let done = || json!({"phase": "done"});
        for (more, expected) in [
            (&["@latest"][..], 0),
            (&["@latest", "--any"], 0),
            (&["@latest", "--for", "failed"], 11),
            (&["@latest", "--any", "--for", "failed"], 11),
        ] {
            assert_eq!(code(done(), more).await, expected, "{more:?}");
        }
    }

    #[tokio::test]
    async fn time_is_over_when_it_is_over() {
        let daemon = FakeDaemon::start();
        let args = args(&["--for", "paused", "--timeout", "1ms"]);
        let error = wait(args, &Around::of_test(&daemon.state)).await.unwrap_err();
        assert_eq!(error.exit(), ExitCode::TimedOut);
        assert!(error.to_string().contains("is not paused within"), "{error}");
    }
}
