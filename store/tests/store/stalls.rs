//! A failing ledger: batches wait in order, nothing is dropped, nothing is doubled.

use crate::support::{new_ledger, raw, row, rows, verified};
use proptest::prelude::*;
use resus_store::{
    Batch, BatchResult, CloseError, CommitError, Ledger, Limits, OpenError, Outcome, Refusal, ReplayError,
    Sink, TicketError, Writer,
};
use rusqlite::ffi;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Limits under which a failure is tried again at once.
fn impatient() -> Limits {
    Limits { retry_first: Duration::ZERO, retry_max: Duration::ZERO, group_rows_max: 3, ..Limits::default() }
}

fn start(sink: impl Sink + 'static, limits: Limits) -> (Writer, Receiver<Outcome>) {
    let (tell, outcomes) = channel();
    let writer = Writer::start(sink, limits, move |outcome| {
        // A test that has seen enough may be gone.
        let _ = tell.send(outcome);
    });
    (writer.expect("a thread"), outcomes)
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn doubtful() -> CommitError {
    CommitError::Write { path: PathBuf::from("fake"), source: failure(ffi::SQLITE_IOERR_FSYNC) }
}

fn busy() -> CommitError {
    CommitError::Busy { path: PathBuf::from("fake"), source: failure(ffi::SQLITE_BUSY) }
}

/// What the next call does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Works,
    /// Fails for certain, nothing written.
    Busy,
    /// Fails in doubt, nothing written.
    Lost,
    /// Fails in doubt although everything was written.
    Written,
}

/// A sink that keeps rows in memory and fails by script; it works when the script is over.
struct Scripted {
    script: VecDeque<Step>,
    rows: Arc<Mutex<Vec<u64>>>,
    /// A planted bug: says that nothing is durable after a doubtful commit.
    forgets: bool,
}

impl Scripted {
    fn apply(&mut self, batches: &[&Batch]) -> Vec<BatchResult> {
        let mut rows = self.rows.lock().expect("no panic");
        batches
            .iter()
            .map(|batch| {
                for row in &batch.rows {
                    let expected = rows.len() as u64 + 1;
                    if row.seq != expected {
                        return Err(Refusal::Gap { run_id: "a".into(), expected, found: row.seq });
                    }
                    rows.push(row.seq);
                }
                Ok(rows.len() as u64)
            })
            .collect()
    }
}

impl Sink for Scripted {
    fn commit(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError> {
        match self.script.pop_front().unwrap_or(Step::Works) {
            Step::Works => Ok(self.apply(batches)),
            Step::Busy => Err(busy()),
            Step::Lost => Err(doubtful()),
            Step::Written => {
                self.apply(batches);
                Err(doubtful())
            }
        }
    }

    fn settle(&mut self, batches: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError> {
        match self.script.pop_front().unwrap_or(Step::Works) {
            Step::Works | Step::Written => {}
            Step::Busy | Step::Lost => return Err(doubtful()),
        }
        let durable = self.rows.lock().expect("no panic").len() as u64;
        let last = |batch: &&Batch| batch.rows.last().map(|row| row.seq);
        Ok(batches.iter().map(|batch| last(batch).filter(|seq| *seq <= durable && !self.forgets)).collect())
    }
}

/// Submits batches of the given sizes and returns what was told and what is stored.
fn run_script(script: &[Step], sizes: &[u64], forgets: bool) -> (Vec<Outcome>, Vec<u64>) {
    let stored = Arc::new(Mutex::new(Vec::new()));
    let sink = Scripted { script: script.iter().copied().collect(), rows: Arc::clone(&stored), forgets };
    let (writer, outcomes) = start(sink, impatient());
    let mut next = 1;
    for (ticket, size) in (0..).zip(sizes) {
        writer.submit(Batch::of_rows(ticket, rows("a", next, next + size - 1))).expect("room");
        next += size;
    }
    writer.close(LONG).expect("the script ends");
    let stored = stored.lock().expect("no panic").clone();
    (outcomes.iter().collect(), stored)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![Just(Step::Works), Just(Step::Busy), Just(Step::Lost), Just(Step::Written)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn whatever_fails_every_batch_is_written_once_and_in_order(
        script in prop::collection::vec(step(), 0..24),
        sizes in prop::collection::vec(1_u64..4, 1..12),
    ) {
        let (told, stored) = run_script(&script, &sizes, false);
        prop_assert_eq!(stored, (1..=sizes.iter().sum()).collect::<Vec<u64>>());
        let mut last_pos = 0;
        let mut expected = (0..).zip(&sizes);
        let mut stalled = false;
        for outcome in told {
            match outcome {
                Outcome::Committed { ticket, last_pos: pos } => {
                    let (next, size) = expected.next().expect("no ticket twice");
                    last_pos += size;
                    prop_assert_eq!((ticket, pos, stalled), (next, last_pos, false));
                }
                Outcome::Stalled { .. } => prop_assert!(!std::mem::replace(&mut stalled, true)),
                Outcome::Recovered => prop_assert!(std::mem::replace(&mut stalled, false)),
                Outcome::Failed { .. } => prop_assert!(false, "{:?}", outcome),
            }
        }
        prop_assert!(expected.next().is_none() && !stalled);
    }
}

/// The test above can fail: a sink that forgets what is durable makes rows be written twice.
#[test]
fn a_sink_that_forgets_what_is_durable_is_found_out() {
    let (told, _) = run_script(&[Step::Written], &[2, 1], true);
    let refused =
        |outcome: &Outcome| matches!(outcome, Outcome::Failed { error: TicketError::Refused(_), .. });
    assert!(told.iter().any(refused), "{told:?}");
}

#[test]
fn closing_a_ledger_that_keeps_failing_gives_every_ticket_an_outcome() {
    for step in [Step::Busy, Step::Lost] {
        let stored = Arc::default();
        let script = std::iter::repeat_n(step, 100_000).collect();
        let (writer, outcomes) = start(Scripted { script, rows: stored, forgets: false }, Limits::default());
        for ticket in 1..=5 {
            writer.submit(Batch::of_rows(ticket, vec![row("a", ticket)])).expect("room");
        }
        assert_eq!(writer.close(Duration::ZERO), Err(CloseError::Unwritten { batches: 5 }));
        let told: Vec<Outcome> = outcomes.iter().collect();
        assert!(matches!(told[0], Outcome::Stalled { .. }), "{told:?}");
        let failed: Vec<u64> = told[1..]
            .iter()
            .map(|outcome| match outcome {
                Outcome::Failed { ticket, error } if error.is_transient() => *ticket,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(failed, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_ledger_locked_by_somebody_else_recovers_when_it_is_let_go() {
    let (_folder, path, ledger) = new_ledger();
    let raw = raw(&path);
    raw.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let (writer, outcomes) = start(ledger, Limits::default());
    writer.submit(Batch::of_rows(1, rows("a", 1, 3))).expect("room");
    match outcomes.recv().expect("told") {
        Outcome::Stalled { error } => {
            assert!(matches!(error, CommitError::Busy { .. }) && !error.is_doubtful())
        }
        other => panic!("{other:?}"),
    }
    writer.submit(Batch::of_rows(2, rows("a", 4, 4))).expect("room");
    raw.execute_batch("ROLLBACK").expect("let go");
    writer.close(LONG).expect("everything is written");
    let told: Vec<Outcome> = outcomes.iter().collect();
    assert!(
        matches!(
            told[..],
            [
                Outcome::Recovered,
                Outcome::Committed { ticket: 1, last_pos: 3 },
                Outcome::Committed { ticket: 2, last_pos: 4 }
            ]
        ),
        "{told:?}"
    );
    assert_eq!(verified(&Ledger::open(&path).expect("opened"), "a"), rows("a", 1, 4));
}

/// A real ledger whose commits fail in doubt by script: the way an fsync error looks from above.
struct Doubting {
    ledger: Ledger,
    script: VecDeque<Step>,
}

impl Sink for Doubting {
    fn commit(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError> {
        match self.script.pop_front().unwrap_or(Step::Works) {
            Step::Works => self.ledger.append_batches(batches),
            Step::Busy => Err(busy()),
            Step::Lost => Err(doubtful()),
            Step::Written => {
                self.ledger.append_batches(batches)?;
                Err(doubtful())
            }
        }
    }

    fn settle(&mut self, batches: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError> {
        self.ledger.settle(batches)
    }
}

#[test]
fn a_commit_in_doubt_is_looked_up_on_disk_before_it_is_repeated() {
    for script in [
        &[Step::Written][..],
        &[Step::Lost],
        &[Step::Works, Step::Written, Step::Lost, Step::Written],
        &[Step::Busy, Step::Lost, Step::Lost, Step::Written],
    ] {
        let (_folder, path, ledger) = new_ledger();
        let sink = Doubting { ledger, script: script.iter().copied().collect() };
        let (writer, outcomes) = start(sink, impatient());
        for ticket in 1..=6 {
            let pair = vec![row("a", ticket), row("b", ticket)];
            let cursors = Batch::of_cursor(0, "nats", ticket).cursors;
            writer.submit(Batch { ticket, rows: pair, cursors }).expect("room");
        }
        writer.close(LONG).expect("everything is written");
        let told: Vec<(u64, u64)> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Outcome::Committed { ticket, last_pos } => Some((ticket, last_pos)),
                Outcome::Failed { .. } => panic!("{script:?}: {outcome:?}"),
                Outcome::Stalled { .. } | Outcome::Recovered => None,
            })
            .collect();
        assert_eq!(told, (1..=6).map(|n| (n, n * 2)).collect::<Vec<_>>(), "{script:?}");
        let ledger = Ledger::open(&path).expect("opened");
        assert_eq!((verified(&ledger, "a"), verified(&ledger, "b")), (rows("a", 1, 6), rows("b", 1, 6)));
        assert_eq!(ledger.reader().expect("a reader").cursor("nats").expect("intact"), Some(6));
    }
}

#[test]
fn settling_tells_what_is_there_from_what_is_not() {
    let (_folder, _path, mut ledger) = new_ledger();
    ledger.append(&rows("a", 1, 3)).expect("append");
    let mut other = rows("a", 2, 3);
    other[1].body = "{}".into();
    let batches = [
        Batch::of_rows(1, rows("a", 2, 3)),
        Batch::of_rows(2, rows("a", 3, 4)),
        Batch::of_rows(3, other),
        Batch::of_rows(4, rows("b", 1, 1)),
        Batch::of_cursor(5, "nats", 1),
    ];
    let durable = ledger.settle(&batches.iter().collect::<Vec<_>>()).expect("settled");
    assert_eq!(durable, [Some(3), None, None, None, None]);
    assert_eq!(ledger.append(&rows("a", 4, 4)).expect("the new connection works"), 4);
}

#[test]
fn nothing_is_called_durable_while_a_reader_holds_the_log() {
    let (_folder, path, mut ledger) = new_ledger();
    ledger.append(&rows("a", 1, 1)).expect("append");
    let reader = raw(&path);
    reader.execute_batch("BEGIN").expect("begun");
    let _: i64 =
        reader.query_row("SELECT count(*) FROM events", [], |cells| cells.get(0)).expect("a snapshot");
    ledger.append(&rows("a", 2, 2)).expect("append");
    let batch = Batch::of_rows(1, rows("a", 2, 2));
    let settled = ledger.settle(&[&batch]);
    assert!(
        matches!(&settled, Err(error @ CommitError::Unsettled { .. }) if error.is_doubtful()),
        "{settled:?}"
    );
    let refused = ledger.append(&rows("a", 3, 3));
    assert!(refused.is_err(), "an unsettled ledger is not written: {refused:?}");
    reader.execute_batch("ROLLBACK").expect("ended");
    assert_eq!(ledger.settle(&[&batch]).expect("settled"), [Some(2)]);
    ledger.append(&rows("a", 3, 3)).expect("append");
}

#[test]
fn a_ledger_that_vanished_is_not_replaced_by_a_new_one() {
    let (_folder, path, mut ledger) = new_ledger();
    ledger.append(&rows("a", 1, 1)).expect("append");
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("moved");
    let batch = Batch::of_rows(1, rows("a", 2, 2));
    let settled = ledger.settle(&[&batch]);
    assert!(matches!(settled, Err(CommitError::Reopen(OpenError::Missing { .. }))), "{settled:?}");
    assert!(!path.exists());
    assert!(matches!(ledger.replay(|_| {}), Err(ReplayError::Closed { .. })));
    std::fs::rename(&aside, &path).expect("moved back");
    assert_eq!(ledger.settle(&[&batch]).expect("settled"), [None]);
    ledger.append(&rows("a", 2, 2)).expect("append");
    assert_eq!(verified(&ledger, "a"), rows("a", 1, 2));
}
