//! The loop of the writing thread.

use super::queue::Queue;
use super::sink::{Sink, commit_after_doubt};
use super::{Limits, Outcome, TicketError};
use crate::append::BatchResult;
use crate::row::Batch;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Drain<S, F> {
    sink: S,
    queue: Arc<Queue>,
    limits: Limits,
    on_outcome: F,
}

impl<S: Sink, F: FnMut(Outcome)> Drain<S, F> {
    pub(super) fn new(sink: S, queue: Arc<Queue>, limits: Limits, on_outcome: F) -> Self {
        Self { sink, queue, limits, on_outcome }
    }

    /// Writes group after group until the queue is closed and empty, or closed and the ledger
    /// still fails at the deadline. The sink is closed before the end is announced.
    pub(super) fn run(mut self) {
        let guard = EndGuard(Arc::clone(&self.queue));
        let mut unwritten = 0;
        while let Some(group) = self.queue.next_group(self.limits.group_rows_max) {
            match self.write(&group) {
                Some(results) => self.report(&group, results),
                None => {
                    unwritten = self.give_up(group);
                    break;
                }
            }
        }
        let Self { sink, queue, .. } = self;
        drop(sink);
        queue.end_orderly(unwritten);
        drop(guard);
    }

    /// Tries the group until it is written; `None` when the queue's deadline ends the trying.
    fn write(&mut self, group: &[Batch]) -> Option<Vec<BatchResult>> {
        let batches: Vec<&Batch> = group.iter().collect();
        let mut doubt = false;
        let mut failures: u32 = 0;
        loop {
            let written =
                if doubt { commit_after_doubt(&mut self.sink, &batches) } else { self.sink.commit(&batches) };
            match written {
                Ok(results) => {
                    if failures > 0 {
                        (self.on_outcome)(Outcome::Recovered);
                    }
                    return Some(results);
                }
                Err(error) => {
                    doubt |= error.is_doubtful();
                    if failures == 0 {
                        (self.on_outcome)(Outcome::Stalled { error });
                    }
                }
            }
            if !self.queue.pause(backoff(&self.limits, failures)) {
                return None;
            }
            failures = failures.saturating_add(1);
        }
    }

    fn report(&mut self, group: &[Batch], results: Vec<BatchResult>) {
        for (batch, result) in group.iter().zip(results) {
            let ticket = batch.ticket;
            (self.on_outcome)(match result {
                Ok(last_pos) => Outcome::Committed { ticket, last_pos },
                Err(refusal) => Outcome::Failed { ticket, error: refusal.into() },
            });
        }
    }

    /// Gives every batch that is left its outcome; returns how many there were.
    fn give_up(&mut self, group: Vec<Batch>) -> usize {
        let left: Vec<Batch> = group.into_iter().chain(self.queue.take_all()).collect();
        for batch in &left {
            (self.on_outcome)(Outcome::Failed { ticket: batch.ticket, error: TicketError::Unwritten });
        }
        left.len()
    }
}

/// Marks the thread as ended even when the callback panics, so that nobody submits to the dead.
struct EndGuard(Arc<Queue>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end_panicked();
    }
}

/// The pause after so many failures in a row: doubling from the first to the longest.
fn backoff(limits: &Limits, failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    limits.retry_first.saturating_mul(factor).min(limits.retry_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let limits = Limits {
            retry_first: Duration::from_millis(50),
            retry_max: Duration::from_secs(5),
            ..Limits::default()
        };
        let pauses = [0, 1, 2, 6, 7, 31, 32, u32::MAX].map(|failures| backoff(&limits, failures).as_millis());
        assert_eq!(pauses, [50, 100, 200, 3200, 5000, 5000, 5000, 5000]);
    }
}
