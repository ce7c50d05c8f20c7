//! Verifies checkpoint files without loading them. Memory is fixed: no number stored in a file is ever
//! believed as a size.

use std::path::Path;

use resus_disk::{Disk, DiskFile, Real};

use crate::codec::unpack;
use crate::digest::in_words;
use crate::header::Header;
use crate::layout::{Chunk, Head};
use crate::meta::Meta;
use crate::old;
use crate::open::{Front, Opened, open, open_uncached};
use crate::parallel::in_parallel;
use crate::refusal::Refusal;
use crate::scan::{damaged_chunk, packed_wrong, scan, slabs};
use crate::section::Compression;

/// A file that was read from its first to its last byte, and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What it says about itself.
    pub header: Header,
    /// What else it says about the training; older versions than 3 have none.
    pub meta: Option<Meta>,
    /// Its size.
    pub size_bytes: u64,
    /// `blake3:` and 64 digits, of all bytes before the digest at the end; for older versions `crc32:`
    /// and the 8 digits of their header's checksum.
    pub digest: String,
}

/// Reads the whole file, in a fixed amount of memory, and checks everything that can be checked: also
/// that compressed chunks unpack to what they should. Works with several threads on a file of more than
/// 4 MiB.
///
/// # Errors
/// Why the file must not be restored.
pub fn verify(path: &Path) -> Result<Verified, Refusal> {
    verify_with(&Real, path)
}

/// The same on another disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(disk: &dyn Disk, path: &Path) -> Result<Verified, Refusal> {
    let Opened { file, size, front } = open(disk, path)?;
    verify_front(&*file, size, &front)
}

/// The same, but cached pages of the file are dropped first, so that the disk is what is asked.
///
/// # Errors
/// As [`verify`].
pub fn verify_from_disk_with(disk: &dyn Disk, path: &Path) -> Result<Verified, Refusal> {
    let Opened { file, size, front } = open_uncached(disk, path)?;
    verify_front(&*file, size, &front)
}

/// Verifies an open file of that size and head.
pub(crate) fn verify_front(file: &dyn DiskFile, size: u64, front: &Front) -> Result<Verified, Refusal> {
    let (header, meta, digest) = match front {
        Front::Old(header) => {
            old::verify(file, size, header)?;
            (*header, None, old::digest(header))
        }
        Front::V3 { head, bytes } => {
            let digest = scan(file, head, bytes, slabs(head, std::iter::empty()))?;
            unpack_all(file, head)?;
            (head.header, Some(head.meta.clone()), in_words(&digest))
        }
    };
    Ok(Verified { header, meta, size_bytes: size, digest })
}

/// Whether every compressed chunk unpacks; what comes out is not kept.
fn unpack_all(file: &dyn DiskFile, head: &Head) -> Result<(), Refusal> {
    let packed = head.sections.iter().filter(|section| section.compression != Compression::None);
    let work: Vec<(usize, Compression)> =
        packed.flat_map(|section| section.chunks.clone().map(|index| (index, section.compression))).collect();
    in_parallel(work, head.data_end(), |(index, compression), buffer| {
        let Some(chunk) = head.chunks.get(index) else { return Ok(()) };
        read_chunk(file, head, index, chunk, compression, buffer).map(drop)
    })?;
    Ok(())
}

/// Reads one chunk, checks it and unpacks it. `buffer` holds both forms, the raw one is returned.
pub(crate) fn read_chunk<'a>(
    file: &dyn DiskFile,
    head: &Head,
    index: usize,
    chunk: &Chunk,
    compression: Compression,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Refusal> {
    // Both are at most a chunk, which is at most 16 MiB.
    let (raw_bytes, stored_bytes) = (chunk.raw_bytes as usize, chunk.stored_bytes as usize);
    if buffer.len() < raw_bytes + stored_bytes {
        buffer.resize(raw_bytes + stored_bytes, 0);
    }
    let (raw, stored) = buffer.split_at_mut(raw_bytes);
    let stored = &mut stored[..stored_bytes];
    file.read_exact_at(stored, chunk.offset).map_err(Refusal::Read)?;
    let found = crc32fast::hash(stored);
    if found != chunk.crc {
        return Err(damaged_chunk(head, index, found));
    }
    if unpack(compression, stored, raw) { Ok(raw) } else { Err(packed_wrong(head, index)) }
}
