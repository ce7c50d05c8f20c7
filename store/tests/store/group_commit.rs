//! Group commit: few transactions for many batches, in order, bounded.

use crate::support::{new_ledger, row, rows, verified};
use resus_store::{
    Batch, BatchResult, CloseError, CommitError, Ledger, Limits, Outcome, Refusal, Sink, SubmitError,
    TicketError, Writer,
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than anything here takes: what would hang for ever fails instead.
const LONG: Duration = Duration::from_secs(60);

/// A ledger that says when a commit begins, waits to be let through, and counts.
struct Gated {
    ledger: Ledger,
    entered: Sender<usize>,
    pass: Receiver<()>,
}

impl Sink for Gated {
    fn commit(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError> {
        self.entered.send(batches.len()).expect("the test listens");
        self.pass.recv().expect("the test lets every commit pass");
        self.ledger.append_batches(batches)
    }

    fn settle(&mut self, _: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError> {
        panic!("nothing fails here")
    }
}

struct Scene {
    writer: Writer,
    entered: Receiver<usize>,
    pass: Sender<()>,
    outcomes: Receiver<Outcome>,
}

impl Scene {
    /// Waits for the next commit to begin; returns how many batches it has.
    fn next_commit(&self) -> usize {
        self.entered.recv_timeout(LONG).expect("a commit begins")
    }
}

fn gated(ledger: Ledger, limits: Limits) -> Scene {
    let ((enter, entered), (pass, passed), (tell, outcomes)) = (channel(), channel(), channel());
    let sink = Gated { ledger, entered: enter, pass: passed };
    let writer = Writer::start(sink, limits, move |outcome| {
        // A test that has seen enough may be gone.
        let _ = tell.send(outcome);
    });
    Scene { writer: writer.expect("a thread"), entered, pass, outcomes }
}

fn one(ticket: u64) -> Batch {
    Batch::of_rows(ticket, vec![row("a", ticket)])
}

#[test]
fn batches_that_wait_share_one_commit_and_keep_their_order() {
    let (_folder, path, ledger) = new_ledger();
    let scene = gated(ledger, Limits::default());
    scene.writer.submit(one(1)).expect("room");
    assert_eq!(scene.next_commit(), 1);
    for ticket in 2..=500 {
        scene.writer.submit(one(ticket)).expect("room");
    }
    scene.pass.send(()).expect("the first commit waits");
    assert_eq!(scene.next_commit(), 499, "all that waited are one commit");
    scene.pass.send(()).expect("the second commit waits");
    scene.writer.close(LONG).expect("everything is written");
    let told: Vec<(u64, u64)> = scene
        .outcomes
        .try_iter()
        .map(|outcome| match outcome {
            Outcome::Committed { ticket, last_pos } => (ticket, last_pos),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, (1..=500).map(|n| (n, n)).collect::<Vec<_>>());
    assert!(scene.entered.try_recv().is_err(), "two commits for 500 tickets");
    assert_eq!(verified(&Ledger::open(&path).expect("opened"), "a"), rows("a", 1, 500));
}

#[test]
fn a_full_queue_hands_the_batch_back_at_once() {
    let (_folder, _path, ledger) = new_ledger();
    let scene = gated(ledger, Limits { queue_batches: 3, ..Limits::default() });
    scene.writer.submit(one(1)).expect("room");
    scene.next_commit();
    for ticket in 2..=4 {
        scene.writer.submit(one(ticket)).expect("room");
    }
    match scene.writer.submit(one(5)) {
        Err(SubmitError::Full(batch)) => assert_eq!(batch, one(5)),
        other => panic!("{other:?}"),
    }
    for _ in 0..2 {
        scene.pass.send(()).expect("a commit waits");
    }
    scene.writer.close(LONG).expect("everything is written");
    assert_eq!(scene.outcomes.try_iter().count(), 4);
    assert!(matches!(scene.writer.submit(one(5)), Err(SubmitError::Closed(batch)) if batch == one(5)));
}

#[test]
fn a_group_is_closed_before_it_grows_too_large() {
    let (_folder, _path, ledger) = new_ledger();
    let scene = gated(ledger, Limits { group_rows_max: 4, ..Limits::default() });
    let mut next = 1;
    let mut submit = |ticket: u64, count: u64| {
        let batch = Batch::of_rows(ticket, rows("a", next, next + count - 1));
        next += count;
        scene.writer.submit(batch).expect("room");
    };
    submit(1, 1);
    let mut groups = vec![scene.next_commit()];
    for (ticket, count) in [(2, 2), (3, 2), (4, 2), (5, 5), (6, 1)] {
        submit(ticket, count);
    }
    for _ in 0..4 {
        scene.pass.send(()).expect("a commit waits");
        groups.push(scene.next_commit());
    }
    scene.pass.send(()).expect("a commit waits");
    scene.writer.close(LONG).expect("everything is written");
    assert_eq!(groups, [1, 2, 1, 1, 1]);
}

#[test]
fn a_batch_that_can_never_be_written_fails_alone() {
    let (_folder, path, ledger) = new_ledger();
    let (tell, outcomes) = channel();
    let writer = Writer::start(ledger, Limits::default(), move |outcome| tell.send(outcome).expect("heard"));
    let writer = writer.expect("a thread");
    for batch in [one(1), Batch::of_rows(2, vec![row("a", 9)]), Batch::of_cursor(3, "nats", 1), one(2)] {
        writer.submit(batch).expect("room");
    }
    writer.close(LONG).expect("everything is decided");
    let told: Vec<Outcome> = outcomes.try_iter().collect();
    let [
        Outcome::Committed { ticket: 1, last_pos: 1 },
        Outcome::Failed { ticket: 2, error },
        Outcome::Committed { ticket: 3, last_pos: 1 },
        Outcome::Committed { ticket: 2, last_pos: 2 },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert!(matches!(error, TicketError::Refused(Refusal::Gap { .. })) && !error.is_transient());
    let ledger = Ledger::open(&path).expect("opened");
    assert_eq!(verified(&ledger, "a"), rows("a", 1, 2));
    assert_eq!(ledger.reader().expect("a reader").cursor("nats").expect("intact"), Some(1));
}

#[test]
fn dropping_the_handle_still_writes_what_was_accepted() {
    let (_folder, path, ledger) = new_ledger();
    let (tell, outcomes) = channel();
    let writer = Writer::start(ledger, Limits::default(), move |outcome| tell.send(outcome).expect("heard"));
    let writer = writer.expect("a thread");
    for ticket in 1..=50 {
        writer.submit(one(ticket)).expect("room");
    }
    drop(writer);
    assert_eq!(outcomes.iter().count(), 50, "the thread ends by itself");
    assert_eq!(verified(&Ledger::open(&path).expect("opened"), "a"), rows("a", 1, 50));
}

#[test]
fn after_a_panic_in_the_callback_the_writer_is_closed() {
    let (_folder, _path, ledger) = new_ledger();
    let writer = Writer::start(ledger, Limits::default(), |_| panic!("on purpose")).expect("a thread");
    writer.submit(one(1)).expect("room");
    assert_eq!(writer.close(LONG), Err(CloseError::Unanswered));
    assert!(matches!(writer.submit(one(2)), Err(SubmitError::Closed(_))));
}
