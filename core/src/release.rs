//! Effects held back until the events they follow from are on disk.

use crate::effect::Effect;
use crate::ids::RunId;
use std::collections::VecDeque;

/// Effects waiting for their batch to be committed, in the order of the batches. A batch is
/// what was handed to the store at once; tickets grow by one per batch.
#[derive(Debug, Default)]
pub struct Held {
    next_ticket: u64,
    queue: VecDeque<(u64, RunId, Vec<Effect>)>,
}

impl Held {
    /// Takes the effects of one batch and returns the batch's ticket.
    pub fn hold(&mut self, run_id: RunId, effects: Vec<Effect>) -> u64 {
        self.next_ticket = self.next_ticket.saturating_add(1);
        self.queue.push_back((self.next_ticket, run_id, effects));
        self.next_ticket
    }

    /// Every batch up to `ticket` is on disk: returns their effects in order.
    pub fn release(&mut self, ticket: u64) -> Vec<(RunId, Effect)> {
        let mut released = Vec::new();
        while self.queue.front().is_some_and(|(held, _, _)| *held <= ticket) {
            if let Some((_, run_id, effects)) = self.queue.pop_front() {
                released.extend(effects.into_iter().map(|effect| (run_id.clone(), effect)));
            }
        }
        released
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
    fn effects_come_out_in_order_and_not_before_their_commit() {
        let run = |n: u8| RunId::new(format!("r{n}")).unwrap();
        let mut held = Held::default();
        let first = held.hold(run(1), vec![Effect::Dismiss]);
        let second = held.hold(run(2), Vec::new());
        let third = held.hold(run(3), vec![Effect::Dismiss]);
        assert_eq!(held.release(first - 1), vec![]);
        assert_eq!(held.release(second), vec![(run(1), Effect::Dismiss)]);
        assert_eq!(held.waiting(), 1);
        assert_eq!(held.release(third), vec![(run(3), Effect::Dismiss)]);
    }
}
