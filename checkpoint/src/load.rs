//! Reads whole checkpoints into memory, verified.

use std::path::Path;

use resus_disk::{Disk, Real};

use crate::codec::unpack;
use crate::digest::in_words;
use crate::header::Header;
use crate::layout::{Chunk, Head, SectionEntry};
use crate::meta::Meta;
use crate::old;
use crate::open::{Front, open};
use crate::parallel::in_parallel;
use crate::refusal::Refusal;
use crate::scan::{Target, packed_wrong, scan, slabs};
use crate::section::{Compression, Element};

/// Raw bytes that are unpacked at a time: so much memory is taken before the next bytes have come.
const GROUP_BYTES: usize = 32 << 20;

/// The name of the one section that files of versions 1 and 2 are shown with.
pub const PAYLOAD: &str = "payload";

/// A checkpoint in memory. All of it was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What the file says about itself.
    pub header: Header,
    /// What else it says about the training; older versions than 3 have none.
    pub meta: Option<Meta>,
    /// The state, in the order of the file. Older versions have one section, called [`PAYLOAD`].
    pub sections: Vec<Loaded>,
    /// Size of the file.
    pub size_bytes: u64,
    /// As in [`crate::Verified::digest`].
    pub digest: String,
}

/// A section in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// What its bytes are.
    pub element: Element,
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
}

impl Checkpoint {
    /// The section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Loaded> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Takes the bytes of the section of that name out.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let section = self.sections.iter_mut().find(|section| section.name == name)?;
        Some(std::mem::take(&mut section.bytes))
    }
}

/// Reads a whole checkpoint.
///
/// # Errors
/// As [`crate::verify`]; nothing of a file that fails is returned.
pub fn load(path: &Path) -> Result<Checkpoint, Refusal> {
    load_at_most(path, u64::MAX)
}

/// Like [`load`], for a reader that knows how much can be there: a file whose sections are larger than
/// `limit` together is refused before it fills the memory. Without a limit, a file that is compressed
/// well may need far more memory than its size.
///
/// # Errors
/// As [`load`], or [`Refusal::TooLarge`].
pub fn load_at_most(path: &Path, limit: u64) -> Result<Checkpoint, Refusal> {
    load_with(&Real, path, limit)
}

/// The same on another disk.
///
/// # Errors
/// As [`load_at_most`].
pub fn load_with(disk: &dyn Disk, path: &Path, limit: u64) -> Result<Checkpoint, Refusal> {
    let opened = open(disk, path)?;
    let size_bytes = opened.size;
    match opened.front {
        Front::Old(header) => {
            let bytes = old::load(&*opened.file, size_bytes, &header, limit)?;
            let section = Loaded { name: PAYLOAD.to_owned(), element: Element::Bytes, bytes };
            let digest = old::digest(&header);
            Ok(Checkpoint { header, meta: None, sections: vec![section], size_bytes, digest })
        }
        Front::V3 { head, bytes } => {
            let raw_bytes =
                head.sections.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.raw_bytes));
            if raw_bytes.is_none_or(|raw_bytes| raw_bytes > limit) {
                return Err(Refusal::TooLarge { limit });
            }
            // The stored bytes of all sections lie in the file, whose size is real.
            let mut buffers = head
                .sections
                .iter()
                .map(|entry| zeroed(entry.stored_bytes))
                .collect::<Result<Vec<_>, _>>()?;
            let targets = head.sections.iter().zip(&mut buffers);
            let targets = targets.map(|(entry, bytes)| Target { offset: entry.offset, bytes });
            let digest = in_words(&scan(&*opened.file, &head, &bytes, slabs(&head, targets))?);
            let Head { header, meta, .. } = &*head;
            let (header, meta) = (*header, Some(meta.clone()));
            let sections = head.sections.iter().zip(buffers);
            let sections = sections
                .map(|(entry, stored)| unpack_section(&head, entry, stored))
                .collect::<Result<_, _>>()?;
            Ok(Checkpoint { header, meta, sections, size_bytes, digest })
        }
    }
}

/// `count` zeros, whose memory the system gives only as they are written to.
pub(crate) fn zeroed(count: u64) -> Result<Vec<u8>, Refusal> {
    let refused = || Refusal::OutOfMemory { payload_bytes: count };
    let length = usize::try_from(count).map_err(|_| refused())?;
    // `vec!` aborts where there is no memory: ask before.
    Vec::<u8>::new().try_reserve_exact(length).map_err(|_| refused())?;
    Ok(vec![0; length])
}

fn unpack_section(head: &Head, entry: &SectionEntry, stored: Vec<u8>) -> Result<Loaded, Refusal> {
    let (name, element) = (entry.name.clone(), entry.element);
    if entry.compression == Compression::None {
        return Ok(Loaded { name, element, bytes: stored });
    }
    let mut bytes = Vec::new();
    let chunks = head.chunks.get(entry.chunks.clone()).unwrap_or_default();
    let per_group = (GROUP_BYTES / head.chunk_bytes as usize).max(1);
    let mut rest = stored.as_slice();
    let mut number = entry.chunks.start;
    for group in chunks.chunks(per_group) {
        rest = unpack_group(head, entry.compression, (number, group), rest, &mut bytes)?;
        number += group.len();
    }
    bytes.shrink_to_fit();
    Ok(Loaded { name, element, bytes })
}

/// Unpacks some chunks, the first of which has that number, to the end of `bytes`. Returns what of
/// `stored` belongs to the chunks behind.
fn unpack_group<'a>(
    head: &Head,
    compression: Compression,
    (number, group): (usize, &[Chunk]),
    mut stored: &'a [u8],
    bytes: &mut Vec<u8>,
) -> Result<&'a [u8], Refusal> {
    let group_bytes: usize = group.iter().map(|chunk| chunk.raw_bytes as usize).sum();
    let begin = bytes.len();
    let refused = |_| Refusal::OutOfMemory { payload_bytes: (begin + group_bytes) as u64 };
    bytes.try_reserve(group_bytes).or_else(|_| bytes.try_reserve_exact(group_bytes)).map_err(refused)?;
    bytes.resize(begin + group_bytes, 0);
    let mut raw = &mut bytes[begin..];
    let mut work = Vec::with_capacity(group.len());
    for (index, chunk) in group.iter().enumerate() {
        let (from, rest) = stored.split_at(chunk.stored_bytes as usize);
        let (to, behind) = raw.split_at_mut(chunk.raw_bytes as usize);
        work.push((number + index, from, to));
        (stored, raw) = (rest, behind);
    }
    in_parallel(work, group_bytes as u64, |(index, from, to), _| {
        if unpack(compression, from, to) { Ok(()) } else { Err(packed_wrong(head, index)) }
    })?;
    Ok(stored)
}
