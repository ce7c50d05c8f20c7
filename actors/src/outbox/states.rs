//! The states of runs, for those who come late.

use super::speaker::{Said, Speaker, Told, failed};
use crate::outgoing::Outgoing;
use resus_bus::nats::{LedgerError, NatsError};
use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::{Attempt, RunId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// States put at once after a connection.
const STATES_AT_ONCE: usize = 256;
/// The board shows an event when it is on disk, a moment before or after it is published here. A
/// Supervisor that is being restarted takes longer, and must not hold up the others' events.
const BOARD_DEADLINE: Duration = Duration::from_secs(2);

impl Speaker<'_> {
    /// The present state of every run, after a connection.
    pub(super) async fn put_states(&mut self) -> Result<(), NatsError> {
        let runs = self.inner.board.run_ids();
        for runs in runs.chunks(STATES_AT_ONCE) {
            self.put(runs).await?;
            for run_id in runs {
                self.inner.slots.changed(run_id);
            }
        }
        Ok(())
    }

    /// Puts the states of these runs; returns when the server has them. States are a cache: one
    /// that the server refuses keeps no event back.
    async fn put(&mut self, runs: &[RunId]) -> Result<(), NatsError> {
        if !self.session.keeps_states() {
            return Ok(());
        }
        let states: Vec<_> = runs.iter().filter_map(|run_id| self.state_of(run_id, Said::AndHeard)).collect();
        match self.session.put(&states).await {
            Ok(()) => Ok(()),
            Err(LedgerError::Refused(reason)) => {
                let what = format!("the server refuses the states of runs: {reason}");
                self.inner.bus_status.alarm("BUS_STATES_REFUSED", what);
                Ok(())
            }
            Err(error @ (LedgerError::NoStream | LedgerError::Unacknowledged(_))) => Err(failed(&error)),
        }
    }

    /// A run's state as a message, unless it has been told already.
    pub(super) fn state_of(&mut self, run_id: &RunId, said: Said) -> Option<Message> {
        let place = self.inner.telemetry.place(run_id);
        let state = self.inner.board.state(run_id, place)?;
        let told = Told { attempt: state.told.attempt, seq: state.told.seq, place, said };
        let before = self.told.insert(run_id.clone(), told);
        if before.is_some_and(|before| Told { said, ..before } == told && before.said >= said) {
            self.told.extend(before.map(|before| (run_id.clone(), before)));
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

    /// The states that these events lead to, before they go out.
    pub(super) async fn put_states_of(&mut self, events: &[(u64, Outgoing)]) -> Result<(), NatsError> {
        // A run whose newest event in this batch was in the state that was put last has no news.
        let newest: BTreeMap<_, _> =
            events.iter().map(|(_, event)| (&event.run_id, (event.attempt, event.seq))).collect();
        let has_news = |(run_id, newest): &(&RunId, (Attempt, u64))| {
            let told = self.told.get(*run_id).filter(|told| told.said == Said::AndHeard);
            told.is_none_or(|told| (told.attempt, told.seq) < *newest)
        };
        let news: Vec<_> = newest.into_iter().filter(has_news).collect();
        let deadline = Instant::now() + BOARD_DEADLINE;
        for (run_id, (_, seq)) in &news {
            if timeout_at(deadline, self.inner.board.has(run_id, *seq)).await.is_err() {
                tracing::warn!(%run_id, seq, "an event goes out before the board shows it");
            }
        }
        let runs: Vec<_> = news.into_iter().map(|(run_id, _)| run_id.clone()).collect();
        self.put(&runs).await?;
        self.forget_removed(&runs).await
    }

    /// Purges the states of those runs that were removed, before the event that says so goes out. A
    /// mark behind that event means that this was done; until then it is done again.
    async fn forget_removed(&mut self, runs: &[RunId]) -> Result<(), NatsError> {
        if !self.session.keeps_states() {
            return Ok(());
        }
        for run_id in runs {
            let Some(tombstone) = self.inner.board.tombstone(run_id) else { continue };
            self.told.remove(run_id);
            let subject = subject::state(&self.namespace, &tombstone.workload, run_id);
            match self.session.purge_state(&subject).await {
                Ok(()) => {}
                Err(LedgerError::Refused(reason)) => {
                    tracing::warn!(%run_id, reason, "the server keeps the state of a run that was removed");
                }
                Err(error @ (LedgerError::NoStream | LedgerError::Unacknowledged(_))) => {
                    return Err(failed(&error));
                }
            }
        }
        Ok(())
    }
}
