//! The events of the ledger, and the mark that follows their acknowledgements.

use super::speaker::{Speaker, UnderWay, failed};
use crate::clock;
use crate::outgoing::Outgoing;
use resus_bus::nats::{NatsError, Stored};
use resus_bus::transport::Message;
use resus_core::outbox::{Mark, Present};
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;

impl Speaker<'_> {
    /// Events of the ledger that the server does not have, a page of them. Whether there are more:
    /// what may be lost does not wait for all of a long backlog.
    ///
    /// While there are, the next page is on its way when the acknowledgements of this one come.
    pub(super) async fn say_page(&mut self) -> Result<bool, NatsError> {
        let published = self.inner.published.load(Relaxed);
        if self.sent_pos >= published {
            return self.hear_acknowledgements().await.map(|()| false);
        }
        let (events, last_pos, more) = match self.inner.slots.take_recent(self.sent_pos) {
            Some((events, last_pos)) => (events, last_pos, false),
            None => {
                let page = self.pages.after(self.sent_pos).await.map_err(NatsError::Failed)?;
                (page.events, page.last_pos, page.is_full)
            }
        };
        let is_missing =
            |(_, event): &(u64, Outgoing)| self.present.is_empty() || !self.present.contains(&event.event_id);
        let events: Vec<_> = events.into_iter().filter(is_missing).collect();
        self.put_states_of(&events).await?;
        let max = self.largest();
        let messages: Vec<_> = events.iter().map(|(_, event)| fitting(event, max)).collect();
        let sent = self.session.send_ledger(&messages).await;
        self.sent_pos = last_pos;
        let before = self.under_way.replace(UnderWay { events, last_pos, sent });
        if let Some(before) = before {
            self.take_in(before).await?;
        }
        if !more {
            self.hear_acknowledgements().await?;
        }
        Ok(more)
    }

    async fn hear_acknowledgements(&mut self) -> Result<(), NatsError> {
        match self.under_way.take() {
            Some(under_way) => self.take_in(under_way).await,
            None => Ok(()),
        }
    }

    /// Moves the mark behind what has been acknowledged.
    async fn take_in(&mut self, under_way: UnderWay) -> Result<(), NatsError> {
        let UnderWay { events, last_pos, sent } = under_way;
        let batch = self.session.acknowledged(sent).await;
        let mut stored = batch.stored;
        // After a purge a server may take for a duplicate what it no longer has.
        let lost = |stored: &Stored| stored.duplicate && stored.stream_seq < self.oldest.stream_seq;
        let forgotten = stored.iter().position(lost);
        stored.truncate(forgotten.unwrap_or(stored.len()));
        let newest = stored.len().checked_sub(1).and_then(|at| events.get(at).zip(stored.get(at)));
        if let Some(((pos, event), stored)) = newest
            && *pos >= self.hold_until
        {
            self.put_mark(*pos, event.event_id.to_string(), stored.stream_seq);
        }
        for (_, event) in &events {
            self.inner.slots.changed(&event.run_id);
        }
        match batch.stopped {
            Some(error) => return Err(failed(&error)),
            None if forgotten.is_some() => {
                let what = "the server takes events that it has lost for duplicates; this ends by itself";
                return Err(NatsError::Failed(what.to_owned()));
            }
            None => {}
        }
        self.pos = last_pos;
        if self.pos >= self.hold_until {
            self.present = Present::default();
        }
        self.inner.bus_status.acknowledged(self.pos);
        Ok(())
    }

    pub(super) fn put_mark(&mut self, pos: u64, event_id: String, stream_seq: u64) {
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
    use resus_core::ids::{Attempt, RunId};

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
