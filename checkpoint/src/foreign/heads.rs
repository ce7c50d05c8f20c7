//! Reads of each file as much as it takes to see whether its writer is done.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use resus_disk::{Disk, DiskFile};
use serde::Deserialize;

use super::look::{Listed, Listing};
use super::refusal::{ForeignRefusal, failed};
use super::safetensors::{self, Length};
use super::zip;
use crate::verify::verify_with;

/// What an index of shards, or the text of a pointer, may have at most: such files are KiB.
const INDEX_BYTES_MAX: u64 = 64 << 20;
const POINTER_BYTES_MAX: u64 = 4096;

/// What each file of a listing says of itself, by name.
pub type Heads = BTreeMap<String, Head>;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is of a format that tells its end, and that is there.
    Whole,
    /// It is of such a format, and its end is missing.
    Short {
        /// What is missing.
        why: String,
    },
    /// It is of such a format, and more writing could not make it whole.
    Wrong {
        /// What is wrong.
        why: String,
    },
    /// It lists the files that must lie beside it.
    Index {
        /// Their names in its own folder.
        shards: Vec<String>,
    },
    /// It names a file or folder that must lie beside it.
    Pointer {
        /// The name in its own folder.
        to: String,
    },
    /// It does not say.
    Silent,
}

/// Reads the heads of all files of `listing`.
///
/// # Errors
/// [`ForeignRefusal`]: a file cannot be read, or is not the one that was listed.
pub fn heads(disk: &dyn Disk, listing: &Listing) -> Result<Heads, ForeignRefusal> {
    let head = |file: &Listed| Ok((file.name.clone(), head(disk, listing, file)?));
    listing.files.iter().map(head).collect()
}

fn head(disk: &dyn Disk, listing: &Listing, file: &Listed) -> Result<Head, ForeignRefusal> {
    let open = open_listed(disk, listing.base(), file)?;
    let part = Part { file: &*open, size: file.entry.size };
    let result = if file.name.ends_with(".safetensors.index.json") || file.name.ends_with(".bin.index.json") {
        part.index()
    } else if file.path == Path::new("latest") && part.size <= POINTER_BYTES_MAX {
        part.pointer()
    } else {
        part.format(file.name.ends_with(".safetensors"))
    };
    match result {
        Ok(Some(head)) => Ok(head),
        Ok(None) => Ok(prsm(disk, &listing.base().join(&file.path))),
        // It has become shorter since it was listed.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ForeignRefusal::Changed { name: file.name.clone() })
        }
        Err(source) => Err(failed("read", listing.base().join(&file.path))(source)),
    }
}

/// Opens a listed file if it is still what was listed.
pub(super) fn open_listed(
    disk: &dyn Disk,
    base: &Path,
    file: &Listed,
) -> Result<Box<dyn DiskFile>, ForeignRefusal> {
    let changed = || ForeignRefusal::Changed { name: file.name.clone() };
    let open = match disk.open_beneath(base, &file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(changed()),
        open => open.map_err(failed("open", base.join(&file.path)))?,
    };
    let entry = open.entry().map_err(failed("look at", base.join(&file.path)))?;
    if entry == file.entry { Ok(open) } else { Err(changed()) }
}

/// A file that is read in parts.
struct Part<'a> {
    file: &'a dyn DiskFile,
    size: u64,
}

impl Part<'_> {
    /// `bytes` bytes at `offset`; the caller has compared both with the size.
    fn read(&self, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.resize(bytes, 0);
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }

    /// By what it begins with; `None` for our own format, which is read to its end elsewhere.
    fn format(&self, is_called_safetensors: bool) -> io::Result<Option<Head>> {
        let start = self.read(0, self.size.min(16))?;
        if start.starts_with(b"PRSM") {
            return Ok(None);
        }
        if start.starts_with(&zip::START) {
            let tail_bytes = self.size.min(zip::TAIL_BYTES as u64);
            let tail = self.read(self.size - tail_bytes, tail_bytes)?;
            let why = || "its zip archive has no end yet".to_owned();
            let ended = zip::is_ended(&tail, self.size);
            return Ok(Some(if ended { Head::Whole } else { Head::Short { why: why() } }));
        }
        self.safetensors(&start, is_called_safetensors).map(Some)
    }

    /// Safetensors have no magic: without the name they are known by a header that is one.
    fn safetensors(&self, start: &[u8], is_called_so: bool) -> io::Result<Head> {
        let or_silent = |head| if is_called_so { head } else { Head::Silent };
        let Some((length, rest)) = start.split_first_chunk() else {
            return Ok(or_silent(Head::Short { why: "it ends within its first 8 bytes".to_owned() }));
        };
        let length = u64::from_le_bytes(*length);
        let looks_like_it = rest.first().is_none_or(|byte| *byte == b'{');
        if length > safetensors::HEADER_MAX || !looks_like_it {
            return Ok(or_silent(Head::Wrong { why: "it does not begin like safetensors".to_owned() }));
        }
        if self.size - safetensors::LENGTH_BYTES < length {
            return Ok(or_silent(Head::Short { why: "it ends within its header".to_owned() }));
        }
        let header = self.read(safetensors::LENGTH_BYTES, length)?;
        Ok(match safetensors::measure(&header, self.size) {
            Length::Right => Head::Whole,
            Length::Short { of } => Head::Short { why: format!("it has {} of {of} bytes", self.size) },
            Length::Wrong(why) => or_silent(Head::Wrong { why }),
        })
    }

    fn index(&self) -> io::Result<Option<Head>> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        if self.size > INDEX_BYTES_MAX {
            return Ok(Some(Head::Wrong { why: format!("an index of {} bytes", self.size) }));
        }
        let bytes = self.read(0, self.size)?;
        Ok(Some(match serde_json::from_slice::<Index>(&bytes) {
            // It ends within a value: the rest may still be on its way.
            Err(error) if error.is_eof() => Head::Short { why: format!("its index is cut off: {error}") },
            Err(error) => Head::Wrong { why: format!("it is no index of shards: {error}") },
            Ok(index) => {
                let mut shards: Vec<_> = index.weight_map.into_values().collect();
                shards.sort_unstable();
                shards.dedup();
                Head::Index { shards }
            }
        }))
    }

    fn pointer(&self) -> io::Result<Option<Head>> {
        let bytes = self.read(0, self.size)?;
        Ok(Some(match std::str::from_utf8(&bytes).map(str::trim) {
            Ok("") => Head::Short { why: "it names nothing yet".to_owned() },
            Ok(name) if !name.contains(['/', '\0', '\n']) => Head::Pointer { to: name.to_owned() },
            _ => Head::Silent,
        }))
    }
}

/// A checkpoint of our own format, at a place that is not ours.
fn prsm(disk: &dyn Disk, path: &Path) -> Head {
    match verify_with(disk, path) {
        Ok(_) => Head::Whole,
        Err(refusal) => Head::Wrong { why: refusal.to_string() },
    }
}
