//! What is said of runs and may be lost, on its way to a server: the newest of each address, never
//! a queue. Whoever says something never waits; while the server is away its older words are
//! overwritten.

use crate::clock;
use resus_bus::transport::Message;
use resus_core::ids::RunId;
use resus_core::telemetry::refresh::Refresh;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Addresses with a word that waits. More than a node's budget sends in ten seconds; beyond it
/// the oldest is given up.
const ADDRESSES_MAX: usize = 2_048;

#[derive(Default)]
struct Waiting {
    newest: BTreeMap<Arc<str>, Message>,
    order: VecDeque<Arc<str>>,
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
        let subject = Arc::clone(&message.subject);
        if waiting.newest.insert(Arc::clone(&subject), message).is_none() {
            waiting.order.push_back(subject);
        }
        if waiting.order.len() > ADDRESSES_MAX
            && let Some(oldest) = waiting.order.pop_front()
        {
            waiting.newest.remove(&oldest);
            waiting.lost += 1;
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

    /// All that waits, in the order in which it began to.
    pub(crate) fn take(&self) -> Vec<Message> {
        let mut waiting = self.lock();
        let order = std::mem::take(&mut waiting.order);
        order.iter().filter_map(|subject| waiting.newest.remove(subject)).collect()
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
        assert!(slots.take().is_empty());
        for n in 0..ADDRESSES_MAX + 5 {
            slots.put(&run, message(&n.to_string(), ""));
        }
        let kept = slots.take();
        assert_eq!((kept.len(), kept[0].subject.as_ref()), (ADDRESSES_MAX, "5"));
        assert_eq!(slots.lost(), 5);
        assert_eq!(slots.take_changed(), Some(run));
    }
}
