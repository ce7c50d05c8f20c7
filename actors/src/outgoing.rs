//! From a row of the ledger to a message on the bus.

use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_store::Row;
use resus_store::record::to_pulse_text;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// An event on its way out, and what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) seq: u64,
    pub(crate) event_id: Arc<str>,
    pub(crate) message: Message,
}

/// What of an envelope makes its address.
#[derive(Deserialize)]
struct Head<'a> {
    event_type: EventType,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    workload: Slug,
}

/// The message of a row. One that can't be read as an event is told in the log and left out.
pub(crate) fn outgoing(namespace: &Slug, row: &Row) -> Option<Outgoing> {
    let text = to_pulse_text(row)
        .inspect_err(|error| tracing::error!(%error, "an event can't be published"))
        .ok()?;
    let head: Head<'_> = serde_json::from_str(text)
        .inspect_err(|error| {
            tracing::error!(run_id = row.run_id, seq = row.seq, %error, "an event can't be published");
        })
        .ok()?;
    let run_id = RunId::new(row.run_id.clone()).ok()?;
    let event_id: Arc<str> = head.event_id.into();
    let message = Message {
        subject: subject::event(namespace, &head.workload, &run_id, head.event_type).into(),
        id: Some(Arc::clone(&event_id)),
        body: text.into(),
    };
    Some(Outgoing { run_id, attempt: Attempt(row.attempt), seq: row.seq, event_id, message })
}
