//! Where the writer writes: the ledger, or a stand-in that fails on purpose.

use crate::append::BatchResult;
use crate::ledger::{CommitError, Ledger};
use crate::row::Batch;

/// A place that takes batches in synced transactions.
pub trait Sink: Send {
    /// Writes the batches, in order, in one durable transaction. One result per batch; a refused
    /// batch is left out alone.
    ///
    /// # Errors
    /// [`CommitError`] when the transaction failed. Unless it is doubtful, nothing was written.
    fn commit(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError>;

    /// Starts over after a commit of doubtful outcome, and says for each batch of it whether it
    /// is durable (`Some`, with the position of its last row) or must be written again.
    ///
    /// # Errors
    /// [`CommitError`] when that cannot be known yet.
    fn settle(&mut self, batches: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError>;
}

impl Sink for Ledger {
    fn commit(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError> {
        self.append_batches(batches)
    }

    fn settle(&mut self, batches: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError> {
        Self::settle(self, batches)
    }
}

/// Writes the batches when the commit before ended in doubt: first finds out which of them are
/// durable, then writes the others.
pub(super) fn commit_after_doubt(
    sink: &mut impl Sink,
    batches: &[&Batch],
) -> Result<Vec<BatchResult>, CommitError> {
    let durable = sink.settle(batches)?;
    let absent: Vec<&Batch> =
        batches.iter().zip(&durable).filter(|(_, pos)| pos.is_none()).map(|(batch, _)| *batch).collect();
    let mut written = if absent.is_empty() { Vec::new() } else { sink.commit(&absent)? }.into_iter();
    Ok(durable.into_iter().filter_map(|pos| pos.map(Ok).or_else(|| written.next())).collect())
}
