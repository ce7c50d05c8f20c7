//! The states of runs, for those who come late.

use super::speaker::{Speaker, failed};
use crate::outgoing::Outgoing;
use resus_bus::nats::NatsError;
use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::RunId;
use std::collections::BTreeMap;

/// States put at once after a connection.
const STATES_AT_ONCE: usize = 256;

impl Speaker<'_> {
    /// The present state of every run, after a connection.
    pub(super) async fn put_states(&mut self) -> Result<(), NatsError> {
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
    pub(super) fn state_of(&mut self, run_id: &RunId) -> Option<Message> {
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

    pub(super) async fn put_states_of(&mut self, events: &[(u64, Outgoing)]) -> Result<(), NatsError> {
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
}
