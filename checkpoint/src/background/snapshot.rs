//! A copy of a draft, in memory that is kept from one copy to the next.
//!
//! A fresh page costs ten times what copying into it costs, so a snapshot's memory is given back to the
//! [saver](super::Saver) and not to the system.

use std::time::Duration;

use rayon::prelude::*;

use crate::meta::Meta;
use crate::section::{Compression, Draft, Element, Section};

/// Copied by one thread at a time. Small enough that a thread which is late does not hold the others up.
const PIECE_BYTES: usize = 4 << 20;
/// Below this, waking other threads costs more than they save.
pub(super) const PARALLEL_BYTES_MIN: usize = 8 << 20;

/// There is not enough memory for a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for a copy of {bytes} bytes")]
pub(super) struct NoRoom {
    pub bytes: usize,
}

/// A draft that owns its bytes, with the name it is to be saved under.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub file_name: String,
    pub games: u64,
    pub meta: Meta,
    /// How long whoever asked for it stood still.
    pub stall: Duration,
    unix_time: i64,
    sections: Vec<Copied>,
    /// The sections one after the other; what is behind them is room.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Copied {
    name: String,
    element: Element,
    compression: Compression,
    bytes: usize,
}

impl Snapshot {
    /// How many bytes of sections it can take without asking the system for memory.
    pub(super) fn room(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for `bytes`, touching every page of it, so that a copy finds them all in place. What
    /// the snapshot holds stays.
    pub(super) fn make_room(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if let Some(more) = bytes.checked_sub(self.bytes.len()) {
            self.bytes.try_reserve_exact(more).map_err(|_| NoRoom { bytes })?;
            self.bytes.resize(bytes, 0);
        }
        Ok(())
    }

    /// Becomes a copy of `draft`, to be saved as `file_name`. If there is no room it stays what it was.
    pub(super) fn fill(&mut self, file_name: &str, draft: &Draft<'_>) -> Result<(), NoRoom> {
        let sizes = draft.sections.iter().map(|section| section.parts.iter().map(|part| part.len()).sum());
        let sizes: Vec<usize> = sizes.collect();
        let total = sizes.iter().sum();
        self.make_room(total)?;
        copy(draft, &mut self.bytes);
        file_name.clone_into(&mut self.file_name);
        self.games = draft.games;
        self.meta = draft.meta.clone();
        self.unix_time = draft.unix_time;
        let copied = draft.sections.iter().zip(sizes).map(|(section, bytes)| Copied {
            name: section.name.to_owned(),
            element: section.element,
            compression: section.compression,
            bytes,
        });
        self.sections = copied.collect();
        Ok(())
    }

    /// Bytes of the sections it holds.
    pub(super) fn bytes_used(&self) -> usize {
        self.sections.iter().map(|section| section.bytes).sum()
    }

    /// Gives it to `read` as a draft.
    pub(super) fn read<R>(&self, read: impl FnOnce(&Draft<'_>) -> R) -> R {
        let mut rest = self.bytes.as_slice();
        let parts = self.sections.iter().map(|section| {
            let (bytes, behind) = rest.split_at_checked(section.bytes).unwrap_or((rest, &[]));
            rest = behind;
            [bytes]
        });
        let parts: Vec<[&[u8]; 1]> = parts.collect();
        let sections = self.sections.iter().zip(&parts).map(|(section, parts)| Section {
            name: &section.name,
            element: section.element,
            parts,
            compression: section.compression,
        });
        let sections: Vec<Section<'_>> = sections.collect();
        let (games, unix_time, meta) = (self.games, self.unix_time, &self.meta);
        read(&Draft { games, unix_time, meta, sections: &sections })
    }
}

/// Copies all parts of all sections, in order, to the beginning of `target`, which has room for them.
fn copy(draft: &Draft<'_>, target: &mut [u8]) {
    let mut rest = target;
    let mut pieces = Vec::new();
    let mut total = 0usize;
    for part in draft.sections.iter().flat_map(|section| section.parts) {
        let (to, behind) = rest.split_at_mut(part.len().min(rest.len()));
        rest = behind;
        total = total.saturating_add(part.len());
        pieces.extend(to.chunks_mut(PIECE_BYTES).zip(part.chunks(PIECE_BYTES)));
    }
    if total < PARALLEL_BYTES_MIN {
        pieces.into_iter().for_each(|(to, from)| to.copy_from_slice(from));
    } else {
        pieces.into_par_iter().for_each(|(to, from)| to.copy_from_slice(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section<'a>(name: &'a str, parts: &'a [&'a [u8]]) -> Section<'a> {
        Section { name, element: Element::U8, parts, compression: Compression::None }
    }

    /// Fills `snapshot` with `sections` and gives back what a reader gets: names and bytes.
    fn through(snapshot: &mut Snapshot, sections: &[Section<'_>]) -> Vec<(String, Vec<u8>)> {
        let meta = Meta { step: 7, ..Meta::default() };
        let draft = Draft { games: 7, unix_time: 8, meta: &meta, sections };
        snapshot.fill("a.prsm", &draft).unwrap();
        snapshot.read(|copy| {
            assert_eq!((copy.games, copy.unix_time, copy.meta), (7, 8, &meta));
            copy.sections.iter().map(|section| (section.name.to_owned(), section.parts.concat())).collect()
        })
    }

    #[test]
    fn a_copy_has_the_parts_joined_and_nothing_of_what_was_there_before() {
        let mut snapshot = Snapshot::default();
        let long = [9; 100];
        through(&mut snapshot, &[section("old", &[&long])]);
        let found = through(&mut snapshot, &[section("a", &[b"12", b"", b"3"]), section("b", &[])]);
        assert_eq!(found, [("a".to_owned(), b"123".to_vec()), ("b".to_owned(), Vec::new())]);
        assert_eq!((snapshot.bytes_used(), snapshot.room()), (3, 100));
    }

    #[test]
    fn a_copy_by_many_threads_is_the_same() {
        let number = |index: usize| (index.wrapping_mul(0x9e37_79b9) >> 13) as u8;
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 12_345).map(number).collect();
        let (first, second) = bytes.split_at(PIECE_BYTES + 1);
        let found =
            through(&mut Snapshot::default(), &[section("a", &[first, second]), section("b", &[b"x"])]);
        assert!(found[0].1 == bytes, "the copy differs");
        assert_eq!(found[1].1, b"x");
    }

    #[test]
    fn without_memory_a_snapshot_stays_what_it_was() {
        let mut snapshot = Snapshot::default();
        through(&mut snapshot, &[section("a", &[b"123"])]);
        assert_eq!(snapshot.make_room(usize::MAX), Err(NoRoom { bytes: usize::MAX }));
        assert_eq!(snapshot.read(|draft| draft.sections[0].parts.concat()), b"123");
    }
}
