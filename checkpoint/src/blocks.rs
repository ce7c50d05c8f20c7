//! The raw bytes of one section as a stream of blocks, from a file of any version.

use std::io::{BufReader, Read};

use crate::load::PAYLOAD;
use crate::old::{self, Stored, Unpacker};
use crate::open::{Front, Opened};
use crate::refusal::Refusal;
use crate::section::{Compression, Element};
use crate::verify::read_chunk;

/// Bytes of a block of the older versions.
const BLOCK_BYTES: usize = 256 * 1024;

/// One section, block by block. A block is whole elements.
pub(crate) struct Blocks<'a> {
    source: Source<'a>,
    /// Holds the block; and while it is unpacked, its packed form.
    buffer: Vec<u8>,
    /// Bytes of the block, and how many of them were skipped.
    length: usize,
    skipped: usize,
    /// Bytes of all blocks so far.
    bytes: u64,
}

/// Where the next block comes from.
enum Source<'a> {
    /// Chunks of a version 3 file: those of these numbers.
    Chunks(&'a Opened, std::ops::Range<usize>, Compression),
    Plain(Stored<'a>),
    Packed(Box<Unpacker<BufReader<Stored<'a>>>>),
}

impl<'a> Blocks<'a> {
    /// Names and elements of a file's sections.
    pub(crate) fn sections(opened: &Opened) -> Vec<(String, Element)> {
        match &opened.front {
            Front::Old(_) => vec![(PAYLOAD.to_owned(), Element::Bytes)],
            Front::V3 { head, .. } => {
                head.sections.iter().map(|section| (section.name.clone(), section.element)).collect()
            }
        }
    }

    /// The section of that name; an empty one if there is none.
    pub(crate) fn of(opened: &'a Opened, name: &str) -> Result<Self, Refusal> {
        let source = match &opened.front {
            Front::Old(header) => {
                let stored = Stored::new(&*opened.file, opened.size, header);
                if header.is_compressed() {
                    let reader = BufReader::with_capacity(BLOCK_BYTES, stored);
                    Source::Packed(Box::new(old::unpacker(reader)?))
                } else {
                    Source::Plain(stored)
                }
            }
            Front::V3 { head, .. } => {
                let section = head.sections.iter().find(|section| section.name == name);
                let chunks = section.map_or(0..0, |section| section.chunks.clone());
                let compression = section.map_or(Compression::None, |section| section.compression);
                Source::Chunks(opened, chunks, compression)
            }
        };
        Ok(Self { source, buffer: Vec::new(), length: 0, skipped: 0, bytes: 0 })
    }

    /// What is left of the current block, or else the next one; nothing at the end.
    pub(crate) fn rest(&mut self) -> Result<&[u8], Refusal> {
        if self.skipped == self.length {
            self.length = self.read()?;
            self.skipped = 0;
            self.bytes += self.length as u64;
        }
        Ok(self.buffer.get(self.skipped..self.length).unwrap_or_default())
    }

    /// Steps over bytes of what [`Blocks::rest`] returned.
    pub(crate) fn skip(&mut self, count: usize) {
        self.skipped = self.length.min(self.skipped + count);
    }

    /// Steps to the end. Returns how many bytes the section has.
    pub(crate) fn drain(&mut self) -> Result<u64, Refusal> {
        loop {
            let count = self.rest()?.len();
            if count == 0 {
                return Ok(self.bytes);
            }
            self.skip(count);
        }
    }

    /// Reads the next block to the beginning of the buffer. Returns its length.
    fn read(&mut self) -> Result<usize, Refusal> {
        match &mut self.source {
            Source::Chunks(opened, chunks, compression) => {
                let Front::V3 { head, .. } = &opened.front else { return Ok(0) };
                let Some(index) = chunks.next() else { return Ok(0) };
                let Some(chunk) = head.chunks.get(index) else { return Ok(0) };
                Ok(read_chunk(&*opened.file, head, index, chunk, *compression, &mut self.buffer)?.len())
            }
            Source::Plain(stored) => {
                self.buffer.resize(BLOCK_BYTES, 0);
                stored.read(&mut self.buffer).map_err(Refusal::Read)
            }
            Source::Packed(unpacker) => {
                self.buffer.resize(BLOCK_BYTES, 0);
                unpacker.read(&mut self.buffer).map_err(|error| old::broken(&error))
            }
        }
    }
}
