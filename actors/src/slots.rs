//! What is said of runs and may be lost, on its way to a server: the newest of each address, never
//! a queue. Whoever says something never waits; while the server is away its older words are
//! overwritten.

use crate::clock;
use crate::outgoing::Outgoing;
use crate::recent::Recent;
use resus_bus::transport::Message;
use resus_core::ids::RunId;
use resus_core::telemetry::coalescer::METRICS_MAX;
use resus_core::telemetry::refresh::Refresh;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Addresses with a word that waits. More than a node's budget sends in ten seconds; beyond it
/// the oldest is given up.
const ADDRESSES_MAX: usize = 2_048;

#[derive(Default)]
struct Waiting {
    /// By address, with the number of the newest word.
    newest: BTreeMap<Arc<str>, (u64, Message)>,
    number: u64,
    recent: Recent,
    refresh: Refresh,
    lost: u64,
}

/// Words that wait for a server.
#[derive(Default)]
pub(crate) struct Slots {
    /// Whether there is a server that they could wait for.
    wanted: AtomicBool,
    waiting: Mutex<Waiting>,
    woken: Notify,
}

impl Slots {
    /// From now on somebody reads them.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is said of a run.
    pub(crate) fn put(&self, run_id: &RunId, message: Message) {
        if !self.wanted.load(Relaxed) {
            return;
        }
        let mut waiting = self.lock();
        waiting.number += 1;
        let number = waiting.number;
        let subject = Arc::clone(&message.subject);
        let message = match waiting.newest.remove(&subject) {
            Some((_, older)) => merged(&older, message),
            None => message,
        };
        waiting.newest.insert(subject, (number, message));
        if waiting.newest.len() > ADDRESSES_MAX {
            let oldest = waiting.newest.iter().min_by_key(|(_, (number, _))| *number);
            if let Some(oldest) = oldest.map(|(subject, _)| Arc::clone(subject)) {
                waiting.newest.remove(&oldest);
                waiting.lost += 1;
            }
        }
        waiting.refresh.changed(run_id);
        drop(waiting);
        self.woken.notify_one();
    }

    /// The state of a run has changed.
    pub(crate) fn changed(&self, run_id: &RunId) {
        if self.wanted.load(Relaxed) {
            self.lock().refresh.changed(run_id);
            self.woken.notify_one();
        }
    }

    /// There is something new in the ledger.
    pub(crate) fn advanced(&self) {
        self.woken.notify_one();
    }

    /// An event of the ledger has been published within the process; the row before it was at
    /// `after`. It need not be read from the ledger again by one who is there.
    pub(crate) fn offer(&self, after: u64, pos: u64, event: Option<Outgoing>) {
        if self.wanted.load(Relaxed) {
            self.lock().recent.offer(after, pos, event);
        }
    }

    /// Events behind `after`, if these are the newest, and the position of the last of them.
    pub(crate) fn take_recent(&self, after: u64) -> Option<(Vec<(u64, Outgoing)>, u64)> {
        self.lock().recent.take(after)
    }

    /// All that waits, in the order of their newest words: the ticks of a run only grow.
    pub(crate) fn take(&self) -> Vec<Message> {
        let mut all: Vec<_> = std::mem::take(&mut self.lock().newest).into_values().collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, message)| message).collect()
    }

    /// The run whose state is to be told now, if one is due.
    pub(crate) fn take_changed(&self) -> Option<RunId> {
        self.lock().refresh.take(clock::now().mono_ms)
    }

    /// When the next one is due, in milliseconds of the monotonic clock.
    pub(crate) fn next_changed(&self) -> Option<u64> {
        self.lock().refresh.next_due()
    }

    /// Messages given up because too many waited.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Returns when there is something new.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// The newer of two messages of one address, with what it does not supersede of the older one:
/// names of metrics, and what a report of progress leaves out.
fn merged(older: &Message, newer: Message) -> Message {
    let read = |message: &Message| serde_json::from_str::<Value>(&message.body).ok();
    let (Some(older), Some(mut both)) = (read(older), read(&newer)) else { return newer };
    let same_attempt = older.get("attempt") == both.get("attempt");
    let payload = older.get("payload").and_then(Value::as_object);
    let (true, Some(older), Some(payload)) =
        (same_attempt, payload, both.get_mut("payload").and_then(Value::as_object_mut))
    else {
        return newer;
    };
    if let Some(metrics) = payload.get_mut("metrics").and_then(Value::as_object_mut) {
        for (name, value) in older.get("metrics").and_then(Value::as_object).into_iter().flatten() {
            if metrics.len() < METRICS_MAX && !metrics.contains_key(name) {
                metrics.insert(name.clone(), value.clone());
            }
        }
    } else {
        for field in ["loss", "stage", "current_target", "message"] {
            if let Some(value) = older.get(field).filter(|_| !payload.contains_key(field)) {
                payload.insert(field.to_owned(), value.clone());
            }
        }
    }
    Message { body: both.to_string().into(), ..newer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, body: &str) -> Message {
        Message { subject: subject.into(), id: None, body: body.into() }
    }

    #[test]
    fn the_newest_of_each_address_waits_and_no_more_than_there_is_room_for() {
        let (slots, run) = (Slots::default(), RunId::new("r").unwrap());
        slots.put(&run, message("a", "nobody reads this"));
        assert!(slots.take().is_empty(), "nobody reads them");
        slots.want();
        for body in ["1", "2"] {
            slots.put(&run, message("a", body));
            slots.put(&run, message("b", body));
        }
        assert_eq!(slots.take(), [message("a", "2"), message("b", "2")]);
        for (subject, body) in [("a", "1"), ("b", "2"), ("a", "3")] {
            slots.put(&run, message(subject, body));
        }
        assert_eq!(slots.take(), [message("b", "2"), message("a", "3")], "ticks grow");
        assert!(slots.take().is_empty());
        for n in 0..ADDRESSES_MAX + 5 {
            slots.put(&run, message(&n.to_string(), ""));
        }
        let kept = slots.take();
        assert_eq!((kept.len(), kept[0].subject.as_ref()), (ADDRESSES_MAX, "5"));
        assert_eq!(slots.lost(), 5);
        assert_eq!(slots.take_changed(), Some(run));
    }

    #[test]
    fn what_is_overwritten_lives_on_where_it_is_not_superseded() {
        let body =
            |attempt, payload: Value| serde_json::json!({"attempt": attempt, "payload": payload}).to_string();
        let of = |older: Value, newer: Value| {
            let both = merged(&message("s", &body(1, older)), message("s", &body(1, newer)));
            serde_json::from_str::<Value>(&both.body).unwrap()["payload"].clone()
        };
        let json = |text| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            of(json(r#"{"metrics":{"a":1,"b":1}}"#), json(r#"{"metrics":{"b":2}}"#)),
            json(r#"{"metrics":{"a":1,"b":2}}"#)
        );
        assert_eq!(
            of(json(r#"{"step":1,"loss":0.5}"#), json(r#"{"step":2}"#)),
            json(r#"{"step":2,"loss":0.5}"#)
        );
        let other =
            merged(&message("s", &body(1, json(r#"{"loss":1}"#))), message("s", &body(2, json("{}"))));
        assert_eq!(other.body.as_ref(), body(2, json("{}")), "another attempt begins anew");
    }
}
