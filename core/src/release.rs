//! What has to wait until the events it follows from are on disk.

use std::collections::VecDeque;

/// Consequences waiting for their batch to be committed, in the order of the batches. A batch
/// is what was handed to the store at once; tickets grow by one per batch.
#[derive(Debug)]
pub struct Held<T> {
    issued: u64,
    settled: u64,
    queue: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: u64,
    /// It is what the batch leads to; otherwise it only must not overtake the batch.
    own: bool,
    consequences: T,
}

impl<T> Held<T> {
    /// Tickets begin just above `base`; two holders with different bases never mix them up.
    #[must_use]
    pub fn new(base: u64) -> Self {
        Self { issued: base, settled: base, queue: VecDeque::new() }
    }

    /// Takes the consequences of a new batch and returns the batch's ticket.
    pub fn hold(&mut self, consequences: T) -> u64 {
        self.issued = self.issued.saturating_add(1);
        self.queue.push_back(Waiting { ticket: self.issued, own: true, consequences });
        self.issued
    }

    /// Takes consequences that wrote nothing. They still must not overtake what was decided
    /// before: handed back at once if everything before is settled, else held.
    pub fn hold_behind(&mut self, consequences: T) -> Option<T> {
        if self.settled >= self.issued {
            return Some(consequences);
        }
        self.queue.push_back(Waiting { ticket: self.issued, own: false, consequences });
        None
    }

    /// Every batch up to `ticket` is on disk: returns their consequences in order. Tickets of
    /// another holder (below the base) release nothing.
    pub fn release(&mut self, ticket: u64) -> Vec<T> {
        self.settled = self.settled.max(ticket.min(self.issued));
        let mut released = Vec::new();
        while self.queue.front().is_some_and(|waiting| waiting.ticket <= self.settled) {
            released.extend(self.queue.pop_front().map(|waiting| waiting.consequences));
        }
        released
    }

    /// Batch `ticket` will never be on disk; the store tells so in the order of the batches.
    /// Returns its own consequences, which must not happen, and after them those that may go
    /// now: what was only held behind it.
    pub fn discard(&mut self, ticket: u64) -> (Vec<T>, Vec<T>) {
        let mut gone = Vec::new();
        if let Some(place) = self.queue.iter().position(|waiting| waiting.own && waiting.ticket == ticket) {
            gone.extend(self.queue.remove(place).map(|waiting| waiting.consequences));
        }
        (gone, self.release(ticket))
    }

    /// Batches and what waits behind them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequences_come_out_in_order_and_not_before_their_commit() {
        let mut held = Held::new(10);
        let tickets = [held.hold("a"), held.hold("b"), held.hold("c")];
        assert_eq!(tickets, [11, 12, 13]);
        assert!(held.release(10).is_empty());
        assert_eq!(held.release(12), ["a", "b"]);
        assert_eq!((held.waiting(), held.release(13)), (1, vec!["c"]));
    }

    #[test]
    fn what_wrote_nothing_does_not_overtake() {
        let mut held = Held::new(0);
        assert_eq!(held.hold_behind("free"), Some("free"));
        let ticket = held.hold("a");
        assert_eq!(held.hold_behind("behind"), None);
        assert_eq!(held.release(ticket), ["a", "behind"]);
    }

    #[test]
    fn a_batch_that_failed_takes_only_its_own_along() {
        let mut held = Held::new(0);
        let first = held.hold("a");
        assert_eq!(held.hold_behind("behind"), None);
        let second = held.hold("b");
        assert_eq!(held.discard(first), (vec!["a"], vec!["behind"]));
        assert_eq!(held.release(second), ["b"]);
        let last = held.hold("c");
        assert_eq!(held.discard(last), (vec!["c"], vec![]));
        assert_eq!(held.hold_behind("at once"), Some("at once"), "nothing is waited for any more");
    }
}
