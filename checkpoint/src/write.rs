//! Writes a version 3 file: chunks are packed, checked and hashed by the threads of the ambient rayon
//! pool while the caller writes those before them. The front of the file, which needs all checksums, is
//! kept back and written last. What is small is done by the caller alone.

use std::borrow::Cow;

use rayon::prelude::*;
use resus_disk::DiskFile;

use crate::codec::pack;
use crate::digest::{DIGEST_BYTES, Node, SLAB_BYTES};
use crate::header::{FLAG_COMPRESSED, FLAG_SEALED, Header, VERSION};
use crate::layout::{Chunk, Head, SectionEntry};
use crate::pace::{self, Pace, Stopped};
use crate::plan::{Piece, Plan};
use crate::section::Compression;
use crate::start::ALIGNMENT;
use crate::tree::Tree;

/// Raw bytes that are prepared while as many are written: enough for each thread to have several slabs,
/// and what packing may need as memory.
const BATCH_BYTES: usize = 32 << 20;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub header: Header,
    pub digest: Node,
}

/// Writes the whole file.
///
/// # Errors
/// What the system says.
pub(crate) fn write(file: &dyn DiskFile, plan: &Plan<'_>, pace: Pace<'_>) -> Result<Written, Stopped> {
    let mut packer = Packer::new(plan);
    let put = |run: Run<'_>| -> Result<(), Stopped> {
        let mut at = run.at;
        for bytes in run.pieces {
            pace::write(file, &bytes, at, pace)?;
            at += bytes.len() as u64;
        }
        Ok(())
    };
    if plan.is_small() {
        put(packer.place(plan.pieces.iter().map(prepare).collect()))?;
    } else {
        let mut before = None;
        for batch in batches(&plan.pieces) {
            let mut placed = None;
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| placed = Some(packer.place(batch.par_iter().map(prepare).collect())));
                before.take().map_or(Ok(()), put)
            })?;
            before = placed;
        }
        before.map_or(Ok(()), put)?;
    }
    let (header, mut front, data_end, tree) = packer.finish();
    let digest = tree.finish(&front);
    if front.len() as u64 == data_end {
        front.extend(digest);
        pace::write(file, &front, 0, pace)?;
    } else {
        pace::write(file, &front, 0, pace)?;
        pace::write(file, &digest, data_end, pace)?;
    }
    Ok(Written { header, digest })
}

/// The pieces in groups of about [`BATCH_BYTES`].
fn batches<'p, 'a>(pieces: &'p [Piece<'a>]) -> Vec<&'p [Piece<'a>]> {
    let mut batches = Vec::new();
    let mut rest = pieces;
    while !rest.is_empty() {
        let mut bytes = 0;
        let full = |piece: &Piece<'_>| {
            bytes += piece.raw_bytes;
            bytes >= BATCH_BYTES
        };
        let count = rest.iter().position(full).map_or(rest.len(), |index| index + 1);
        let (batch, behind) = rest.split_at(count);
        batches.push(batch);
        rest = behind;
    }
    batches
}

/// A chunk as it will be stored.
struct Ready<'a> {
    section: usize,
    raw_bytes: usize,
    stored: Cow<'a, [u8]>,
    crc: u32,
}

fn prepare<'a>(piece: &Piece<'a>) -> Ready<'a> {
    let raw = piece.joined();
    let stored = pack(piece.compression, &raw).map_or(raw, Cow::Owned);
    Ready { section: piece.section, raw_bytes: piece.raw_bytes, crc: crc32fast::hash(&stored), stored }
}

/// Bytes that follow each other in the file from `at` on.
struct Run<'a> {
    at: u64,
    pieces: Vec<Cow<'a, [u8]>>,
}

/// Gives the chunks their places, in order, and keeps account of them.
struct Packer<'p, 'a> {
    plan: &'p Plan<'a>,
    sections: Vec<SectionEntry>,
    chunks: Vec<Chunk>,
    /// CRC of the data area so far.
    crc: crc32fast::Hasher,
    /// Where the next byte goes.
    at: u64,
    /// The file up to `front_end`, the end of the slab in which the head ends.
    front: Vec<u8>,
    front_end: u64,
    tree: Tree,
}

impl<'p, 'a> Packer<'p, 'a> {
    fn new(plan: &'p Plan<'a>) -> Self {
        Self {
            plan,
            sections: Vec::new(),
            chunks: Vec::new(),
            crc: crc32fast::Hasher::new(),
            at: plan.data_offset,
            // The head is at most 16 MiB.
            front: vec![0; usize::try_from(plan.data_offset).unwrap_or(0)],
            front_end: plan.data_offset.next_multiple_of(SLAB_BYTES),
            tree: Tree::default(),
        }
    }

    /// Gives the next chunks their places. Returns what of them is to be written now.
    fn place(&mut self, batch: Vec<Ready<'a>>) -> Run<'a> {
        let mut run = Run { at: self.at.max(self.front_end), pieces: Vec::new() };
        for Ready { section, raw_bytes, stored, crc } in batch {
            while self.sections.len() <= section {
                self.begin_section(&mut run);
            }
            // A chunk has at most 16 MiB.
            let [raw_bytes, stored_bytes] =
                [raw_bytes, stored.len()].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
            self.chunks.push(Chunk { offset: self.at, raw_bytes, stored_bytes, crc });
            if let Some(entry) = self.sections.last_mut() {
                entry.stored_bytes += u64::from(stored_bytes);
                entry.chunks.end = self.chunks.len();
            }
            self.crc.combine(&crc32fast::Hasher::new_with_initial_len(crc, stored_bytes.into()));
            self.push(stored, &mut run);
        }
        if self.chunks.len() == self.plan.pieces.len() {
            while self.sections.len() < self.plan.draft.sections.len() {
                self.begin_section(&mut run);
            }
        }
        if !run.pieces.is_empty() {
            self.tree.take(run.at, &run.pieces);
        }
        run
    }

    fn begin_section(&mut self, run: &mut Run<'a>) {
        const ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
        let Some(section) = self.plan.draft.sections.get(self.sections.len()) else { return };
        let missing = usize::try_from(self.at.next_multiple_of(ALIGNMENT) - self.at).unwrap_or(0);
        self.crc.update(&ZEROS[..missing]);
        self.push(Cow::Borrowed(&ZEROS[..missing]), run);
        self.sections.push(SectionEntry {
            name: section.name.to_owned(),
            element: section.element,
            compression: section.compression,
            raw_bytes: section.raw_bytes(),
            stored_bytes: 0,
            offset: self.at,
            chunks: self.chunks.len()..self.chunks.len(),
        });
    }

    /// Puts bytes behind the others: into the front while it has room.
    fn push(&mut self, bytes: Cow<'a, [u8]>, run: &mut Run<'a>) {
        let room = usize::try_from(self.front_end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.at += bytes.len() as u64;
        if room == 0 {
            run.pieces.extend((!bytes.is_empty()).then_some(bytes));
            return;
        }
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        self.front.extend_from_slice(now);
        if !rest.is_empty() {
            run.pieces.push(match bytes {
                Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[room..]),
                Cow::Owned(bytes) => Cow::Owned(bytes[room..].to_vec()),
            });
        }
    }

    /// The header, the front with its head, the end of the data, and the digest of what is behind the
    /// front.
    fn finish(self) -> (Header, Vec<u8>, u64, Tree) {
        let draft = self.plan.draft;
        let compressed = self.sections.iter().any(|section| section.compression != Compression::None);
        let header = Header {
            version: VERSION,
            flags: FLAG_SEALED | if compressed { FLAG_COMPRESSED } else { 0 },
            crc: self.crc.finalize(),
            games: draft.games,
            unix_time: draft.unix_time,
        };
        let head = Head {
            header,
            meta: draft.meta.clone(),
            sections: self.sections,
            chunks: self.chunks,
            chunk_bytes: self.plan.chunk_bytes,
            data_offset: self.plan.data_offset,
            file_bytes: self.at + DIGEST_BYTES as u64,
        };
        let mut front = self.front;
        for (place, byte) in front.iter_mut().zip(head.encode(&self.plan.meta_block)) {
            *place = byte;
        }
        (header, front, self.at, self.tree)
    }
}
