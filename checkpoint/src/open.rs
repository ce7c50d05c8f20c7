//! Opens checkpoint files and reads their heads.

use std::path::Path;

use resus_disk::{Disk, DiskFile, Kind, Real};
use rustix::io::Errno;

use crate::header::{HEADER_BYTES, Header};
use crate::layout::{Head, SectionEntry};
use crate::meta::Meta;
use crate::refusal::Refusal;
use crate::section::{Compression, Element};
use crate::start::{START_BYTES, Start};

/// What a file says about itself, as far as its head tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Peek {
    /// The part that all versions have.
    pub header: Header,
    /// What else it says about the training; older versions than 3 have none.
    pub meta: Option<Meta>,
    /// Size of the file.
    pub size_bytes: u64,
    /// Its sections in the order of the file; older versions than 3 name none.
    pub sections: Vec<Outline>,
}

/// A section as the head describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// What its bytes are.
    pub element: Element,
    /// How they are stored.
    pub compression: Compression,
    /// Bytes of it, unpacked.
    pub raw_bytes: u64,
    /// Bytes that it takes in the file.
    pub stored_bytes: u64,
}

impl From<SectionEntry> for Outline {
    fn from(entry: SectionEntry) -> Self {
        let SectionEntry { name, element, compression, raw_bytes, stored_bytes, offset: _, chunks: _ } =
            entry;
        Self { name, element, compression, raw_bytes, stored_bytes }
    }
}

/// Reads only the head, without judging the data. In version 3 the head's own checksums are checked, and
/// that the file is as long as it says.
///
/// # Errors
/// The file cannot be read, or does not start like a checkpoint.
pub fn peek(path: &Path) -> Result<Peek, Refusal> {
    peek_with(&Real, path)
}

/// The same on another disk.
///
/// # Errors
/// As [`peek`].
pub fn peek_with(disk: &dyn Disk, path: &Path) -> Result<Peek, Refusal> {
    let opened = open(disk, path)?;
    let size_bytes = opened.size;
    Ok(match opened.front {
        Front::Old(header) => Peek { header, meta: None, size_bytes, sections: Vec::new() },
        Front::V3 { head, .. } => {
            let sections = head.sections.into_iter().map(Outline::from).collect();
            Peek { header: head.header, meta: Some(head.meta), size_bytes, sections }
        }
    })
}

/// An open checkpoint whose head was read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub file: Box<dyn DiskFile>,
    /// Its real size.
    pub size: u64,
    pub front: Front,
}

/// What stands before the data.
#[derive(Debug)]
pub(crate) enum Front {
    /// Versions 1 and 2.
    Old(Header),
    V3 {
        head: Box<Head>,
        /// The bytes that were read as `head`.
        bytes: Vec<u8>,
    },
}

/// Opens `path` for reading if it is a regular file itself. Never waits for the other end of a pipe.
pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Opened, Refusal> {
    read_opened(open_file(disk, path)?)
}

/// The same, but the disk is asked for all of it, the head included: cached pages are dropped first.
pub(crate) fn open_uncached(disk: &dyn Disk, path: &Path) -> Result<Opened, Refusal> {
    let file = open_file(disk, path)?;
    file.drop_cache();
    read_opened(file)
}

fn open_file(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, Refusal> {
    disk.open(path).map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP) => Refusal::SymbolicLink,
        Some(Errno::NXIO) => Refusal::NotAFile,
        _ => Refusal::Open(error),
    })
}

fn read_opened(file: Box<dyn DiskFile>) -> Result<Opened, Refusal> {
    let (size, front) = read_front(&*file)?;
    Ok(Opened { file, size, front })
}

/// Reads the head of an open file. Returns the file's real size, too.
pub(crate) fn read_front(file: &dyn DiskFile) -> Result<(u64, Front), Refusal> {
    let entry = file.entry().map_err(Refusal::Open)?;
    match entry.kind {
        Kind::File => {}
        Kind::Folder | Kind::Link | Kind::Other => return Err(Refusal::NotAFile),
    }
    let size = entry.size;
    let mut bytes = [0; START_BYTES];
    let there = usize::try_from(size.min(START_BYTES as u64)).unwrap_or(START_BYTES);
    file.read_exact_at(&mut bytes[..there], 0).map_err(Refusal::Read)?;
    if there < HEADER_BYTES {
        return Err(Refusal::ShortHeader { found: size, expected: HEADER_BYTES as u64 });
    }
    let header = Header::decode(&std::array::from_fn(|index| bytes[index]))?;
    if header.version < 3 {
        return Ok((size, Front::Old(header)));
    }
    if there < START_BYTES {
        return Err(Refusal::ShortHeader { found: size, expected: START_BYTES as u64 });
    }
    let start = Start::decode(&bytes)?;
    check_size(start.file_bytes, size)?;
    if start.data_offset > size {
        return Err(Refusal::Contradiction { what: "its tables are longer than the file" });
    }
    // `decode` has limited it to 16 MiB, and the file has as many bytes.
    let head_bytes = usize::try_from(start.data_offset).unwrap_or(usize::MAX);
    let mut head = vec![0; head_bytes];
    file.read_exact_at(&mut head, 0).map_err(Refusal::Read)?;
    if !head.starts_with(&bytes) {
        return Err(Refusal::Contradiction { what: "its header changes while it is read" });
    }
    let decoded = Head::decode(&start, &head[START_BYTES..])?;
    Ok((size, Front::V3 { head: Box::new(decoded), bytes: head }))
}

fn check_size(expected: u64, found: u64) -> Result<(), Refusal> {
    if found < expected {
        return Err(Refusal::Truncated { expected, found });
    }
    if found > expected {
        return Err(Refusal::Trailing { expected, found });
    }
    Ok(())
}
