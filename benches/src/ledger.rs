//! `ledger`: what it costs until an event is durable.
//!
//! Three figures in one run: a bare `write` and `fdatasync` of the same bytes to a file that
//! grows, one event at a time through the writer, and a queue that is kept full, where the
//! writer shares one sync among as many batches as have come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use resus_store::{Batch, CloseError, Ledger, Limits, OpenError, Outcome, Row, SubmitError, Writer};
use serde_json::{Value, json};

use crate::extent::Extent;
use crate::sample::Sample;

/// Bytes of one event's body: about what a checkpoint's event has, with the record and its PULSE form.
const BODY_BYTES: usize = 900;
/// Time the writer gets to close: its queue is empty by then.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// How much is written.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Bare writes, and events one at a time.
    single: u64,
    /// Events with a full queue.
    grouped: u64,
}

impl Amount {
    /// Enough for a p99 that a few slow syncs do not decide, in a few seconds on a slow disk.
    const FULL: Self = Self { single: 500, grouped: 50_000 };
    /// Shows that it works.
    const QUICK: Self = Self { single: 3, grouped: 2_000 };
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LedgerBenchError {
    /// The folder or the baseline's file.
    #[error("failed to write in {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger could not be created.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An event did not become durable.
    #[error("the ledger did not take an event: {0}")]
    Write(String),
    /// The writer did not end well.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`LedgerBenchError`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, LedgerBenchError> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let io = |source| LedgerBenchError::Io { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let place = tempfile::tempdir_in(folder).map_err(io)?;
    let bare = bare_syncs(&place.path().join("baseline"), amount.single).map_err(io)?;
    let ledger = Ledger::create(&place.path().join("ledger.db"))?;
    let (sender, outcomes) = mpsc::channel();
    let writer = Writer::start(ledger, Limits::default(), move |outcome| {
        // Fails only after the measuring side has given up, and then nobody waits.
        drop(sender.send(outcome));
    })
    .map_err(io)?;
    let single = one_at_a_time(&writer, &outcomes, amount.single)?;
    let grouped = with_a_full_queue(&writer, &outcomes, amount.single, amount.grouped)?;
    writer.close(CLOSE_WITHIN)?;
    Ok(json!({
        "bench": "ledger",
        "body_bytes": BODY_BYTES,
        "events_single": amount.single,
        "append_p50_us": single.quantile_us(0.5),
        "append_p99_us": single.quantile_us(0.99),
        "fdatasync_p50_us": bare.quantile_us(0.5),
        "fdatasync_p99_us": bare.quantile_us(0.99),
        "p50_to_fdatasync": single.median_to(&bare),
        "events_grouped": amount.grouped,
        "grouped_rows_per_s": (amount.grouped as f64 / grouped.as_secs_f64()).round(),
    }))
}

/// The baseline: the same bytes appended to a plain file, each followed by `fdatasync`.
fn bare_syncs(path: &Path, count: u64) -> io::Result<Sample> {
    let mut file = File::create_new(path)?;
    let body = body();
    let mut sample = Sample::default();
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(body.as_bytes())?;
        file.sync_data()?;
        sample.add(start.elapsed());
    }
    Ok(sample)
}

fn one_at_a_time(
    writer: &Writer,
    outcomes: &Receiver<Outcome>,
    count: u64,
) -> Result<Sample, LedgerBenchError> {
    let mut sample = Sample::default();
    for seq in 1..=count {
        let batch = Batch::of_rows(seq, vec![row(seq)]);
        let start = Instant::now();
        writer.submit(batch).map_err(|error| LedgerBenchError::Write(error.to_string()))?;
        committed(outcomes)?;
        sample.add(start.elapsed());
    }
    Ok(sample)
}

/// Events `done + 1 ..= done + count`, one per batch, as fast as the queue takes them.
fn with_a_full_queue(
    writer: &Writer,
    outcomes: &Receiver<Outcome>,
    done: u64,
    count: u64,
) -> Result<Duration, LedgerBenchError> {
    let rows: Vec<Row> = (done + 1..=done + count).map(row).collect();
    let mut waiting = 0_u64;
    let start = Instant::now();
    for row in rows {
        let mut batch = Batch::of_rows(row.seq, vec![row]);
        loop {
            match writer.submit(batch) {
                Ok(()) => break,
                Err(SubmitError::Full(back)) => batch = back,
                Err(error) => return Err(LedgerBenchError::Write(error.to_string())),
            }
            committed(outcomes)?;
            waiting -= 1;
        }
        waiting += 1;
    }
    for _ in 0..waiting {
        committed(outcomes)?;
    }
    Ok(start.elapsed())
}

/// Waits until one more batch is durable. A stall would make the figures worthless.
fn committed(outcomes: &Receiver<Outcome>) -> Result<(), LedgerBenchError> {
    match outcomes.recv() {
        Ok(Outcome::Committed { .. }) => Ok(()),
        Ok(Outcome::Failed { error, .. }) => Err(LedgerBenchError::Write(error.to_string())),
        Ok(Outcome::Stalled { error }) => Err(LedgerBenchError::Write(error.to_string())),
        Ok(Outcome::Recovered) => Err(LedgerBenchError::Write("it had stalled".to_owned())),
        Err(_) => Err(LedgerBenchError::Write("the writer is gone".to_owned())),
    }
}

fn row(seq: u64) -> Row {
    Row {
        run_id: "bench".to_owned(),
        seq,
        attempt: 1,
        unix_ms: 1_795_305_600_000 + seq,
        kind: "said".to_owned(),
        body: body(),
    }
}

fn body() -> String {
    let frame = r#"{"filler":""}"#;
    format!(r#"{{"filler":"{}"}}"#, "x".repeat(BODY_BYTES - frame.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_in_the_ledger_and_every_figure_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let result = measure(folder.path(), Extent::Quick).expect("a result");
        for figure in ["append_p50_us", "fdatasync_p50_us", "p50_to_fdatasync", "grouped_rows_per_s"] {
            assert!(result[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {result}");
        }
        let left = std::fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 0, "nothing is left behind");
        assert_eq!(body().len(), BODY_BYTES);
    }
}
