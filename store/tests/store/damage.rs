//! Damage inside rows: found wherever it is, and confined to its run.

use crate::support::{new_ledger, raw, replay, rows, three_runs};
use resus_store::{Damage, Ledger, Replayed};
use rusqlite::{Connection, params};

/// Asserts that beta alone is damaged, from `at_seq` on.
fn assert_only_beta_damaged(ledger: &Ledger, at_seq: u64, context: &str) -> Damage {
    let (runs, summary) = replay(ledger);
    assert_eq!((summary.runs_verified, summary.runs_damaged), (2, 1), "{context}: {runs:?}");
    let [Replayed::Verified { rows: alpha, .. }, beta, Replayed::Verified { rows: gamma, .. }] = &runs[..]
    else {
        panic!("{context}: {runs:?}");
    };
    assert_eq!((alpha, gamma), (&rows("alpha", 1, 4), &rows("gamma", 1, 4)), "{context}");
    let Replayed::Damaged { run_id, good_rows, at_seq: at, reason } = beta else {
        panic!("{context}: {beta:?}")
    };
    assert_eq!((run_id.as_str(), *at), ("beta", at_seq), "{context}: {reason}");
    assert_eq!(good_rows, &rows("beta", 1, at_seq - 1), "{context}");
    reason.clone()
}

/// Puts `value` into a column of one row of beta, as bytes for text and as a number otherwise.
fn set(raw: &Connection, column: &str, seq: u64, bytes: &[u8]) -> rusqlite::Result<usize> {
    let sql = format!("UPDATE events SET {column} = CAST(?1 AS TEXT) WHERE run_id = 'beta' AND seq = ?2");
    raw.execute(&sql, params![bytes, i64::try_from(seq).expect("small")])
}

#[test]
fn every_flipped_bit_of_a_text_is_found_and_costs_only_its_run() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let raw = raw(&path);
    for (seq, original) in (1..=4).zip(rows("beta", 1, 4)) {
        for (column, text) in [("kind", original.kind.as_bytes()), ("body", original.body.as_bytes())] {
            for bit in 0..text.len() * 8 {
                let mut flipped = text.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                set(&raw, column, seq, &flipped).expect("flip");
                assert_only_beta_damaged(&ledger, seq, &format!("{column} of {seq}, bit {bit}"));
            }
            set(&raw, column, seq, text).expect("put back");
        }
    }
    assert_eq!(replay(&ledger).1.runs_damaged, 0, "everything was put back");
}

#[test]
fn every_flipped_bit_of_a_number_is_found_and_costs_only_its_run() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let raw = raw(&path);
    let mut tried = 0;
    for (column, seq) in
        ["seq", "attempt", "unix_ms", "crc"].into_iter().flat_map(|c| (1..=4).map(move |s| (c, s)))
    {
        for bit in 0..64 {
            let pos = (seq - 1) * 3 + 2;
            let mask = 1_u64.wrapping_shl(bit).cast_signed();
            // x ^ m without an xor operator: (x | m) - (x & m), in two's complement ~(x & m) & (x | m).
            let flip = format!(
                "UPDATE events SET {column} = ({column} | {mask}) & ~({column} & {mask}) WHERE pos = {pos}"
            );
            if raw.execute_batch(&flip).is_err() {
                continue; // The number already belongs to another row: SQLite itself refuses.
            }
            tried += 1;
            let (runs, _) = replay(&ledger);
            let at = runs.iter().find_map(|run| match run {
                Replayed::Damaged { at_seq, .. } => Some(*at_seq),
                Replayed::Verified { .. } => None,
            });
            let context = format!("{column} of {seq}, bit {bit}");
            let at = at.unwrap_or_else(|| panic!("{context} was not found"));
            // A row renumbered to before 1 is met first; any other damage shows at its own place.
            assert!(at == seq || (column == "seq" && at == 1), "{context} found at {at}");
            assert_only_beta_damaged(&ledger, at, &context);
            raw.execute_batch(&flip).expect("flip back");
        }
    }
    assert!(tried > 4 * 4 * 64 - 32, "only {tried} flips were possible");
    assert_eq!(replay(&ledger).1.runs_damaged, 0, "everything was put back");
}

#[test]
fn a_number_where_text_belongs_is_an_unreadable_row() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    set(&raw(&path), "body", 3, &[0xff, 0xfe]).expect("not UTF-8");
    let reason = assert_only_beta_damaged(&ledger, 3, "invalid text");
    assert!(matches!(reason, Damage::Unreadable { .. }), "{reason}");
}

#[test]
fn rows_that_vanished_are_missed() {
    type Expected = fn(&Damage) -> bool;
    let cases: [(&str, u64, u64, Expected); 6] = [
        ("DELETE FROM events WHERE run_id = 'beta' AND seq = 1", 1, 1, |d| *d == Damage::Gap { found: 2 }),
        ("DELETE FROM events WHERE run_id = 'beta' AND seq = 3", 3, 1, |d| *d == Damage::Gap { found: 4 }),
        ("DELETE FROM events WHERE run_id = 'beta' AND seq = 4", 4, 1, |d| {
            *d == Damage::TailMissing { newest: 4 }
        }),
        ("DELETE FROM events WHERE run_id = 'beta'", 1, 4, |d| *d == Damage::TailMissing { newest: 4 }),
        ("DELETE FROM heads WHERE run_id = 'beta'", 5, 0, |d| *d == Damage::HeadDiffers),
        ("UPDATE heads SET crc = crc + 1 WHERE run_id = 'beta'", 5, 0, |d| *d == Damage::HeadDiffers),
    ];
    for (change, at_seq, missing, expected) in cases {
        let (_folder, path, mut ledger) = new_ledger();
        three_runs(&mut ledger);
        raw(&path).execute_batch(change).expect("a change");
        let reason = assert_only_beta_damaged(&ledger, at_seq, change);
        assert!(expected(&reason), "{change}: {reason}");
        assert_eq!(replay(&ledger).1.rows_missing, missing, "{change}");
    }
}

#[test]
fn a_run_that_vanished_as_a_whole_is_still_missed() {
    // Gamma owns the newest position of all: only SQLite's own counter remembers it.
    for gone in ["beta", "gamma"] {
        let (_folder, path, mut ledger) = new_ledger();
        three_runs(&mut ledger);
        for table in ["events", "heads"] {
            let change = format!("DELETE FROM {table} WHERE run_id = '{gone}'");
            raw(&path).execute_batch(&change).expect("a change");
        }
        let (runs, summary) = replay(&ledger);
        assert_eq!((runs.len(), summary.rows_missing), (2, 4), "{gone}");
        assert_eq!(ledger.append(&[]).expect("nothing to do"), 12, "positions are never given twice");
    }
}

#[test]
fn two_rows_that_changed_places_are_found() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    raw(&path)
        .execute_batch(
            "UPDATE events SET pos = 100 WHERE run_id = 'beta' AND seq = 2;
             UPDATE events SET pos = 5 WHERE run_id = 'beta' AND seq = 3;",
        )
        .expect("a change");
    let reason = assert_only_beta_damaged(&ledger, 3, "swapped positions");
    assert_eq!(reason, Damage::OutOfOrder { pos: 5 });
}

#[test]
fn damage_is_reported_and_the_rows_stay_as_they_are() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let raw = raw(&path);
    set(&raw, "body", 2, b"{}").expect("a change");
    assert_only_beta_damaged(&ledger, 2, "before");
    drop(ledger);
    let ledger = Ledger::open(&path).expect("a damaged run does not keep the ledger closed");
    assert_only_beta_damaged(&ledger, 2, "after reopening");
    let rows: i64 = raw.query_row("SELECT count(*) FROM events", [], |cells| cells.get(0)).expect("count");
    assert_eq!(rows, 12);
}
