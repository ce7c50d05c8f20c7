//! The one pass over the data of a version 3 file: every byte is read once, in slabs by several threads,
//! through the digest and the checksum of its chunk, and if wanted to where it is needed.

use resus_disk::DiskFile;

use crate::digest::{DIGEST_BYTES, Node, SLAB_BYTES, SlabHash, in_words, root};
use crate::layout::Head;
use crate::parallel::in_parallel;
use crate::refusal::Refusal;

/// Bytes that are read at a time: they are still in the cache of the core when they are hashed.
const BLOCK_BYTES: usize = 256 * 1024;

/// A piece of memory for the bytes of the file from `offset` on.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub offset: u64,
    pub bytes: &'a mut [u8],
}

/// One piece of work: the slab of that number, and where its bytes are wanted, in order.
#[derive(Debug)]
pub(crate) struct Slab<'a> {
    index: u64,
    targets: Vec<Target<'a>>,
}

/// The file's slabs; `targets` may overlap none of each other.
pub(crate) fn slabs<'a>(head: &Head, targets: impl Iterator<Item = Target<'a>>) -> Vec<Slab<'a>> {
    let count = head.data_end().div_ceil(SLAB_BYTES);
    let mut slabs: Vec<Slab<'a>> = (0..count).map(|index| Slab { index, targets: Vec::new() }).collect();
    for Target { mut offset, mut bytes } in targets {
        while !bytes.is_empty() {
            let index = offset / SLAB_BYTES;
            let here = (index + 1) * SLAB_BYTES - offset;
            let here = usize::try_from(here).unwrap_or(usize::MAX).min(bytes.len());
            let (first, rest) = bytes.split_at_mut(here);
            if let Some(slab) = usize::try_from(index).ok().and_then(|index| slabs.get_mut(index)) {
                slab.targets.push(Target { offset, bytes: first });
            }
            offset += here as u64;
            bytes = rest;
        }
    }
    slabs
}

/// Reads all data of an open file whose head is `head`, read as `head_bytes`, and checks it against
/// chunk table and digest. Returns the digest.
///
/// # Errors
/// What is damaged: the first such place in the file.
pub(crate) fn scan(
    file: &dyn DiskFile,
    head: &Head,
    head_bytes: &[u8],
    slabs: Vec<Slab<'_>>,
) -> Result<Node, Refusal> {
    let only = slabs.len() == 1;
    let seen =
        in_parallel(slabs, head.data_end(), |slab, buffer| read(file, head, head_bytes, slab, buffer, only))?;
    judge_chunks(head, seen.iter().flat_map(|seen| &seen.parts))?;
    let nodes: Vec<Node> = seen.iter().map(|seen| seen.node).collect();
    let expected = root(&nodes);
    let mut found = [0; DIGEST_BYTES];
    file.read_exact_at(&mut found, head.data_end()).map_err(Refusal::Read)?;
    if found == expected {
        return Ok(expected);
    }
    Err(Refusal::Digest { expected: in_words(&expected), found: in_words(&found) })
}

/// What was seen of one slab.
struct Seen {
    node: Node,
    parts: Vec<Part>,
}

/// The part of a chunk, or of the zeros between sections, that lies in one slab.
struct Part {
    chunk: Option<usize>,
    bytes: u64,
    crc: u32,
}

fn read(
    file: &dyn DiskFile,
    head: &Head,
    head_bytes: &[u8],
    slab: Slab<'_>,
    buffer: &mut Vec<u8>,
    only: bool,
) -> Result<Seen, Refusal> {
    let begin = slab.index * SLAB_BYTES;
    let end = begin.saturating_add(SLAB_BYTES).min(head.data_end());
    let mut hash = SlabHash::new(slab.index);
    let in_head = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(head_bytes.len());
    hash.update(head_bytes.get(in_head(begin)..in_head(end)).unwrap_or_default());
    let mut at = begin.max(head.data_offset.min(end));
    let mut parts = Parts::from(head, at);
    for target in slab.targets {
        read_between(file, &mut at, target.offset, buffer, &mut hash, &mut parts)?;
        for block in target.bytes.chunks_mut(BLOCK_BYTES) {
            file.read_exact_at(block, at).map_err(Refusal::Read)?;
            hash.update(block);
            parts.take(block)?;
            at += block.len() as u64;
        }
    }
    read_between(file, &mut at, end, buffer, &mut hash, &mut parts)?;
    Ok(Seen { node: hash.node(only), parts: parts.finish() })
}

/// Reads the bytes from `at` to `end`, which are wanted nowhere.
fn read_between(
    file: &dyn DiskFile,
    at: &mut u64,
    end: u64,
    buffer: &mut Vec<u8>,
    hash: &mut SlabHash,
    parts: &mut Parts<'_>,
) -> Result<(), Refusal> {
    while *at < end {
        let count = usize::try_from(end - *at).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        if buffer.len() < count {
            buffer.resize(count, 0);
        }
        let block = &mut buffer[..count];
        file.read_exact_at(block, *at).map_err(Refusal::Read)?;
        hash.update(block);
        parts.take(block)?;
        *at += count as u64;
    }
    Ok(())
}

/// Divides the bytes of a slab among the chunks, and computes their checksums.
struct Parts<'a> {
    head: &'a Head,
    at: u64,
    /// The first chunk that does not end at or before `at`.
    chunk: usize,
    crc: crc32fast::Hasher,
    bytes: u64,
    done: Vec<Part>,
}

impl<'a> Parts<'a> {
    fn from(head: &'a Head, at: u64) -> Self {
        let chunk = head.chunks.partition_point(|chunk| chunk.end() <= at);
        Self { head, at, chunk, crc: crc32fast::Hasher::new(), bytes: 0, done: Vec::new() }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let chunk = self.head.chunks.get(self.chunk);
            let inside = chunk.is_some_and(|chunk| chunk.offset <= self.at);
            let until =
                chunk.map_or(self.head.data_end(), |chunk| if inside { chunk.end() } else { chunk.offset });
            let count = usize::try_from(until - self.at).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at(count);
            if !inside && let Some(place) = now.iter().position(|byte| *byte != 0) {
                return Err(Refusal::Padding { offset: self.at + place as u64 });
            }
            self.crc.update(now);
            self.bytes += count as u64;
            self.at += count as u64;
            bytes = rest;
            if self.at == until {
                self.close(inside);
                self.chunk += usize::from(inside);
            }
        }
        Ok(())
    }

    /// Ends the current part.
    fn close(&mut self, inside: bool) {
        let crc = std::mem::take(&mut self.crc).finalize();
        self.done.push(Part { chunk: inside.then_some(self.chunk), bytes: self.bytes, crc });
        self.bytes = 0;
    }

    fn finish(mut self) -> Vec<Part> {
        if self.bytes > 0 {
            let inside = self.head.chunks.get(self.chunk).is_some_and(|chunk| chunk.offset < self.at);
            self.close(inside);
        }
        self.done
    }
}

/// Puts the parts, in the order of the file, together to chunks and those to the data area.
fn judge_chunks<'a>(head: &Head, parts: impl Iterator<Item = &'a Part>) -> Result<(), Refusal> {
    let mut data = crc32fast::Hasher::new();
    let mut data_bytes = 0;
    let mut chunk = crc32fast::Hasher::new();
    let mut chunk_bytes = 0;
    for part in parts {
        let crc = crc32fast::Hasher::new_with_initial_len(part.crc, part.bytes);
        data.combine(&crc);
        data_bytes += part.bytes;
        let Some(index) = part.chunk else { continue };
        let Some(entry) = head.chunks.get(index) else { continue };
        chunk.combine(&crc);
        chunk_bytes += part.bytes;
        if chunk_bytes == u64::from(entry.stored_bytes) {
            let found = std::mem::take(&mut chunk).finalize();
            chunk_bytes = 0;
            if found != entry.crc {
                return Err(damaged_chunk(head, index, found));
            }
        }
    }
    let (expected, found) = (head.header.crc, data.finalize());
    if expected != found {
        return Err(Refusal::Checksum { expected, found, payload_bytes: data_bytes });
    }
    Ok(())
}

/// The refusal of a chunk whose bytes have the checksum `found`.
pub(crate) fn damaged_chunk(head: &Head, index: usize, found: u32) -> Refusal {
    let (section, chunk, first, last) = place(head, index);
    let expected = head.chunks.get(index).map_or(0, |chunk| chunk.crc);
    Refusal::Chunk { section, chunk, first, last, expected, found }
}

/// The refusal of a chunk that is as it was written, and cannot be unpacked.
pub(crate) fn packed_wrong(head: &Head, index: usize) -> Refusal {
    let (section, chunk, first, last) = place(head, index);
    let raw_bytes = head.chunks.get(index).map_or(0, |chunk| chunk.raw_bytes.into());
    Refusal::Unpack { section, chunk, first, last, raw_bytes }
}

/// Section, number within it, first and last byte of a chunk.
fn place(head: &Head, index: usize) -> (String, u64, u64, u64) {
    let section = head.section_of(index);
    let name = section.map(|section| section.name.clone()).unwrap_or_default();
    let number = index - section.map_or(0, |section| section.chunks.start);
    let (first, end) = head.chunks.get(index).map_or((0, 1), |chunk| (chunk.offset, chunk.end()));
    (name, number as u64, first, end.saturating_sub(1))
}
