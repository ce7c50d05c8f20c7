//! Reading connections, beside a writer and from other threads.

use crate::support::{new_ledger, raw, row, rows, three_runs};
use resus_store::{Damage, Entry, OpenError, ReadError, Reader, Row};
use std::thread;

fn contents(entries: Vec<Entry>) -> Vec<Row> {
    entries.into_iter().map(|entry| entry.content.expect("an intact row")).collect()
}

#[test]
fn events_of_a_run_are_paged_by_sequence_number() {
    let (_folder, _path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let reader = ledger.reader().expect("a reader");
    let page = |after, limit| contents(reader.events("beta", after, limit).expect("a page"));
    assert_eq!(page(0, 100), rows("beta", 1, 4));
    assert_eq!(page(1, 2), rows("beta", 2, 3));
    assert_eq!(page(4, 100), []);
    assert_eq!(page(u64::MAX, 100), []);
    assert_eq!(page(0, 0), []);
    assert_eq!(contents(reader.events("nobody", 0, 100).expect("a page")), []);
}

#[test]
fn all_events_are_paged_by_position_in_the_order_of_commits() {
    let (_folder, _path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let reader = ledger.reader().expect("a reader");
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map_or(0, |entry: &Entry| entry.pos);
        let page = reader.since(after, 5).expect("a page");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|entry| entry.pos).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    let expected: Vec<Row> =
        (1..=4).flat_map(|seq| ["alpha", "beta", "gamma"].map(|run_id| row(run_id, seq))).collect();
    assert_eq!(contents(seen), expected);
    assert_eq!(reader.last_pos().expect("readable"), 12);
    assert_eq!(reader.run_ids().expect("readable"), ["alpha", "beta", "gamma"]);
}

#[test]
fn a_reader_on_another_thread_sees_each_commit_and_only_commits() {
    let (_folder, _path, mut ledger) = new_ledger();
    let reader = ledger.reader().expect("a reader");
    let (ask, asked) = std::sync::mpsc::channel::<u64>();
    let (answer, answers) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        for after in asked {
            answer.send(reader.since(after, 100).expect("a page")).expect("the test listens");
        }
    });
    for seq in 1..=20 {
        ledger.append(&[row("a", seq)]).expect("append");
        ask.send(seq - 1).expect("the reader listens");
        assert_eq!(contents(answers.recv().expect("a page")), [row("a", seq)]);
    }
    drop(ask);
    thread.join().expect("the reader ends");
}

#[test]
fn a_damaged_row_is_marked_and_those_around_it_are_read() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let raw = raw(&path);
    raw.execute_batch("UPDATE events SET body = '{}' WHERE run_id = 'beta' AND seq = 2").expect("a change");
    raw.execute_batch("DELETE FROM events WHERE run_id = 'gamma' AND seq = 3").expect("a change");
    raw.execute_batch("UPDATE events SET attempt = -1 WHERE run_id = 'alpha' AND seq = 1").expect("a change");
    let reader = Reader::open(&path).expect("a reader");
    let damaged: Vec<_> =
        reader.since(0, 100).expect("a page").into_iter().filter_map(|entry| entry.content.err()).collect();
    let named = |at: usize| (damaged[at].run_id.as_deref(), damaged[at].seq);
    assert_eq!(damaged.len(), 3, "{damaged:?}");
    assert_eq!(named(0), (Some("alpha"), Some(1)));
    assert!(matches!(damaged[0].reason, Damage::Unreadable { .. }));
    assert_eq!(named(1), (Some("beta"), Some(2)));
    assert!(matches!(damaged[1].reason, Damage::Checksum { .. }));
    assert_eq!((named(2), &damaged[2].reason), ((Some("gamma"), Some(4)), &Damage::Gap { found: 4 }));
    assert_eq!(damaged[2].to_string(), "event 4 of run gamma is damaged: the next row is number 4");
    let beta = reader.events("beta", 1, 100).expect("a page");
    assert_eq!(beta.iter().map(|entry| entry.content.is_ok()).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn a_reader_never_creates_a_ledger() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    assert!(matches!(Reader::open(&path), Err(ReadError::Open(OpenError::Missing { .. }))));
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
}
