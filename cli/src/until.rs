//! Waiting until something comes of a run, shown on a terminal and silent elsewhere. Restarts of
//! the daemon don't matter.

use crate::command::Around;
use crate::error::CliError;
use crate::follow::{Tell, Update, follow};
use crate::render::live::Shown;
use crate::render::parts::short;
use crate::screen::Screen;
use resus_core::api::StoryLine;
use resus_core::view::RunView;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// Follows `view` until `reached` says what came of it, from the run as it is and what has
/// happened since the last look (if `events` are wanted).
///
/// # Errors
/// [`CliError`]; [`CliError::Interrupted`] when Ctrl-C is pressed.
pub(crate) async fn until<T>(
    around: &Around,
    view: RunView,
    events: Tell,
    mut reached: impl FnMut(&RunView, Vec<StoryLine>) -> Option<T>,
) -> Result<(RunView, T), CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|source: io::Error| CliError::Io {
        what: "watch the signals of",
        path: "/proc/self".into(),
        source,
    })?;
    let mut screen = Screen::new(around.console);
    let mut updates = follow(&around.target, &view.run_id, events);
    let mut known = view;
    // What was found, and the event it was found with. The ledger, which tells the events, is ahead
    // of the view by the time of a message: the run is handed back as it is after that event.
    let mut found = None;
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            _ = interrupt.recv() => {
                screen.clear();
                let is_stopping = known.phase == "stopping";
                return Err(CliError::Interrupted { run: short(&known.run_id).to_owned(), is_stopping });
            }
        };
        let Some(update) = update else { break };
        let mut notice = None;
        match update.inspect_err(|_| screen.clear())? {
            Update::Run { view, lines } => {
                known = *view;
                let newest = lines.iter().map(StoryLine::seq).max().unwrap_or(0);
                if found.is_none() {
                    found = reached(&known, lines).map(|what| (what, newest));
                }
                if let Some((what, _)) = found.take_if(|(_, seq)| *seq <= known.seq) {
                    screen.clear();
                    return Ok((known, what));
                }
            }
            Update::Lost { stopped: false, .. } => notice = Some("reconnecting…"),
            Update::Lost { stopped: true, .. } => notice = Some("the daemon was stopped, waiting for it…"),
        }
        if around.console.err_is_live {
            screen.show(Shown { notice, ..Shown::of(&known) });
        }
    }
    screen.clear();
    // The follower ends only after an error, which was returned above.
    let run = short(&known.run_id).to_owned();
    Err(CliError::TimedOut { run, missing: "was not heard of", waited: Duration::ZERO })
}

/// Waits for `waiting` no longer than `limit`, if there is one.
///
/// # Errors
/// Its own, or [`CliError::TimedOut`]: `run` is still `missing` something, e.g. `has not ended`.
pub(crate) async fn in_time<T>(
    limit: Option<Duration>,
    run: &str,
    missing: &'static str,
    waiting: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let Some(limit) = limit else { return waiting.await };
    match timeout(limit, waiting).await {
        Ok(done) => done,
        Err(_) => Err(CliError::TimedOut { run: run.to_owned(), missing, waited: limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::daemon::start::locate;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::{self, RUN_ID};
    use serde_json::json;

    #[tokio::test]
    async fn the_run_is_handed_back_as_it_is_after_the_event_that_was_waited_for() {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({"message": "before"}), 2);
        // On disk already, and not yet in the view.
        daemon.desk.lines.lock().unwrap().push(sample::line(3, "checkpoint_verified", json!({})));
        let client: Client = locate(&daemon.state);
        let (view, _) = client.run(RUN_ID).await.unwrap();
        let around = Around::of_test(&daemon.state);
        let (heard, is_heard) = tokio::sync::oneshot::channel();
        let (mut heard, desk) = (Some(heard), daemon.desk.clone());
        let catching_up = async {
            is_heard.await.unwrap();
            desk.change(json!({"message": "after"}), 0);
        };
        let waiting = until(&around, view, Tell::After(1), |_, lines| {
            let verified = lines.iter().any(|line| line.what == "checkpoint_verified");
            verified.then(|| heard.take().map(|heard| heard.send(()).unwrap())).map(drop)
        });
        let (reached, ()) = tokio::join!(waiting, catching_up);
        assert_eq!(reached.unwrap().0.message, "after");
    }
}
