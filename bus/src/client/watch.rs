//! A run that is followed: the three steps of a late joiner (`docs/SUBSCRIBE.md`), and again
//! whenever something was lost.

use super::behind::{Looks, Ticks};
use super::{Client, ClientError, is_passing, may_pass};
use crate::nats::{Heard, Subscription, retry_delay};
use crate::subject;
use resus_core::ids::RunId;
use resus_core::pulse::state::{Applied, StateSnapshot};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks at a state that is behind the events.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Something new of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The event; none when the state was read instead, at the beginning and after a loss.
    pub envelope: Option<Value>,
    /// The run with it.
    pub state: StateSnapshot,
}

/// A run that is followed. Its facts are complete at any time: what the connection, the server or
/// a slow reader lost is read anew. Telemetry that was left out follows within seconds.
pub struct Watch {
    client: Client,
    run_id: RunId,
    /// None while there is no connection.
    subscription: Option<Subscription>,
    state: StateSnapshot,
    /// The state was read, and nobody has been told.
    is_news: bool,
    /// Something is missing: the state has to be read before the next event.
    is_behind: bool,
    /// An event that has not been folded in.
    next: Option<Value>,
    ticks: Ticks,
}

impl Watch {
    /// Subscribes first and reads the state then: nothing falls between.
    pub(super) async fn begin(client: Client, run_id: RunId) -> Result<Self, ClientError> {
        let subscription = subscribe(&client, &run_id).await?;
        let state = client.state(&run_id).await?;
        let subscription = Some(subscription);
        let ticks = Ticks::new();
        Ok(Self { client, run_id, subscription, state, is_news: true, is_behind: false, next: None, ticks })
    }

    /// The run as of the last update.
    #[must_use]
    pub fn state(&self) -> &StateSnapshot {
        &self.state
    }

    /// Waits for something new; the first is the present state. It goes on for ever: an ended run
    /// may be reopened. May be dropped and called again: nothing is lost.
    ///
    /// A connection that is lost is waited for.
    ///
    /// # Errors
    /// [`ClientError`] when waiting is of no use: we are not let in any more, or events were lost
    /// for good, or the run was removed, which the update before this said.
    pub async fn next(&mut self) -> Result<Update, ClientError> {
        loop {
            if self.state.is_removed() && !self.is_news {
                return Err(self.client.unknown(&self.run_id));
            }
            self.be_connected().await?;
            self.be_complete().await?;
            self.look_for_telemetry().await?;
            if std::mem::take(&mut self.is_news) {
                return Ok(Update { envelope: None, state: self.state.clone() });
            }
            let Some(event) = self.event().await? else { continue };
            let tick = self.state.telemetry.tick;
            match self.state.apply(&event) {
                Applied::Taken => {
                    self.ticks.hear(tick, self.state.telemetry.tick, &event);
                    return Ok(Update { envelope: Some(event), state: self.state.clone() });
                }
                Applied::Old | Applied::Other => {}
                Applied::Gap { .. } => (self.next, self.is_behind) = (Some(event), true),
            }
        }
    }

    /// The next event, or none if there was something else than one.
    async fn event(&mut self) -> Result<Option<Value>, ClientError> {
        if let Some(event) = self.next.take() {
            return Ok(Some(event));
        }
        let Some(subscription) = &mut self.subscription else { return Ok(None) };
        let heard = match self.ticks.due() {
            Some(look_at) => match timeout_at(look_at, subscription.next()).await {
                Ok(heard) => heard,
                Err(_) => return Ok(None),
            },
            None => subscription.next().await,
        };
        match heard {
            // Whoever else speaks at a run's addresses is not believed, but does no harm.
            Ok(Heard::Message(body)) => Ok(serde_json::from_slice(&body).ok()),
            Ok(Heard::Missed(_)) => {
                self.is_behind = true;
                Ok(None)
            }
            Err(error) if may_pass(&error) => {
                self.subscription = None;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn be_connected(&mut self) -> Result<(), ClientError> {
        let mut attempt = 1;
        while self.subscription.is_none() {
            attempt += 1;
            sleep(retry_delay(attempt, std::process::id())).await;
            match subscribe(&self.client, &self.run_id).await {
                Ok(subscription) => {
                    (self.subscription, self.is_behind) = (Some(subscription), true);
                    // What waits may be older than what was missed; the state tells it all.
                    self.next = None;
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the state until it reaches up to the next event.
    async fn be_complete(&mut self) -> Result<(), ClientError> {
        let seq_of_next = self.next.as_ref().and_then(|event| event.get("seq")).and_then(Value::as_u64);
        let needed = seq_of_next.map_or(self.state.told.seq, |seq| seq.saturating_sub(1));
        let (run_id, known) = (self.run_id.clone(), self.state.told.seq);
        let mut looks = Looks { run_id, known, needed, too_old: 0 };
        while self.is_behind {
            let read = self.client.state(&self.run_id).await;
            if let Some(state) = looks.take(read.map(|state| (state.told.seq, state)))? {
                self.ticks.begin_anew(self.state.telemetry.tick, state.telemetry.tick);
                (self.state, self.is_behind, self.is_news) = (state, false, true);
                return Ok(());
            }
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// Reads telemetry that was left out from the state, if it is time for that.
    async fn look_for_telemetry(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.ticks.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.ticks.look(now);
        match self.client.state(&self.run_id).await {
            Ok(read) => {
                if let Some(state) = self.ticks.complete(&self.state, read) {
                    self.is_news |= state != self.state;
                    self.state = state;
                }
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

async fn subscribe(client: &Client, run_id: &RunId) -> Result<Subscription, ClientError> {
    Ok(client.remote.subscribe(vec![subject::all_of_run(&client.namespace, run_id)]).await?)
}
