//! Versions 1 and 2: 32 bytes of header, then the payload up to the end of the file, under one checksum.
//! Read, and written by [`crate::convert()`] only.

use std::io::{self, BufRead, Read};

use resus_disk::DiskFile;

use crate::header::{HEADER_BYTES, Header, SEAL_BYTES};
use crate::load::zeroed;
use crate::pace::{self, Pace, Stopped};
use crate::refusal::Refusal;
use crate::save::Meant;

/// Large enough that system calls cost nothing beside the checksum, small enough for the L2 cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// The digest of a file of these versions.
pub(crate) fn digest(header: &Header) -> String {
    format!("crc32:{:08x}", header.crc)
}

/// Reads an open file of `size` bytes once and checks everything that can be checked; a compressed one a
/// second time, to unpack it.
pub(crate) fn verify(file: &dyn DiskFile, size: u64, header: &Header) -> Result<(), Refusal> {
    let mut stored = Stored::new(file, size, header);
    let mut seen = Seen::default();
    let mut block = vec![0; BLOCK_BYTES];
    let mut whole = Stored { end: size, ..stored };
    loop {
        let count = whole.read(&mut block).map_err(Refusal::Read)?;
        if count == 0 {
            break;
        }
        seen.take(&block[..count]);
    }
    judge(header, seen)?;
    if header.is_compressed() {
        let mut unpacked = unpacker(io::BufReader::with_capacity(BLOCK_BYTES, &mut stored))?;
        while unpacked.read(&mut block).map_err(|error| broken(&error))? > 0 {}
        unpacked.finish()?;
    }
    Ok(())
}

/// Reads the payload, without the seal and unpacked, of an open file of `size` bytes.
pub(crate) fn load(file: &dyn DiskFile, size: u64, header: &Header, limit: u64) -> Result<Vec<u8>, Refusal> {
    let stored_bytes = size.saturating_sub(HEADER_BYTES as u64);
    let seal_bytes = if header.is_sealed() { SEAL_BYTES } else { 0 };
    if !header.is_compressed() && stored_bytes.saturating_sub(seal_bytes as u64) > limit {
        return Err(Refusal::TooLarge { limit });
    }
    let mut payload = zeroed(stored_bytes)?;
    let mut seen = Seen::default();
    let mut at = HEADER_BYTES as u64;
    for block in payload.chunks_mut(BLOCK_BYTES) {
        file.read_exact_at(block, at).map_err(Refusal::Read)?;
        seen.take(block);
        at += block.len() as u64;
    }
    judge(header, seen)?;
    payload.truncate(payload.len().saturating_sub(seal_bytes));
    if header.is_compressed() { unpack(&payload, limit) } else { Ok(payload) }
}

/// Writes a sealed file of version 2; `header` is completed with the checksum.
pub(crate) fn write(
    file: &dyn DiskFile,
    mut header: Header,
    payload: &[u8],
    pace: Pace<'_>,
) -> Result<Meant, Stopped> {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(payload);
    checksum.update(&header.seal());
    header.crc = checksum.finalize();
    let mut at = 0;
    for bytes in [&header.encode()[..], payload, &header.seal()] {
        pace::write(file, bytes, at, pace)?;
        at += bytes.len() as u64;
    }
    Ok(Meant { header, digest: digest(&header) })
}

/// Unpacks a compressed payload. Memory grows with what really comes out.
fn unpack(stored: &[u8], limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = unpacker(stored)?;
    let mut payload = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let count = unpacked.read(&mut block).map_err(|error| broken(&error))?;
        if count == 0 {
            break;
        }
        let payload_bytes = payload.len() as u64 + count as u64;
        if payload_bytes > limit {
            return Err(Refusal::TooLarge { limit });
        }
        payload.try_reserve(count).map_err(|_| Refusal::OutOfMemory { payload_bytes })?;
        payload.extend_from_slice(&block[..count]);
    }
    unpacked.finish()?;
    Ok(payload)
}

/// What packed a payload.
pub(crate) enum Unpacker<R: BufRead> {
    Gzip(flate2::bufread::MultiGzDecoder<R>),
    Zlib(flate2::bufread::ZlibDecoder<R>),
    Deflate(flate2::bufread::DeflateDecoder<R>),
}

/// Tells the three forms apart. Deflate's own stream begins like neither of the others: gzip's first byte
/// would be a block of the invalid type, zlib's a stored block whose unused bits are not zero.
pub(crate) fn unpacker<R: BufRead>(mut stored: R) -> Result<Unpacker<R>, Refusal> {
    let start = stored.fill_buf().map_err(Refusal::Read)?;
    Ok(match start {
        [0x1f, ..] => Unpacker::Gzip(flate2::bufread::MultiGzDecoder::new(stored)),
        [first, ..] if first & 0x0f == 8 => Unpacker::Zlib(flate2::bufread::ZlibDecoder::new(stored)),
        _ => Unpacker::Deflate(flate2::bufread::DeflateDecoder::new(stored)),
    })
}

impl<R: BufRead> Unpacker<R> {
    /// Whether nothing is left behind the end of what was unpacked.
    fn finish(self) -> Result<(), Refusal> {
        let mut rest = match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zlib(decoder) => decoder.into_inner(),
            Self::Deflate(decoder) => decoder.into_inner(),
        };
        if rest.fill_buf().map_err(Refusal::Read)?.is_empty() {
            return Ok(());
        }
        Err(Refusal::UnpackPayload { reason: "it ends before the payload does".to_owned() })
    }
}

impl<R: BufRead> Read for Unpacker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zlib(decoder) => decoder.read(buffer),
            Self::Deflate(decoder) => decoder.read(buffer),
        }
    }
}

pub(crate) fn broken(error: &io::Error) -> Refusal {
    Refusal::UnpackPayload { reason: error.to_string() }
}

/// The payload of an open file as a stream, without the seal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    end: u64,
}

impl<'a> Stored<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, size: u64, header: &Header) -> Self {
        let seal_bytes = if header.is_sealed() { SEAL_BYTES as u64 } else { 0 };
        Self { file, at: HEADER_BYTES as u64, end: size.saturating_sub(seal_bytes) }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        self.file.read_exact_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Whether the payload that was `seen` is the header's.
fn judge(header: &Header, seen: Seen) -> Result<(), Refusal> {
    let payload_bytes = seen.bytes;
    let seal = seen.seal().copied();
    let found = seen.checksum.finalize();
    if found != header.crc {
        return Err(Refusal::Checksum { expected: header.crc, found, payload_bytes });
    }
    match (header.is_sealed(), seal) {
        (true, None) => Err(Refusal::SealMissing { payload_bytes }),
        (true, Some(seal)) if seal != header.seal() => {
            let (games, time) = seal.split_at(8);
            Err(Refusal::SealBroken {
                header_games: header.games,
                header_time: header.unix_time,
                sealed_games: u64::from_le_bytes(std::array::from_fn(|index| games[index])),
                sealed_time: i64::from_le_bytes(std::array::from_fn(|index| time[index])),
            })
        }
        // The one flag whose loss the checksum cannot see.
        (false, Some(seal)) if seal == header.seal() => Err(Refusal::SealDenied),
        _ => Ok(()),
    }
}

/// Checksum and last bytes of a stream that comes in pieces of any size.
#[derive(Default)]
struct Seen {
    checksum: crc32fast::Hasher,
    last: [u8; SEAL_BYTES],
    bytes: u64,
}

impl Seen {
    fn take(&mut self, block: &[u8]) {
        self.checksum.update(block);
        let fresh = &block[block.len().saturating_sub(SEAL_BYTES)..];
        self.last.rotate_left(fresh.len());
        self.last[SEAL_BYTES - fresh.len()..].copy_from_slice(fresh);
        self.bytes = self.bytes.saturating_add(block.len() as u64);
    }

    fn seal(&self) -> Option<&[u8; SEAL_BYTES]> {
        (self.bytes >= SEAL_BYTES as u64).then_some(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_does_not_depend_on_how_it_is_cut() {
        let bytes: Vec<u8> = (0..100).collect();
        for size in 1..=bytes.len() {
            let mut seen = Seen::default();
            bytes.chunks(size).for_each(|block| seen.take(block));
            assert_eq!(seen.seal().unwrap()[..], bytes[84..], "blocks of {size}");
        }
    }

    #[test]
    fn a_stream_shorter_than_a_seal_has_none() {
        let mut seen = Seen::default();
        seen.take(&[7; SEAL_BYTES - 1]);
        assert_eq!(seen.seal(), None);
    }
}
