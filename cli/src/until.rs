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
    let mut updates = follow(&around.state, &view.run_id, events);
    let mut known = view;
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
                if let Some(found) = reached(&known, lines) {
                    screen.clear();
                    return Ok((known, found));
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
