//! The chained CRC-32 of a run, and the pure verification of rows read back.
//!
//! Each row's checksum covers the checksum before it, so a row that is changed, moved, swapped
//! or dropped breaks the chain at its place. The format is drawn in `FORMAT.md`.

use crate::row::{Refusal, Row};

/// The newest link of a run's chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the newest row; 0 for a run without rows.
    pub seq: u64,
    /// Checksum of the newest row; 0 for a run without rows.
    pub crc: u32,
}

/// What is wrong with a stored row or with the run around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The row's content and the chain before it do not give the stored checksum.
    #[error("checksum {stored:#010x} does not fit the row, which gives {computed:#010x}")]
    Checksum {
        /// The checksum in the ledger.
        stored: u32,
        /// The checksum of what the ledger holds.
        computed: u32,
    },
    /// The row expected here is absent; the next one present has another number.
    #[error("the next row is number {found}")]
    Gap {
        /// Sequence number found instead.
        found: u64,
    },
    /// The row stands before an older row of its run in the global order.
    #[error("the row is at position {pos}, before its predecessor")]
    OutOfOrder {
        /// Global position of the row.
        pos: u64,
    },
    /// The rows end before the newest one that was ever committed.
    #[error("rows up to number {newest} were committed and are gone")]
    TailMissing {
        /// Sequence number the head of the run names.
        newest: u64,
    },
    /// The head of the run is absent or contradicts the rows.
    #[error("the head of the run does not fit its rows")]
    HeadDiffers,
    /// A field cannot be read as what it must be.
    #[error("unreadable: {detail}")]
    Unreadable {
        /// What SQLite or the conversion said.
        detail: String,
    },
}

/// The checksum of `row` when `previous` is the checksum of the row before it in its run
/// (0 for the first): CRC-32/IEEE over `previous` and every field, integers little-endian,
/// each field preceded by its length in bytes as a little-endian u64.
#[must_use]
pub fn link(previous: u32, row: &Row) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&previous.to_le_bytes());
    let (seq, attempt, unix_ms) =
        (row.seq.to_le_bytes(), row.attempt.to_le_bytes(), row.unix_ms.to_le_bytes());
    let fields: [&[u8]; 6] =
        [row.run_id.as_bytes(), &seq, &attempt, &unix_ms, row.kind.as_bytes(), row.body.as_bytes()];
    for field in fields {
        crc.update(&(field.len() as u64).to_le_bytes());
        crc.update(field);
    }
    crc.finalize()
}

/// The checksum of a cursor: CRC-32/IEEE over the length-prefixed name and the value.
#[must_use]
pub fn cursor_crc(name: &str, value: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&(name.len() as u64).to_le_bytes());
    crc.update(name.as_bytes());
    crc.update(&value.to_le_bytes());
    crc.finalize()
}

impl Head {
    /// The head after appending `row`.
    ///
    /// # Errors
    /// [`Refusal::Gap`] unless the row carries the next sequence number.
    pub fn append(self, row: &Row) -> Result<Self, Refusal> {
        let expected = self.seq.saturating_add(1);
        if row.seq != expected {
            return Err(Refusal::Gap { run_id: row.run_id.clone(), expected, found: row.seq });
        }
        Ok(Self { seq: row.seq, crc: link(self.crc, row) })
    }
}

/// Walks the rows of one run in sequence order and says where they stop being trustworthy.
#[derive(Debug, Default)]
pub struct Verifier {
    head: Head,
    pos: u64,
}

impl Verifier {
    /// Sequence number of the row expected next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.head.seq.saturating_add(1)
    }

    /// Takes the next row, found at global position `pos` with checksum `stored`.
    ///
    /// # Errors
    /// The [`Damage`]; nothing after a damaged row can be verified.
    pub fn accept(&mut self, pos: u64, row: &Row, stored: u32) -> Result<(), Damage> {
        if row.seq != self.next_seq() {
            return Err(Damage::Gap { found: row.seq });
        }
        let computed = link(self.head.crc, row);
        if computed != stored {
            return Err(Damage::Checksum { stored, computed });
        }
        if pos <= self.pos {
            return Err(Damage::OutOfOrder { pos });
        }
        *self = Self { head: Head { seq: row.seq, crc: computed }, pos };
        Ok(())
    }

    /// Compares the end of the rows with the head kept beside them, which is what shows that
    /// rows at the end are gone.
    ///
    /// # Errors
    /// [`Damage::TailMissing`] or [`Damage::HeadDiffers`].
    pub fn finish(&self, kept: Option<Head>) -> Result<(), Damage> {
        match kept {
            Some(head) if head == self.head => Ok(()),
            Some(head) if head.seq > self.head.seq => Err(Damage::TailMissing { newest: head.seq }),
            Some(_) | None => Err(Damage::HeadDiffers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64) -> Row {
        Row {
            run_id: "run-1".into(),
            seq,
            attempt: 2,
            unix_ms: 1_700_000_000_123,
            kind: "status".into(),
            body: format!(r#"{{"n":{seq}}}"#),
        }
    }

    /// Values computed independently (Python `zlib.crc32` over `struct.pack` of the fields).
    #[test]
    fn the_chain_has_its_published_values() {
        let first = link(0, &row(1));
        assert_eq!(first, 0x8343_3082);
        assert_eq!(link(first, &row(2)), 0xaab9_4e81);
        assert_eq!(cursor_crc("nats", 42), 0x4f3b_2256);
    }

    #[test]
    fn bytes_moved_between_neighbouring_fields_change_the_checksum() {
        let left = Row { kind: "ab".into(), body: "c".into(), ..row(1) };
        let right = Row { kind: "a".into(), body: "bc".into(), ..row(1) };
        assert_ne!(link(0, &left), link(0, &right));
    }

    #[test]
    fn only_the_next_number_is_appended() {
        let head = Head::default().append(&row(1)).expect("runs start at 1");
        assert_eq!(head.seq, 1);
        for wrong in [0, 1, 3] {
            let refused = head.append(&row(wrong)).expect_err("not the next number");
            assert_eq!(refused, Refusal::Gap { run_id: "run-1".into(), expected: 2, found: wrong });
        }
    }

    #[test]
    fn a_verifier_names_the_first_untrustworthy_row() {
        let (first, second) = (link(0, &row(1)), link(link(0, &row(1)), &row(2)));
        let mut verifier = Verifier::default();
        assert_eq!(verifier.accept(5, &row(1), first), Ok(()));
        assert_eq!(verifier.accept(6, &row(3), 0), Err(Damage::Gap { found: 3 }));
        assert!(matches!(verifier.accept(6, &row(2), second ^ 1), Err(Damage::Checksum { .. })));
        assert_eq!(verifier.accept(5, &row(2), second), Err(Damage::OutOfOrder { pos: 5 }));
        assert_eq!(verifier.next_seq(), 2);
        assert_eq!(verifier.accept(6, &row(2), second), Ok(()));
    }

    #[test]
    fn the_head_shows_a_missing_tail() {
        let mut verifier = Verifier::default();
        let crc = link(0, &row(1));
        verifier.accept(1, &row(1), crc).expect("the first row verifies");
        assert_eq!(verifier.finish(Some(Head { seq: 1, crc })), Ok(()));
        assert_eq!(verifier.finish(Some(Head { seq: 4, crc: 9 })), Err(Damage::TailMissing { newest: 4 }));
        assert_eq!(verifier.finish(Some(Head { seq: 1, crc: crc ^ 1 })), Err(Damage::HeadDiffers));
        assert_eq!(verifier.finish(Some(Head { seq: 0, crc: 0 })), Err(Damage::HeadDiffers));
        assert_eq!(verifier.finish(None), Err(Damage::HeadDiffers));
    }
}
