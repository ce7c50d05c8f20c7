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
use resus_bus::nats::{LedgerError, NatsError, Sent, Session};
use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::outbox::{Oldest, Present};
use resus_core::pulse::state::TelemetryPlace;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the stream is compared with the mark while nothing happens, in milliseconds.
const CHECK_INTERVAL_MS: u64 = 10_000;
/// How often the machine says that it is there, in milliseconds.
const BEAT_INTERVAL_MS: u64 = 10_000;
/// Headers and the address of a message have room in this.
const HEAD_BYTES: usize = 1_024;

/// A page of events that has been sent.
pub(super) struct UnderWay {
    pub(super) events: Vec<(u64, Outgoing)>,
    pub(super) last_pos: u64,
    pub(super) sent: Sent,
}

/// How a state was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    /// The server may not have it.
    AndForgotten,
    /// The server has acknowledged it.
    AndHeard,
}

/// What was told of a run's state: it is not told twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) attempt: Attempt,
    pub(super) seq: u64,
    pub(super) place: Option<TelemetryPlace>,
    pub(super) said: Said,
}

/// Says everything in one session.
pub(super) struct Speaker<'s> {
    pub(super) inner: Arc<Inner>,
    pub(super) link: Arc<Link>,
    pub(super) session: &'s Session,
    pub(super) namespace: Slug,
    pub(super) pages: Pages,
    pub(super) kept: Kept,
    pub(super) node: Node,
    /// The server has the ledger up to here.
    pub(super) pos: u64,
    /// What has been sent to it, up to here.
    pub(super) sent_pos: u64,
    /// A page whose acknowledgements are on their way.
    pub(super) under_way: Option<UnderWay>,
    /// Events behind `pos` that it has nevertheless.
    pub(super) present: Present,
    /// Up to here events may be among those, so that the mark does not move yet: a session that
    /// began behind it would not find them.
    pub(super) hold_until: u64,
    /// The stream as it was when this session looked at it last.
    pub(super) stream_created: String,
    pub(super) oldest: Oldest,
    pub(super) told: BTreeMap<RunId, Told>,
    pub(super) next_check_ms: u64,
    pub(super) next_beat_ms: u64,
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
            sent_pos: 0,
            under_way: None,
            hold_until: 0,
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
            let more = self.say_page().await?;
            self.look_after().await?;
            if more {
                continue;
            }
            let wait_ms = self.next_turn_ms().saturating_sub(clock::now().mono_ms);
            tokio::select! {
                () = self.inner.slots.woken() => {}
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            }
        }
    }

    /// What is left of the ledger, and that this daemon ends.
    pub(super) async fn last_words(&mut self) {
        // What was interrupted is sent again; the server knows what it has.
        (self.under_way, self.sent_pos) = (None, self.pos);
        let saying = async {
            self.say_what_may_be_lost().await?;
            while self.say_page().await? {}
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

    pub(super) async fn say_of_node(
        &mut self,
        what: &str,
        payload: serde_json::Value,
    ) -> Result<(), NatsError> {
        let message = self.node.message(what, clock::now().unix_ms, payload);
        let batch = self.session.publish_ledger(&[message]).await;
        batch.stopped.map_or(Ok(()), |error| Err(failed(&error)))
    }

    /// Largest content of a message.
    pub(super) fn largest(&self) -> usize {
        self.session.server().max_payload.saturating_sub(HEAD_BYTES)
    }

    /// Telemetry, and states and v1 snapshots of runs whose turn it is; each state before the
    /// telemetry that changed it, as far as the budget allows.
    async fn say_what_may_be_lost(&mut self) -> Result<(), NatsError> {
        while let Some(run_id) = self.inner.slots.take_changed() {
            if self.session.keeps_states()
                && let Some(state) = self.state_of(&run_id, Said::AndForgotten)
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

    fn next_turn_ms(&self) -> u64 {
        let own = self.next_beat_ms.min(self.next_check_ms);
        let others = [self.inner.slots.next_changed(), self.kept.due()];
        others.into_iter().flatten().fold(own, u64::min)
    }
}

pub(super) fn failed(error: &LedgerError) -> NatsError {
    NatsError::Failed(error.to_string())
}
