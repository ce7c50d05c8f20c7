//! Group commit: one OS thread that owns the ledger and writes what is queued in as few synced
//! transactions as it can.
//!
//! A sync costs the same for one row and for a thousand, so while one transaction is syncing the
//! next group collects itself. Batches become durable in the order they were submitted. When the
//! disk fails, the thread keeps its group and tries again until the disk recovers or the writer
//! is closed: a batch is never dropped, doubled or overtaken.

mod drain;
mod queue;
mod sink;

pub use sink::Sink;

use crate::ledger::CommitError;
use crate::row::{Batch, Refusal};
use drain::Drain;
use queue::Queue;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Batches that may wait for the writer. A supervisor decides faster than a disk syncs only in
/// bursts; a thousand batches is minutes of ordinary events, and at a few KiB each some MiB.
pub const QUEUE_BATCHES: usize = 1024;
/// Rows after which a group is closed, so that the first of them does not wait for ever more;
/// at this size the sync is already a small part of the transaction.
pub const GROUP_ROWS_MAX: usize = 4096;
/// First pause after a failed transaction: long enough to be no load, short enough that a lock
/// held for a moment is hardly noticed.
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest pause between attempts: the delay an operator sees after making room on the disk.
pub const RETRY_MAX: Duration = Duration::from_secs(5);

/// How much longer than its deadline [`Writer::close`] waits for the thread's last word: more than
/// one wait for a lock, so that a thread that gives up at the deadline is still heard.
pub const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// The bounds a writer works within. The default are the constants of this module.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Batches that may wait; one more is refused with [`SubmitError::Full`].
    pub queue_batches: usize,
    /// Rows that close a group; a single larger batch is a group of its own.
    pub group_rows_max: usize,
    /// Pause after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_batches: QUEUE_BATCHES,
            group_rows_max: GROUP_ROWS_MAX,
            retry_first: RETRY_FIRST,
            retry_max: RETRY_MAX,
        }
    }
}

/// What became of the batches, told in the order they were submitted.
#[derive(Debug)]
pub enum Outcome {
    /// The batch is durable.
    Committed {
        /// The batch's ticket.
        ticket: u64,
        /// Global position of its last row; of the newest row before it if it has none.
        last_pos: u64,
    },
    /// The batch is not in the ledger, and this writer will not try it again.
    Failed {
        /// The batch's ticket.
        ticket: u64,
        /// Why.
        error: TicketError,
    },
    /// Writing fails; nothing is lost, everything waits. Told once until [`Outcome::Recovered`].
    Stalled {
        /// The first failure.
        error: CommitError,
    },
    /// Writing works again.
    Recovered,
}

/// Why a batch ended without being committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It can never be appended as it is; the other batches are unaffected.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The writer was closed while the ledger could not be written. If the last write ended in
    /// doubt the rows may be on disk all the same: the next replay tells.
    #[error("the ledger was closed before it could be written again")]
    Unwritten,
}

impl TicketError {
    /// True when the same batch may succeed with another writer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unwritten)
    }
}

/// Why a batch was not accepted; it is handed back.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// As many batches wait as may.
    #[error("the ledger's queue is full")]
    Full(Batch),
    /// The writer was closed, or its thread has ended.
    #[error("the ledger is closed")]
    Closed(Batch),
}

/// Why a writer did not close cleanly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The ledger could not be written before the deadline. Each batch was reported as failed.
    #[error("{batches} batches could not be written to the ledger before the deadline")]
    Unwritten {
        /// How many.
        batches: usize,
    },
    /// The thread is stuck in one write, or its callback panicked. Batches without an outcome
    /// may or may not be durable.
    #[error("the ledger's writer did not answer before the deadline")]
    Unanswered,
}

/// The handle of the writing thread. Dropping it closes the writer without waiting, and without
/// trying again if the disk fails; call [`Writer::close`] to know.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
}

impl Writer {
    /// Starts the thread. `on_outcome` runs on it, between transactions: it must hand the outcome
    /// on and return, never wait. After a panic in it the writer is closed.
    ///
    /// # Errors
    /// The I/O error of starting a thread.
    pub fn start<S, F>(sink: S, limits: Limits, on_outcome: F) -> io::Result<Self>
    where
        S: Sink + 'static,
        F: FnMut(Outcome) + Send + 'static,
    {
        let queue = Arc::new(Queue::new(limits.queue_batches));
        let drain = Drain::new(sink, Arc::clone(&queue), limits, on_outcome);
        thread::Builder::new().name("ledger".into()).spawn(move || drain.run())?;
        Ok(Self { queue })
    }

    /// Queues a batch; never waits. Its outcome arrives at the callback.
    ///
    /// # Errors
    /// [`SubmitError`] with the batch.
    pub fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        self.queue.push(batch)
    }

    /// Accepts nothing more, writes what is queued, and ends the thread. A failing ledger is
    /// tried again until `within` has passed. Returns at the latest [`CLOSE_GRACE`] after that.
    /// Of several calls the first sets the deadline.
    ///
    /// # Errors
    /// [`CloseError`] when not everything is known to be durable.
    pub fn close(&self, within: Duration) -> Result<(), CloseError> {
        let now = Instant::now();
        self.queue.close(now.checked_add(within).unwrap_or(now));
        match self.queue.wait_until_ended(within.saturating_add(CLOSE_GRACE)) {
            Some(0) => Ok(()),
            Some(batches) => Err(CloseError::Unwritten { batches }),
            None => Err(CloseError::Unanswered),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close(Instant::now());
    }
}
