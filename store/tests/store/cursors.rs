//! Cursors: kept, replaced, set together with rows, and checked when read.

use crate::support::{new_ledger, raw, rows};
use resus_store::{Batch, Cursor, ReadError};

#[test]
fn a_cursor_keeps_its_newest_value() {
    let (_folder, path, mut ledger) = new_ledger();
    let reader = ledger.reader().expect("a reader");
    assert_eq!(reader.cursor("nats").expect("readable"), None);
    ledger.set_cursor("nats", 7).expect("set");
    ledger.set_cursor("file", 9).expect("set");
    ledger.set_cursor("nats", 3).expect("a cursor may go back");
    drop(ledger);
    let reader = resus_store::Reader::open(&path).expect("a reader");
    assert_eq!(reader.cursor("nats").expect("readable"), Some(3));
    assert_eq!(reader.cursor("file").expect("readable"), Some(9));
}

#[test]
fn a_batch_with_a_bad_cursor_leaves_its_rows_out() {
    let (_folder, _path, mut ledger) = new_ledger();
    let nameless = Cursor { name: String::new(), value: 1 };
    let batch = Batch { ticket: 1, rows: rows("a", 1, 2), cursors: vec![nameless] };
    let results = ledger.append_batches(&[&batch]).expect("a transaction");
    assert!(results[0].is_err());
    assert_eq!(ledger.reader().expect("a reader").last_pos().expect("readable"), 0);
}

#[test]
fn every_flipped_bit_of_a_cursor_is_noticed() {
    let (_folder, path, mut ledger) = new_ledger();
    ledger.set_cursor("nats", 1234).expect("set");
    let (raw, reader) = (raw(&path), ledger.reader().expect("a reader"));
    for column in ["value", "crc"] {
        for bit in 0..63 {
            let flip = format!(
                "UPDATE cursors SET {column} = ({column} | {mask}) - ({column} & {mask})",
                mask = 1_i64 << bit
            );
            raw.execute_batch(&flip).expect("flip");
            let damaged = reader.cursor("nats");
            assert!(
                matches!(damaged, Err(ReadError::DamagedCursor { .. })),
                "{column} bit {bit}: {damaged:?}"
            );
            raw.execute_batch(&flip).expect("flip back");
        }
    }
    assert_eq!(reader.cursor("nats").expect("whole again"), Some(1234));
}
