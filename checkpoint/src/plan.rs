//! Divides a draft into chunks, before anything is written.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::digest::SLAB_BYTES;
use crate::layout::SECTION_NAME_BYTES_MAX;
use crate::section::{Compression, Draft, Section};
use crate::start::{ALIGNMENT, CHUNK_BYTES, HEAD_BYTES_MAX, SECTION_BYTES, START_BYTES, is_chunk_size};

/// Why a draft cannot be saved. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A section's name is empty or too long.
    #[error("section name \"{}\" is not 1 to 255 bytes long", name.escape_debug())]
    Name {
        /// The name as given.
        name: String,
    },
    /// Two sections have one name.
    #[error("two sections are called \"{}\"", name.escape_debug())]
    SameName {
        /// Their name.
        name: String,
    },
    /// A section ends within an element.
    #[error("section \"{}\" has {bytes} bytes, which are not whole elements of {element_bytes}", name.escape_debug())]
    Element {
        /// Name of the section.
        name: String,
        /// Its length.
        bytes: u64,
        /// Size of one element.
        element_bytes: usize,
    },
    /// The chunk size is not one that readers take.
    #[error("chunk size {0} is no power of two from 512 to 16777216")]
    ChunkSize(u32),
    /// The metadata cannot be stored.
    #[error("metadata is larger than 1 MiB")]
    Meta,
    /// There are too many sections or chunks.
    #[error("{sections} sections and {chunks} chunks need tables of more than 16 MiB")]
    TooMany {
        /// Number of sections.
        sections: usize,
        /// Number of chunks.
        chunks: u64,
    },
}

/// A draft, divided.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub draft: &'a Draft<'a>,
    pub meta_block: Vec<u8>,
    pub chunk_bytes: u32,
    pub data_offset: u64,
    pub pieces: Vec<Piece<'a>>,
}

/// One chunk to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// Number of its section.
    pub section: usize,
    pub compression: Compression,
    pub raw_bytes: usize,
    /// The parts of its section from the one on in which it begins.
    parts: &'a [&'a [u8]],
    /// Where in the first of them it begins.
    skip: usize,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(draft: &'a Draft<'a>, chunk_bytes: u32) -> Result<Self, DraftError> {
        if !is_chunk_size(chunk_bytes) {
            return Err(DraftError::ChunkSize(chunk_bytes));
        }
        check_sections(draft.sections)?;
        let meta_block = draft.meta.encode().ok_or(DraftError::Meta)?;
        let chunk_count = |section: &Section<'_>| section.raw_bytes().div_ceil(chunk_bytes.into());
        let chunks: u64 = draft.sections.iter().map(chunk_count).fold(0, u64::saturating_add);
        let names: usize = draft.sections.iter().map(|section| SECTION_BYTES + section.name.len()).sum();
        let fixed = START_BYTES + meta_block.len() + names;
        let tables_end = chunks.saturating_mul(CHUNK_BYTES as u64).saturating_add(fixed as u64);
        if tables_end > HEAD_BYTES_MAX {
            return Err(DraftError::TooMany { sections: draft.sections.len(), chunks });
        }
        let data_offset = tables_end.next_multiple_of(ALIGNMENT);
        let sections = draft.sections.iter().enumerate();
        let pieces = sections.flat_map(|(index, section)| divide(index, section, chunk_bytes as usize));
        let pieces = pieces.collect();
        Ok(Self { draft, meta_block, chunk_bytes, data_offset, pieces })
    }

    /// Whether the whole file is one slab, for which no help by other threads is needed.
    pub(crate) fn is_small(&self) -> bool {
        let sections = self.draft.sections;
        let data_bytes =
            sections.iter().map(|section| section.raw_bytes() + ALIGNMENT).fold(0, u64::saturating_add);
        self.data_offset.saturating_add(data_bytes) <= SLAB_BYTES
    }
}

fn check_sections(sections: &[Section<'_>]) -> Result<(), DraftError> {
    let mut names = BTreeSet::new();
    for section in sections {
        let name = section.name.to_owned();
        let (bytes, element_bytes) = (section.raw_bytes(), section.element.bytes());
        if name.is_empty() || name.len() > SECTION_NAME_BYTES_MAX {
            return Err(DraftError::Name { name });
        }
        if !names.insert(section.name) {
            return Err(DraftError::SameName { name });
        }
        if bytes % element_bytes as u64 != 0 {
            return Err(DraftError::Element { name, bytes, element_bytes });
        }
    }
    Ok(())
}

fn divide<'a>(index: usize, section: &Section<'a>, chunk_bytes: usize) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let (mut parts, mut skip) = (section.parts, 0);
    let mut left = section.raw_bytes();
    while left > 0 {
        let raw_bytes = usize::try_from(left).unwrap_or(usize::MAX).min(chunk_bytes);
        pieces.push(Piece { section: index, compression: section.compression, raw_bytes, parts, skip });
        left -= raw_bytes as u64;
        // Step over the parts that end within this piece.
        skip += raw_bytes;
        while let Some((first, behind)) = parts.split_first()
            && skip >= first.len()
        {
            skip -= first.len();
            parts = behind;
        }
    }
    pieces
}

impl<'a> Piece<'a> {
    /// Its bytes in one piece; copied only where they lie in several parts.
    pub(crate) fn joined(&self) -> Cow<'a, [u8]> {
        let first = self.parts.first().and_then(|part| part.get(self.skip..)).unwrap_or_default();
        if let Some(bytes) = first.get(..self.raw_bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut joined = Vec::with_capacity(self.raw_bytes);
        joined.extend_from_slice(first);
        for part in self.parts.iter().skip(1) {
            let missing = self.raw_bytes - joined.len();
            if missing == 0 {
                break;
            }
            joined.extend_from_slice(&part[..missing.min(part.len())]);
        }
        Cow::Owned(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;
    use crate::section::Element;

    fn section<'a>(name: &'a str, parts: &'a [&'a [u8]]) -> Section<'a> {
        Section { name, element: Element::Bytes, parts, compression: Compression::None }
    }

    fn error(sections: &[Section<'_>], chunk_bytes: u32) -> String {
        let draft = Draft { games: 0, unix_time: 0, meta: &Meta::default(), sections };
        Plan::new(&draft, chunk_bytes).unwrap_err().to_string()
    }

    #[test]
    fn pieces_are_the_section_cut_at_chunks_however_its_parts_are_cut() {
        let bytes: Vec<u8> = (0..2000_u32).map(|n| (n % 251) as u8).collect();
        for size in [1, 7, 511, 512, 513, 1024, 2000] {
            let mut parts: Vec<&[u8]> = bytes.chunks(size).collect();
            parts.insert(0, b"");
            parts.push(b"");
            let joined: Vec<Vec<u8>> = divide(0, &section("a", &parts), 512)
                .iter()
                .map(|piece| piece.joined().into_owned())
                .collect();
            let expected: Vec<&[u8]> = bytes.chunks(512).collect();
            assert_eq!(joined, expected, "parts of {size}");
        }
        assert!(divide(0, &section("a", &[b"", b""]), 512).is_empty());
    }

    #[test]
    fn what_lies_in_one_part_is_not_copied() {
        let parts: [&[u8]; 1] = [&[7; 1024]];
        let pieces = divide(0, &section("a", &parts), 512);
        assert!(pieces.iter().all(|piece| matches!(piece.joined(), Cow::Borrowed(_))));
    }

    #[test]
    fn a_draft_that_no_file_can_hold_is_refused_with_the_reason() {
        let long = "x".repeat(256);
        assert!(error(&[section("", &[])], 512).contains("1 to 255 bytes"));
        assert!(error(&[section(&long, &[])], 512).contains("1 to 255 bytes"));
        assert!(
            error(&[section("a", &[]), section("a", &[])], 512).contains("two sections are called \"a\"")
        );
        let odd = Section { element: Element::F32, ..section("weights", &[b"12345"]) };
        assert!(error(&[odd], 512).contains("\"weights\" has 5 bytes"));
        assert!(error(&[], 500).contains("chunk size 500"));
        let page: &[u8] = &[0; 1 << 16];
        let huge: Vec<&[u8]> = vec![page; 1 << 14];
        assert!(error(&[section("a", &huge)], 512).contains("2097152 chunks"));
    }
}
