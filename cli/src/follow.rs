//! Following a run: every change of it, across restarts of the daemon, until nobody listens.

use crate::client::{Client, ClientError};
use crate::daemon::start::ensure_here;
use crate::error::CliError;
use crate::target::Target;
use resus_core::api::{CommandBody, CommandReply, StoryLine};
use resus_core::view::RunView;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Longest wait for a change. Ages and countdowns are then told anew.
const WAIT: Duration = Duration::from_secs(1);
/// Shortest time between two updates: ten a second are as many as anybody can read.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts to reach the daemon.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// What a follower hears.
#[derive(Debug)]
pub(crate) enum Update {
    /// The run as it is now.
    Run {
        /// The run.
        view: Box<RunView>,
        /// Ledger events since the last update, told, in their order, if they were asked for.
        lines: Vec<StoryLine>,
    },
    /// The daemon can't be reached; it is being tried again.
    Lost {
        /// Why, in words.
        what: String,
        /// Somebody has stopped it on purpose: it is waited for and not started.
        stopped: bool,
    },
}

/// Which events of a run are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// None.
    Nothing,
    /// Those after this sequence number.
    After(u64),
}

/// Follows the run `run_id`. The channel ends with an error that trying again would not mend.
pub(crate) fn follow(
    target: &Target,
    run_id: &str,
    events: Tell,
) -> mpsc::Receiver<Result<Update, CliError>> {
    // One update waits at most: what is shown is never old.
    let (tell, updates) = mpsc::channel(1);
    let follower = Follower {
        target: target.clone(),
        run_id: run_id.to_owned(),
        told: events,
        unsent: Vec::new(),
        version: None,
        tell,
    };
    tokio::spawn(follower.live());
    updates
}

struct Follower {
    target: Target,
    run_id: String,
    /// Up to where events have been read.
    told: Tell,
    /// Read, and not told yet: whatever fails, what was read is told with the next update.
    unsent: Vec<StoryLine>,
    /// Version that the last view had.
    version: Option<u64>,
    tell: mpsc::Sender<Result<Update, CliError>>,
}

impl Follower {
    async fn live(mut self) {
        let mut client = self.target.client();
        loop {
            let heard = match self.next(&client).await {
                Ok(update) => Ok(update),
                Err(error) if error.is_passing() => {
                    client = match self.reconnect(error).await {
                        Some(client) => client,
                        None => return,
                    };
                    continue;
                }
                Err(error) => Err(CliError::from(error)),
            };
            let is_last = heard.is_err();
            if self.tell.send(heard).await.is_err() || is_last {
                return;
            }
            sleep(UPDATE_INTERVAL).await;
        }
    }

    async fn next(&mut self, client: &Client) -> Result<Update, ClientError> {
        let (view, version) = match self.version {
            Some(version) => client.run_after(&self.run_id, version, WAIT).await?,
            None => client.run(&self.run_id).await?,
        };
        // Pages until we are where the view is; what comes after it is told with the next one.
        while let Tell::After(seq) = self.told
            && seq < view.seq
        {
            let page = client.story(&self.run_id, seq).await?;
            let Some(newest) = page.iter().map(StoryLine::seq).max() else { break };
            self.told = Tell::After(newest);
            self.unsent.extend(page);
        }
        self.version = Some(version);
        Ok(Update::Run { view: Box::new(view), lines: std::mem::take(&mut self.unsent) })
    }

    /// Tries until a daemon answers; `None` when nobody listens to us any more.
    async fn reconnect(&mut self, error: ClientError) -> Option<Client> {
        self.version = None;
        let mut what = error.to_string();
        let was_answered = error.is_answer();
        loop {
            let stopped = self.target.is_stopped();
            self.tell.send(Ok(Update::Lost { what, stopped })).await.ok()?;
            if was_answered {
                sleep(RETRY_INTERVAL).await;
            }
            match reach(&self.target).await {
                Ok(client) => return Some(client),
                Err(error) => what = error.to_string(),
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}

/// A daemon that answers. One that somebody stopped on purpose is not started.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn reach(target: &Target) -> Result<Client, CliError> {
    if let Target::Here(state) = target
        && !state.stopped().exists()
    {
        return ensure_here(state).await;
    }
    let client = target.client();
    client.health().await?;
    Ok(client)
}

/// Gives a command to a run, again and again until it is answered: the command's id makes
/// sure that it is carried out once.
///
/// # Errors
/// [`CliError`] when the daemon refuses it.
pub(crate) async fn deliver(
    target: Target,
    run_id: String,
    body: CommandBody,
) -> Result<CommandReply, CliError> {
    loop {
        let answer = match reach(&target).await {
            Ok(client) => client.command(&run_id, &body).await,
            Err(CliError::Client(error)) => Err(error),
            Err(CliError::Start(_)) => {
                sleep(RETRY_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        match answer {
            Ok(reply) => return Ok(reply),
            Err(error) if error.is_passing() => sleep(RETRY_INTERVAL).await,
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
