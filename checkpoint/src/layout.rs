//! The head of a version 3 file: fixed header, metadata, section table, chunk table. Everything that the
//! rest of the file is read by, checked as a whole before anything is believed.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::digest::DIGEST_BYTES;
use crate::header::Header;
use crate::meta::Meta;
use crate::refusal::Refusal;
use crate::section::{Compression, Element};
use crate::start::{ALIGNMENT, CHUNK_BYTES, SECTION_BYTES, START_BYTES, Start};

/// The longest name of a section.
pub(crate) const SECTION_NAME_BYTES_MAX: usize = 255;

/// One section's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub name: String,
    pub element: Element,
    pub compression: Compression,
    pub raw_bytes: u64,
    pub stored_bytes: u64,
    /// Where its first chunk lies in the file.
    pub offset: u64,
    /// Its chunks in [`Head::chunks`].
    pub chunks: Range<usize>,
}

/// One chunk's entry. `offset` and `raw_bytes` follow from what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub offset: u64,
    pub raw_bytes: u32,
    pub stored_bytes: u32,
    pub crc: u32,
}

impl Chunk {
    /// Where it ends in the file.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.stored_bytes)
    }
}

/// All that a file says before its data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub header: Header,
    pub meta: Meta,
    pub sections: Vec<SectionEntry>,
    pub chunks: Vec<Chunk>,
    pub chunk_bytes: u32,
    pub data_offset: u64,
    pub file_bytes: u64,
}

impl Head {
    /// Where the data ends and the digest begins.
    pub(crate) fn data_end(&self) -> u64 {
        self.file_bytes.saturating_sub(DIGEST_BYTES as u64)
    }

    /// The section to which a chunk belongs.
    pub(crate) fn section_of(&self, chunk: usize) -> Option<&SectionEntry> {
        let index = self.sections.partition_point(|section| section.chunks.end <= chunk);
        self.sections.get(index)
    }

    /// The head as stored, up to `data_offset`.
    pub(crate) fn encode(&self, meta_block: &[u8]) -> Vec<u8> {
        let mut tables = meta_block.to_vec();
        for section in &self.sections {
            let chunk_count = u32::try_from(section.chunks.len()).unwrap_or(u32::MAX);
            let name_bytes = u16::try_from(section.name.len()).unwrap_or(u16::MAX);
            tables.extend([section.element.code(), section.compression.code()]);
            tables.extend(name_bytes.to_le_bytes());
            tables.extend(chunk_count.to_le_bytes());
            for long in [section.raw_bytes, section.stored_bytes, section.offset] {
                tables.extend(long.to_le_bytes());
            }
            tables.extend(section.name.as_bytes());
        }
        let sections_bytes = tables.len() - meta_block.len();
        for chunk in &self.chunks {
            tables.extend(chunk.stored_bytes.to_le_bytes());
            tables.extend(chunk.crc.to_le_bytes());
        }
        let data_offset = usize::try_from(self.data_offset).unwrap_or(0);
        tables.resize(data_offset.saturating_sub(START_BYTES), 0);
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let start = Start {
            header: self.header,
            file_bytes: self.file_bytes,
            data_offset: self.data_offset,
            meta_bytes: small(meta_block.len()),
            sections_bytes: small(sections_bytes),
            section_count: small(self.sections.len()),
            chunk_count: small(self.chunks.len()),
            chunk_bytes: self.chunk_bytes,
            tables_crc: crc32fast::hash(&tables),
        };
        [&start.encode()[..], &tables].concat()
    }

    /// Reads the tables: the bytes of the file from the end of the fixed header up to `data_offset`.
    pub(crate) fn decode(start: &Start, tables: &[u8]) -> Result<Self, Refusal> {
        let found = crc32fast::hash(tables);
        if found != start.tables_crc {
            let (first, last) = (START_BYTES as u64, start.data_offset.saturating_sub(1));
            return Err(Refusal::TableDamaged { first, last, expected: start.tables_crc, found });
        }
        let mut rest = tables;
        let meta = take(&mut rest, start.meta_bytes as usize)?;
        let meta = Meta::decode(meta).ok_or_else(|| contradiction("its metadata cannot be read"))?;
        let mut sections = take(&mut rest, start.sections_bytes as usize)?;
        let mut chunks = take(&mut rest, start.chunk_count as usize * CHUNK_BYTES)?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(contradiction("the bytes behind the tables are not zero"));
        }
        let mut head = Self {
            header: start.header,
            meta,
            sections: Vec::new(),
            chunks: Vec::with_capacity(chunks.len() / CHUNK_BYTES),
            chunk_bytes: start.chunk_bytes,
            data_offset: start.data_offset,
            file_bytes: start.file_bytes,
        };
        let mut end = start.data_offset;
        for _ in 0..start.section_count {
            end = head.decode_section(&mut sections, &mut chunks, end)?;
        }
        if !(sections.is_empty() && chunks.is_empty()) {
            return Err(contradiction("the tables have entries for no section"));
        }
        if end.checked_add(DIGEST_BYTES as u64) != Some(start.file_bytes) {
            return Err(contradiction("the data does not end before the digest"));
        }
        head.check_whole()?;
        Ok(head)
    }

    /// Reads one section's entry and those of its chunks; `end` is where the section before it ends.
    /// Returns where this one ends.
    fn decode_section(&mut self, entries: &mut &[u8], chunks: &mut &[u8], end: u64) -> Result<u64, Refusal> {
        let entry = take(entries, SECTION_BYTES)?;
        let (kind, numbers) = entry.split_at(4);
        let (count, longs) = numbers.split_at(4);
        let chunk_count = little_endian::<4>(count);
        let [raw_bytes, stored_bytes, offset] =
            [0, 8, 16].map(|at| u64::from_le_bytes(little_endian_bytes(&longs[at..at + 8])));
        let name = take(entries, usize::from(u16::from_le_bytes([kind[2], kind[3]])))?;
        let name =
            String::from_utf8(name.to_vec()).map_err(|_| contradiction("a section's name is not UTF-8"))?;
        let element =
            Element::from_code(kind[0]).ok_or_else(|| contradiction("an element type is unknown"))?;
        let compression =
            Compression::from_code(kind[1]).ok_or_else(|| contradiction("a compression is unknown"))?;
        if name.is_empty() || name.len() > SECTION_NAME_BYTES_MAX {
            return Err(contradiction("a section's name is not 1 to 255 bytes long"));
        }
        if raw_bytes % element.bytes() as u64 != 0 {
            return Err(contradiction("a section ends within an element"));
        }
        if raw_bytes.div_ceil(u64::from(self.chunk_bytes)) != chunk_count {
            return Err(contradiction("a section's chunks are not as many as its length needs"));
        }
        if end.checked_next_multiple_of(ALIGNMENT) != Some(offset) {
            return Err(contradiction("a section does not begin behind the one before it"));
        }
        let first = self.chunks.len();
        let mut at = offset;
        let mut left = raw_bytes;
        for _ in 0..chunk_count {
            let entry = take(chunks, CHUNK_BYTES)?;
            let raw = u32::try_from(left.min(u64::from(self.chunk_bytes))).unwrap_or(self.chunk_bytes);
            let [stored_bytes, crc] =
                [0, 4].map(|at| u32::from_le_bytes(little_endian_bytes(&entry[at..at + 4])));
            let whole = compression == Compression::None && stored_bytes != raw;
            if whole || stored_bytes == 0 || stored_bytes > raw {
                return Err(contradiction("a chunk's stored length does not fit its raw length"));
            }
            let chunk = Chunk { offset: at, raw_bytes: raw, stored_bytes, crc };
            left -= u64::from(raw);
            at = at.checked_add(stored_bytes.into()).ok_or_else(|| contradiction("a section has no end"))?;
            self.chunks.push(chunk);
        }
        if at - offset != stored_bytes {
            return Err(contradiction("a section's chunks are not as long as the section"));
        }
        let chunks = first..self.chunks.len();
        self.sections.push(SectionEntry {
            name,
            element,
            compression,
            raw_bytes,
            stored_bytes,
            offset,
            chunks,
        });
        Ok(at)
    }

    /// What can be said of the sections only together.
    fn check_whole(&self) -> Result<(), Refusal> {
        let names: BTreeSet<&str> = self.sections.iter().map(|section| section.name.as_str()).collect();
        if names.len() != self.sections.len() {
            return Err(contradiction("two sections have the same name"));
        }
        let compressed = self.sections.iter().any(|section| section.compression != Compression::None);
        if compressed != self.header.is_compressed() {
            return Err(contradiction("its flags and its sections differ about compression"));
        }
        Ok(())
    }
}

fn contradiction(what: &'static str) -> Refusal {
    Refusal::Contradiction { what }
}

/// Cuts the next `count` bytes off.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Refusal> {
    let (taken, left) = rest.split_at_checked(count).ok_or_else(|| contradiction("a table is too short"))?;
    *rest = left;
    Ok(taken)
}

/// The number in `N` bytes, of which there are as many for every caller in this file.
fn little_endian<const N: usize>(bytes: &[u8]) -> u64 {
    bytes.iter().take(N).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn little_endian_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}
