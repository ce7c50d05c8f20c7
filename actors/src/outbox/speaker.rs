//! What is said in one session, and in which order.
//!
//! The state of a run is put before the event that changed it goes out: whoever subscribes first
//! and reads the state then has missed nothing. What may be lost goes out before the events of the
//! ledger that came after it.

use super::mark::Kept;
use super::node::Node;
use super::pages::Pages;
use crate::clock;
use crate::door::Inner;
use crate::outgoing::Outgoing;
use resus_bus::link::Link;
use resus_bus::nats::{LedgerError, NatsError, Session, Stored};
use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::outbox::{Loss, Mark, Oldest, Present, Verdict, judge};
use resus_core::pulse::state::TelemetryPlace;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often the stream is compared with the mark while nothing happens, in milliseconds.
const CHECK_INTERVAL_MS: u64 = 10_000;
/// How often the machine says that it is there, in milliseconds.
const BEAT_INTERVAL_MS: u64 = 10_000;
/// States put at once after a connection.
const STATES_AT_ONCE: usize = 256;
/// Headers and the address of a message have room in this.
const HEAD_BYTES: usize = 1_024;

/// What was told of a run's state: it is not told twice.
type Told = (Attempt, u64, Option<TelemetryPlace>);

/// Says everything in one session.
pub(super) struct Speaker<'s> {
    inner: Arc<Inner>,
    link: Arc<Link>,
    session: &'s Session,
    namespace: Slug,
    pages: Pages,
    kept: Kept,
    node: Node,
    /// The server has the ledger up to here.
    pos: u64,
    /// Events behind `pos` that it has nevertheless.
    present: Present,
    /// The stream as it was when this session looked at it last.
    stream_created: String,
    oldest: Oldest,
    told: BTreeMap<RunId, Told>,
    next_check_ms: u64,
    next_beat_ms: u64,
}

impl<'s> Speaker<'s> {
    pub(super) fn new(inner: Arc<Inner>, link: Arc<Link>, session: &'s Session) -> Self {
        let namespace = inner.bus_setup.namespace.clone();
        let now_ms = clock::now().mono_ms;
        Self {
            pages: Pages::new(inner.state.ledger(), namespace.clone()),
            kept: Kept::load(inner.state.bus_mark()),
            node: Node::new(namespace.clone(), inner.node.clone(), inner.generation),
            link,
            session,
            namespace,
            pos: 0,
            present: Present::default(),
            stream_created: String::new(),
            oldest: Oldest::default(),
            told: BTreeMap::new(),
            next_check_ms: now_ms + CHECK_INTERVAL_MS,
            next_beat_ms: now_ms,
            inner,
        }
    }

    /// Says what there is to say until something keeps it from going on.
    pub(super) async fn speak(&mut self) -> NatsError {
        match self.go_on().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn go_on(&mut self) -> Result<std::convert::Infallible, NatsError> {
        self.settle().await?;
        self.put_states().await?;
        // Not before it is known what waits.
        self.inner.bus_status.connected(&self.link, self.session.server());
        self.say_of_node("joined", json!({ "version": self.inner.version })).await?;
        loop {
            self.say_what_may_be_lost().await?;
            self.say_ledger().await?;
            self.look_after().await?;
            let wait_ms = self.next_turn_ms().saturating_sub(clock::now().mono_ms);
            tokio::select! {
                () = self.inner.slots.woken() => {}
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            }
        }
    }

    /// What is left of the ledger, and that this daemon ends.
    pub(super) async fn last_words(&mut self) {
        let saying = async {
            self.say_what_may_be_lost().await?;
            self.say_ledger().await?;
            self.say_of_node("left", json!({})).await?;
            self.session.barrier().await
        };
        if let Err(error) = saying.await {
            tracing::warn!(%error, "not everything could be said at the end");
        }
    }

    /// Writes down how far it has come.
    pub(super) fn save(&mut self) {
        self.kept.save();
    }

    /// Finds out what the server has.
    async fn settle(&mut self) -> Result<(), NatsError> {
        let link = self.link.to_string();
        let now_unix_ms = clock::now().unix_ms;
        let Some(facts) = self.session.ledger_facts(self.kept.get(), now_unix_ms).await? else {
            // A server that keeps nothing needs no history; what came while it was away it gets.
            let known = self.kept.get().filter(|mark| mark.link == link).map(|mark| mark.pos);
            self.pos = known.unwrap_or_else(|| self.inner.board.ledger_pos());
            self.inner.bus_status.acknowledged(self.pos);
            return Ok(());
        };
        let verdict = judge(self.kept.get(), &link, &facts, now_unix_ms);
        self.stream_created.clone_from(&facts.created);
        self.oldest = facts.oldest;
        let behind = match verdict {
            Verdict::GoOn { pos, stream_seq } => {
                self.pos = pos;
                stream_seq
            }
            Verdict::Anew { loss } => {
                if let Some(loss) = loss {
                    self.tell_loss(loss).await?;
                }
                self.begin_anew();
                0
            }
        };
        self.inner.bus_status.acknowledged(self.pos);
        self.present = self.session.ledger_has(&self.namespace, behind).await?;
        Ok(())
    }

    /// From the beginning of the ledger, with a mark in this stream.
    fn begin_anew(&mut self) {
        self.pos = 0;
        self.put_mark(0, String::new(), 0);
    }

    async fn tell_loss(&mut self, loss: Loss) -> Result<(), NatsError> {
        let what = format!("{}; its events are being sent again from the ledger", loss.as_str());
        self.inner.bus_status.alarm("BUS_DATA_LOST", what.clone());
        if let Err(error) = self.session.forget_duplicates().await {
            tracing::warn!(%error, "the server may take events for duplicates for two minutes");
        }
        self.say_of_node("alarm", json!({ "code": "BUS_DATA_LOST", "message": what })).await
    }

    async fn say_of_node(&mut self, what: &str, payload: serde_json::Value) -> Result<(), NatsError> {
        let message = self.node.message(what, clock::now().unix_ms, payload);
        let batch = self.session.publish_ledger(&[message]).await;
        batch.stopped.map_or(Ok(()), |error| Err(failed(&error)))
    }

    /// The present state of every run, after a connection.
    async fn put_states(&mut self) -> Result<(), NatsError> {
        let runs = self.inner.board.run_ids();
        for runs in runs.chunks(STATES_AT_ONCE) {
            let states: Vec<_> = runs.iter().filter_map(|run_id| self.state_of(run_id)).collect();
            if self.session.keeps_states() {
                self.session.put(&states).await.map_err(|error| failed(&error))?;
            }
            for run_id in runs {
                self.inner.slots.changed(run_id);
            }
        }
        Ok(())
    }

    /// A run's state as a message, unless it has been told already.
    fn state_of(&mut self, run_id: &RunId) -> Option<Message> {
        let place = self.inner.telemetry.place(run_id);
        let state = self.inner.board.state(run_id, place)?;
        let told = (state.told.attempt, state.told.seq, place);
        if self.told.insert(run_id.clone(), told) == Some(told) {
            return None;
        }
        let body = serde_json::to_string(&state)
            .inspect_err(|error| tracing::error!(%run_id, %error, "a state can't be written as JSON"))
            .ok()?;
        let max = self.largest();
        if body.len() > max {
            tracing::warn!(%run_id, bytes = body.len(), max, "the state of a run is larger than the server takes");
            return None;
        }
        let subject = subject::state(&self.namespace, &state.workload, run_id).into();
        Some(Message { subject, id: None, body: body.into() })
    }

    /// Largest content of a message.
    fn largest(&self) -> usize {
        self.session.server().max_payload.saturating_sub(HEAD_BYTES)
    }

    /// Telemetry, and states and v1 snapshots of runs whose turn it is; each state before the
    /// telemetry that changed it, as far as the budget allows.
    async fn say_what_may_be_lost(&mut self) -> Result<(), NatsError> {
        while let Some(run_id) = self.inner.slots.take_changed() {
            if self.session.keeps_states()
                && let Some(state) = self.state_of(&run_id)
            {
                self.session.tell(&state).await?;
            }
            if let Some((workload, snapshot)) = self.inner.board.snapshot_v1(&run_id) {
                let body = String::from_utf8_lossy(&snapshot.to_bytes()).into_owned();
                let subject = subject::snapshot_v1(&self.namespace, &workload, &run_id).into();
                self.session.tell(&Message { subject, id: None, body: body.into() }).await?;
            }
        }
        for message in self.inner.slots.take() {
            if message.body.len() <= self.largest() {
                self.session.tell(&message).await?;
            }
        }
        Ok(())
    }

    /// All events of the ledger that the server does not have.
    async fn say_ledger(&mut self) -> Result<(), NatsError> {
        while self.pos < self.inner.published.load(Relaxed) {
            let page = self.pages.after(self.pos).await.map_err(NatsError::Failed)?;
            if page.last_pos == self.pos {
                break;
            }
            let events: Vec<_> = page
                .events
                .into_iter()
                .filter(|(_, event)| self.present.is_empty() || !self.present.contains(&event.event_id))
                .collect();
            self.say(events).await?;
            self.pos = page.last_pos;
            self.inner.bus_status.acknowledged(self.pos);
        }
        Ok(())
    }

    async fn say(&mut self, events: Vec<(u64, Outgoing)>) -> Result<(), NatsError> {
        if events.is_empty() {
            return Ok(());
        }
        self.put_states_of(&events).await?;
        let max = self.largest();
        let messages: Vec<_> = events.iter().map(|(_, event)| fitting(event, max)).collect();
        let batch = self.session.publish_ledger(&messages).await;
        let mut stored = batch.stored;
        // After a purge a server may take for a duplicate what it no longer has.
        let lost = |stored: &Stored| stored.duplicate && stored.stream_seq < self.oldest.stream_seq;
        let forgotten = stored.iter().position(lost);
        stored.truncate(forgotten.unwrap_or(stored.len()));
        let newest = stored.len().checked_sub(1).and_then(|at| events.get(at).zip(stored.get(at)));
        if let Some(((pos, event), stored)) = newest {
            self.put_mark(*pos, event.event_id.to_string(), stored.stream_seq);
        }
        for (_, event) in &events {
            self.inner.slots.changed(&event.run_id);
        }
        match batch.stopped {
            Some(error) => Err(failed(&error)),
            None if forgotten.is_some() => {
                let what = "the server takes events that it has lost for duplicates; this ends by itself";
                Err(NatsError::Failed(what.to_owned()))
            }
            None => Ok(()),
        }
    }

    async fn put_states_of(&mut self, events: &[(u64, Outgoing)]) -> Result<(), NatsError> {
        if !self.session.keeps_states() {
            return Ok(());
        }
        // A run whose newest event in this batch was in the state that was put last has no news.
        let newest: BTreeMap<_, _> =
            events.iter().map(|(_, event)| (&event.run_id, (event.attempt, event.seq))).collect();
        let news = newest.into_iter().filter(|(run_id, (attempt, seq))| {
            self.told.get(*run_id).is_none_or(|told| (told.0, told.1) < (*attempt, *seq))
        });
        let runs: Vec<_> = news.map(|(run_id, _)| run_id.clone()).collect();
        let states: Vec<_> = runs.iter().filter_map(|run_id| self.state_of(run_id)).collect();
        self.session.put(&states).await.map_err(|error| failed(&error))
    }

    fn put_mark(&mut self, pos: u64, event_id: String, stream_seq: u64) {
        let now = clock::now();
        let mark = Mark {
            link: self.link.to_string(),
            stream_created: self.stream_created.clone(),
            pos,
            stream_seq,
            event_id,
            oldest: self.oldest,
        };
        self.kept.put(mark, now.mono_ms);
    }

    /// What is due from time to time.
    async fn look_after(&mut self) -> Result<(), NatsError> {
        let now = clock::now();
        if self.kept.due().is_some_and(|due| due <= now.mono_ms) {
            self.kept.save();
        }
        if now.mono_ms >= self.next_beat_ms {
            self.next_beat_ms = now.mono_ms + BEAT_INTERVAL_MS;
            let (runs_live, runs_total, _) = self.inner.board.counts();
            let payload = json!({
                "version": self.inner.version,
                "runs_live": runs_live,
                "runs_total": runs_total,
                "rss_bytes": self.inner.board.rss_bytes(),
            });
            let beat = self.node.message("heartbeat", now.unix_ms, payload);
            self.session.tell(&beat).await?;
            // Those who hear only v1 take a snapshot of long ago for a dead training.
            for (run_id, _) in self.inner.board.with_worker() {
                self.inner.slots.changed(&run_id);
            }
        }
        if now.mono_ms >= self.next_check_ms {
            self.next_check_ms = now.mono_ms + CHECK_INTERVAL_MS;
            self.check().await?;
        }
        Ok(())
    }

    /// Compares the stream with the mark. A stream that has lost something ends the session: the
    /// next one makes it anew and finds out what is missing.
    async fn check(&mut self) -> Result<(), NatsError> {
        let now = clock::now();
        let facts = self.session.ledger_facts(self.kept.get(), now.unix_ms).await?;
        let Some(facts) = facts else { return Ok(()) };
        match judge(self.kept.get(), &self.link.to_string(), &facts, now.unix_ms) {
            Verdict::GoOn { .. } | Verdict::Anew { loss: None } => {
                self.oldest = facts.oldest;
                if let Some(mark) = self.kept.get().filter(|mark| mark.oldest != facts.oldest) {
                    self.kept.put(Mark { oldest: facts.oldest, ..mark.clone() }, now.mono_ms);
                }
                Ok(())
            }
            Verdict::Anew { loss: Some(loss) } => Err(NatsError::Failed(loss.as_str().to_owned())),
        }
    }

    fn next_turn_ms(&self) -> u64 {
        let own = self.next_beat_ms.min(self.next_check_ms);
        let others = [self.inner.slots.next_changed(), self.kept.due()];
        others.into_iter().flatten().fold(own, u64::min)
    }
}

fn failed(error: &LedgerError) -> NatsError {
    NatsError::Failed(error.to_string())
}

/// The event as a message of at most `max` bytes. One that is larger goes out without its payload
/// (a gap would look like a loss); the whole of it is in the ledger, for whoever asks the daemon.
fn fitting(event: &Outgoing, max: usize) -> Message {
    let message = &event.message;
    if message.body.len() <= max {
        return message.clone();
    }
    let bytes = message.body.len();
    tracing::warn!(event_id = %event.event_id, bytes, max, "an event is larger than the server takes");
    let Ok(mut envelope) = serde_json::from_str::<serde_json::Value>(&message.body) else {
        return message.clone();
    };
    envelope["payload"] = json!({ "omitted_bytes": bytes });
    Message { body: envelope.to_string().into(), ..message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_too_large_keeps_its_place_without_its_payload() {
        let body =
            json!({"event_id": "r.1.7", "seq": 7, "payload": {"message": "x".repeat(5_000)}}).to_string();
        let event = Outgoing {
            run_id: RunId::new("r").unwrap(),
            attempt: Attempt(1),
            seq: 7,
            event_id: "r.1.7".into(),
            message: Message { subject: "s".into(), id: Some("r.1.7".into()), body: body.clone().into() },
        };
        assert_eq!(fitting(&event, body.len()), event.message);
        let short = fitting(&event, 1_000);
        let envelope: serde_json::Value = serde_json::from_str(&short.body).unwrap();
        assert_eq!((envelope["seq"].as_u64(), short.id.as_deref()), (Some(7), Some("r.1.7")));
        assert_eq!(envelope["payload"], json!({"omitted_bytes": body.len()}));
        assert!(short.body.len() < 1_000);
    }
}
