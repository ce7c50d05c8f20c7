//! Kill -9 in the middle of appending: whatever was acknowledged is there afterwards.

use crate::support::{Running, child, child_argument, replay, row, rows, verified};
use resus_store::Ledger;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use tempfile::TempDir;

/// Appends events of one run without end, three per commit, and says after each commit how far
/// it is.
fn append_for_ever(path: &Path) -> ! {
    let mut ledger = Ledger::open(path).expect("the ledger");
    let mut seq = ledger.reader().expect("a reader").last_pos().expect("readable");
    loop {
        ledger.append(&[row("a", seq + 1), row("a", seq + 2), row("a", seq + 3)]).expect("append");
        seq += 3;
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {seq}").and_then(|()| out.flush()).expect("the parent listens");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(path) = child_argument() {
        append_for_ever(Path::new(&path));
    }
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    drop(Ledger::create(&path).expect("a new ledger"));
    let mut acknowledged = 0;
    for commits in [1, 2, 5, 11, 23, 47] {
        let spawned =
            child("kill::what_was_acknowledged_survives_kill_9", path.to_str().expect("text")).spawn();
        let mut child = Running(spawned.expect("a child"));
        let lines = BufReader::new(child.0.stdout.take().expect("piped")).lines();
        let mut numbers = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        acknowledged = numbers.nth(commits - 1).expect("so many commits");
        child.kill();
        // What the child managed to say between the last line read and its death.
        acknowledged = numbers.last().unwrap_or(acknowledged);

        let ledger = Ledger::open(&path).expect("the ledger opens after the kill");
        let found = verified(&ledger, "a");
        let count = u64::try_from(found.len()).expect("small");
        assert!(count >= acknowledged, "{acknowledged} acknowledged, {count} found");
        assert_eq!(count % 3, 0, "a commit is whole or absent");
        assert_eq!(found, rows("a", 1, count));
        assert_eq!(replay(&ledger).1.rows_missing, 0);
    }
    assert!(acknowledged >= 3 * (1 + 2 + 5 + 11 + 23 + 47));
}
