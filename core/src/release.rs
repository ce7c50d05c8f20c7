//! What has to wait until the events it follows from are on disk.

use std::collections::VecDeque;

/// Consequences waiting for their batch to be committed, in the order of the batches. A batch
/// is what was handed to the store at once; tickets grow by one per batch.
#[derive(Debug)]
pub struct Held<T> {
    issued: u64,
    committed: u64,
    queue: VecDeque<(u64, T)>,
}

impl<T> Held<T> {
    /// Tickets begin just above `base`; two holders with different bases never mix them up.
    #[must_use]
    pub fn new(base: u64) -> Self {
        Self { issued: base, committed: base, queue: VecDeque::new() }
    }

    /// Takes the consequences of a new batch and returns the batch's ticket.
    pub fn hold(&mut self, consequences: T) -> u64 {
        self.issued = self.issued.saturating_add(1);
        self.queue.push_back((self.issued, consequences));
        self.issued
    }

    /// Takes consequences that wrote nothing. They still must not overtake what was decided
    /// before: handed back at once if everything before is on disk, else held.
    pub fn hold_behind(&mut self, consequences: T) -> Option<T> {
        if self.committed >= self.issued {
            return Some(consequences);
        }
        self.queue.push_back((self.issued, consequences));
        None
    }

    /// Every batch up to `ticket` is on disk: returns their consequences in order. Tickets of
    /// another holder (below the base) release nothing.
    pub fn release(&mut self, ticket: u64) -> Vec<T> {
        self.committed = self.committed.max(ticket.min(self.issued));
        let mut released = Vec::new();
        while self.queue.front().is_some_and(|(held, _)| *held <= self.committed) {
            released.extend(self.queue.pop_front().map(|(_, consequences)| consequences));
        }
        released
    }

    /// Batch `ticket` will never be on disk: returns its consequences, which must not happen.
    pub fn discard(&mut self, ticket: u64) -> Vec<T> {
        let (gone, kept) = std::mem::take(&mut self.queue).into_iter().partition(|(held, _)| *held == ticket);
        self.queue = kept;
        let gone: VecDeque<(u64, T)> = gone;
        gone.into_iter().map(|(_, consequences)| consequences).collect()
    }

    /// Batches whose commit has not been heard of.
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
        let second = held.hold("b");
        assert_eq!(held.discard(first), ["a"]);
        assert_eq!(held.release(second), ["b"]);
    }
}
