//! Reads and verifies checkpoint files. Memory is fixed or grows with the bytes that really came: no
//! number stored in a file is ever believed as a size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Advice, FileType, Mode, OFlags, fadvise, fstat, open};
use rustix::io::Errno;

use crate::header::{HEADER_BYTES, Header, SEAL_BYTES};
use crate::refusal::Refusal;

/// Large enough that system calls cost nothing beside the checksum, small enough for the L2 cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that was read from its first to its last byte, and found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says about itself.
    pub header: Header,
    /// Its size, header and seal included.
    pub size_bytes: u64,
}

/// Reads the file once, in a fixed amount of memory, and checks everything that can be checked. Pages
/// that are cached and already on disk are dropped first, so that the disk is what is asked.
///
/// # Errors
/// Why the file must not be restored.
pub fn verify(path: &Path) -> Result<Verified, Refusal> {
    let file = open_regular(path)?;
    drop_cache(&file);
    verify_stream(file)
}

/// Reads only the header, without judging the payload.
///
/// # Errors
/// The file cannot be read, or does not start like a checkpoint.
pub fn read_header(path: &Path) -> Result<Header, Refusal> {
    scan_header(&mut open_regular(path)?)
}

/// Reads a whole checkpoint: its header and its payload, without the seal.
///
/// # Errors
/// As [`verify`]; nothing of a file that fails is returned.
pub fn read(path: &Path) -> Result<(Header, Vec<u8>), Refusal> {
    read_at_most(path, u64::MAX)
}

/// Like [`read`], for a reader that knows how much can be there: a file with more payload (seal
/// included) than `limit` is refused before it fills the memory.
///
/// # Errors
/// As [`verify`], or [`Refusal::TooLarge`].
pub fn read_at_most(path: &Path, limit: u64) -> Result<(Header, Vec<u8>), Refusal> {
    let mut payload = Vec::new();
    let verified = scan(open_regular(path)?, |chunk| {
        let payload_bytes = payload.len() as u64;
        if payload_bytes.saturating_add(chunk.len() as u64) > limit {
            return Err(Refusal::TooLarge { limit });
        }
        payload.try_reserve(chunk.len()).map_err(|_| Refusal::OutOfMemory { payload_bytes })?;
        payload.extend_from_slice(chunk);
        Ok(())
    })?;
    if verified.header.is_sealed() {
        payload.truncate(payload.len().saturating_sub(SEAL_BYTES));
    }
    Ok((verified.header, payload))
}

pub(crate) fn verify_stream(stream: impl Read) -> Result<Verified, Refusal> {
    scan(stream, |_| Ok(()))
}

/// Tells the kernel that cached pages of `file` are not needed, so that a read-back asks the disk.
/// Only advice: pages not yet written stay, and some file systems ignore it.
pub(crate) fn drop_cache(file: &File) {
    // A refusal leaves a read-back that may be served from memory, which is what everyone else has.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Opens `path` for reading if it is a regular file itself. Never waits for the other end of a pipe.
fn open_regular(path: &Path) -> Result<File, Refusal> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP => Refusal::SymbolicLink,
        Errno::NXIO => Refusal::NotAFile,
        _ => Refusal::Open(errno.into()),
    })?);
    let stat = fstat(&file).map_err(|errno| Refusal::Open(errno.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(Refusal::NotAFile),
    }
}

fn scan_header(stream: &mut impl Read) -> Result<Header, Refusal> {
    let mut bytes = [0; HEADER_BYTES];
    let mut found = 0;
    while found < HEADER_BYTES {
        match read_some(stream, &mut bytes[found..])? {
            0 => return Err(Refusal::ShortHeader { found }),
            count => found += count,
        }
    }
    Header::decode(&bytes)
}

/// The one pass over a file: header, every payload byte through the checksum and to `take`, the seal.
fn scan(
    mut stream: impl Read,
    mut take: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<Verified, Refusal> {
    let header = scan_header(&mut stream)?;
    let mut checksum = crc32fast::Hasher::new();
    let mut end = End::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = read_some(&mut stream, &mut buffer)?;
        if count == 0 {
            break;
        }
        let chunk = &buffer[..count];
        checksum.update(chunk);
        end.push(chunk);
        take(chunk)?;
    }
    judge(&header, checksum.finalize(), &end)?;
    Ok(Verified { header, size_bytes: end.bytes_seen.saturating_add(HEADER_BYTES as u64) })
}

/// Whether the payload, of which `found` is the checksum and `end` the end, is the header's.
fn judge(header: &Header, found: u32, end: &End) -> Result<(), Refusal> {
    let payload_bytes = end.bytes_seen;
    if found != header.crc {
        return Err(Refusal::Checksum { expected: header.crc, found, payload_bytes });
    }
    match (header.is_sealed(), end.seal()) {
        (true, None) => Err(Refusal::SealMissing { payload_bytes }),
        (true, Some(seal)) if *seal != header.seal() => {
            let (games, time) = seal.split_at(8);
            Err(Refusal::SealBroken {
                header_games: header.games,
                header_time: header.unix_time,
                sealed_games: u64::from_le_bytes(std::array::from_fn(|index| games[index])),
                sealed_time: i64::from_le_bytes(std::array::from_fn(|index| time[index])),
            })
        }
        // The one flag whose loss the checksum cannot see.
        (false, Some(seal)) if *seal == header.seal() => Err(Refusal::SealDenied),
        _ => Ok(()),
    }
}

/// The last bytes of a stream that comes in pieces of any size.
#[derive(Default)]
struct End {
    last: [u8; SEAL_BYTES],
    bytes_seen: u64,
}

impl End {
    fn push(&mut self, chunk: &[u8]) {
        let fresh = &chunk[chunk.len().saturating_sub(SEAL_BYTES)..];
        self.last.rotate_left(fresh.len());
        self.last[SEAL_BYTES - fresh.len()..].copy_from_slice(fresh);
        self.bytes_seen = self.bytes_seen.saturating_add(chunk.len() as u64);
    }

    fn seal(&self) -> Option<&[u8; SEAL_BYTES]> {
        (self.bytes_seen >= SEAL_BYTES as u64).then_some(&self.last)
    }
}

fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Refusal> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Refusal::Read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_does_not_depend_on_how_it_is_cut() {
        let bytes: Vec<u8> = (0..100).collect();
        for size in 1..=bytes.len() {
            let mut end = End::default();
            bytes.chunks(size).for_each(|chunk| end.push(chunk));
            assert_eq!(end.seal().unwrap()[..], bytes[84..], "chunks of {size}");
        }
    }

    #[test]
    fn a_stream_shorter_than_a_seal_has_none() {
        let mut end = End::default();
        end.push(&[7; SEAL_BYTES - 1]);
        assert_eq!(end.seal(), None);
    }
}
