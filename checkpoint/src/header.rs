//! The first 32 bytes of a checkpoint file, the same in all versions, and the 16-byte seal of version 2
//! that repeats two of their fields.
//!
//! The layout is drawn in `FORMAT.md`.

use crate::refusal::Refusal;
use crate::sniff::looks_like;

/// Size of the part of the header that all versions have.
pub const HEADER_BYTES: usize = 32;
/// Size of the seal at the end of a sealed payload of versions 1 and 2.
pub const SEAL_BYTES: usize = 16;
/// The version we write.
pub const VERSION: u32 = 3;
/// The versions we read; their first 32 bytes do not differ.
pub const VERSIONS_READ: [u32; 3] = [1, 2, 3];
/// Flag: the payload (versions 1 and 2) or some section (version 3) is compressed.
pub const FLAG_COMPRESSED: u32 = 1 << 0;
/// Flag: `games` and `unix_time` are protected. Always set in version 3.
pub const FLAG_SEALED: u32 = 1 << 1;

const MAGIC: [u8; 4] = *b"PRSM";
const FLAGS_KNOWN: u32 = FLAG_COMPRESSED | FLAG_SEALED;

/// What a checkpoint file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format version, one of [`VERSIONS_READ`].
    pub version: u32,
    /// [`FLAG_COMPRESSED`] and [`FLAG_SEALED`].
    pub flags: u32,
    /// CRC-32/IEEE of the stored payload, the seal included; in version 3, of the data area.
    pub crc: u32,
    /// How far the training was: games played, or steps where nothing is played.
    pub games: u64,
    /// When it was saved, in seconds since 1970.
    pub unix_time: i64,
}

impl Header {
    /// Whether `games` and `unix_time` are protected by a checksum. Version 2 files of other writers
    /// are not sealed: a flipped bit in those two fields goes unseen there.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.flags & FLAG_SEALED != 0
    }

    /// Whether the payload or some section is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.flags & FLAG_COMPRESSED != 0
    }

    /// The header as stored.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.crc.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.games.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.unix_time.to_le_bytes());
        bytes
    }

    /// Reads a stored header.
    ///
    /// # Errors
    /// Another magic, a version or a flag we do not know.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Refusal> {
        if bytes[0..4] != MAGIC {
            return Err(Refusal::NotACheckpoint { found: field(bytes, 0), looks_like: looks_like(bytes) });
        }
        let version = u32::from_le_bytes(field(bytes, 4));
        if !VERSIONS_READ.contains(&version) {
            return Err(Refusal::Version { found: version });
        }
        let flags = u32::from_le_bytes(field(bytes, 8));
        if flags & !FLAGS_KNOWN != 0 {
            return Err(Refusal::Flags { unknown: flags & !FLAGS_KNOWN });
        }
        Ok(Self {
            version,
            flags,
            crc: u32::from_le_bytes(field(bytes, 12)),
            games: u64::from_le_bytes(field(bytes, 16)),
            unix_time: i64::from_le_bytes(field(bytes, 24)),
        })
    }

    /// The last bytes of a sealed payload: a copy of `games` and `unix_time`, under the checksum.
    #[must_use]
    pub fn seal(&self) -> [u8; SEAL_BYTES] {
        field(&self.encode(), 16)
    }
}

/// The `N` bytes at `offset`, which lie within the header for every caller in this file.
fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[offset + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        version: 2,
        flags: FLAG_SEALED,
        crc: 0x9a0b_11c2,
        games: 0x0102_0304_0506_0708,
        unix_time: -2,
    };

    #[test]
    fn the_stored_bytes_are_those_of_the_format() {
        let expected = [
            b'P', b'R', b'S', b'M', // magic
            2, 0, 0, 0, // version
            2, 0, 0, 0, // flags: sealed
            0xc2, 0x11, 0x0b, 0x9a, // crc
            8, 7, 6, 5, 4, 3, 2, 1, // games
            0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // unix time
        ];
        assert_eq!(HEADER.encode(), expected);
        assert_eq!(HEADER.seal(), expected[16..32]);
        assert_eq!(Header::decode(&expected).unwrap(), HEADER);
    }

    #[test]
    fn version_1_is_read_like_version_2() {
        for version in [1, 2] {
            let header = Header { version, flags: FLAG_COMPRESSED, ..HEADER };
            assert_eq!(Header::decode(&header.encode()).unwrap(), header);
        }
    }

    #[test]
    fn another_version_is_refused_naming_both() {
        let refusal = Header::decode(&Header { version: 7, ..HEADER }.encode()).unwrap_err();
        assert_eq!(refusal.to_string(), "format version 7 is not one of the supported versions 1, 2 and 3");
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        let refusal = Header::decode(&Header { flags: 6, ..HEADER }.encode()).unwrap_err();
        assert!(matches!(refusal, Refusal::Flags { unknown: 4 }), "{refusal}");
    }
}
