//! Why a file is not taken for a checkpoint, in words for the person who has to decide what to do. They
//! are fragments to stand behind the file's path: `run/ck.prsm: not a regular file`.

use std::io;

use crate::header::VERSIONS_READ;

/// The reason a file is never restored. None of them is a judgement on older checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It could not be opened.
    #[error("failed to open the file")]
    Open(#[source] io::Error),
    /// It is a symbolic link: what it names may change behind our back.
    #[error("symbolic link, which is not followed")]
    SymbolicLink,
    /// It is a folder, a pipe, a device or a socket.
    #[error("not a regular file")]
    NotAFile,
    /// Reading stopped in the middle.
    #[error("failed to read the file")]
    Read(#[source] io::Error),
    /// It ends within the header.
    #[error("cut off within the header: {found} bytes of {expected}")]
    ShortHeader {
        /// Bytes there are.
        found: u64,
        /// Bytes a header of this version has.
        expected: u64,
    },
    /// It starts with something else than our magic.
    #[error("not a checkpoint: starts with \"{}\", not \"PRSM\"{}", found.escape_ascii(), in_words(*looks_like))]
    NotACheckpoint {
        /// The first four bytes.
        found: [u8; 4],
        /// What other program's file it seems to be.
        looks_like: Option<&'static str>,
    },
    /// It was written by a newer program, or its version field is damaged.
    #[error(
        "format version {found} is not one of the supported versions {}, {} and {}",
        VERSIONS_READ[0], VERSIONS_READ[1], VERSIONS_READ[2]
    )]
    Version {
        /// The version in the header.
        found: u32,
    },
    /// It was written by a newer program, or its flags field is damaged.
    #[error("header has flags we do not know: {unknown:#010x}")]
    Flags {
        /// The bits that have no meaning to us.
        unknown: u32,
    },
    /// Bytes of the fixed header were changed (version 3).
    #[error("header is damaged: its checksum is {found:08x} and should be {expected:08x}")]
    HeaderDamaged {
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the header as read.
        found: u32,
    },
    /// The file ends before the length its header tells (version 3).
    #[error("cut off: {found} bytes of {expected}")]
    Truncated {
        /// The length in the header.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The file goes on behind the length its header tells (version 3).
    #[error("{} bytes too long: {found} instead of {expected}", found.saturating_sub(*expected))]
    Trailing {
        /// The length in the header.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Metadata, section table or chunk table were changed (version 3).
    #[error(
        "metadata or tables are damaged (bytes {first}–{last}): their checksum is {found:08x} and should be {expected:08x}"
    )]
    TableDamaged {
        /// First byte of the tables in the file.
        first: u64,
        /// Last byte of the tables in the file.
        last: u64,
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the tables as read.
        found: u32,
    },
    /// The checksums are right, but what they protect makes no sense: whoever wrote it did it wrong.
    #[error("contradicts itself: {what}")]
    Contradiction {
        /// What cannot be.
        what: &'static str,
    },
    /// One chunk was changed (version 3).
    #[error(
        "chunk {chunk} of section \"{}\" (bytes {first}–{last}) is damaged: its checksum is {found:08x} and should be {expected:08x}",
        section.escape_debug()
    )]
    Chunk {
        /// Name of the section.
        section: String,
        /// Number of the chunk within its section, from 0.
        chunk: u64,
        /// First byte of the chunk in the file.
        first: u64,
        /// Last byte of the chunk in the file.
        last: u64,
        /// The checksum in the table.
        expected: u32,
        /// The checksum of the chunk as read.
        found: u32,
    },
    /// A compressed chunk is as it was written, but does not unpack to what the table promises.
    #[error(
        "chunk {chunk} of section \"{}\" (bytes {first}–{last}) does not unpack to {raw_bytes} bytes",
        section.escape_debug()
    )]
    Unpack {
        /// Name of the section.
        section: String,
        /// Number of the chunk within its section, from 0.
        chunk: u64,
        /// First byte of the chunk in the file.
        first: u64,
        /// Last byte of the chunk in the file.
        last: u64,
        /// What it should unpack to.
        raw_bytes: u64,
    },
    /// A byte between two sections is not zero (version 3).
    #[error("byte {offset} lies between two sections and is not zero")]
    Padding {
        /// Where it is in the file.
        offset: u64,
    },
    /// All parts are right, but the digest at the end of the file is not theirs (version 3).
    #[error("digest at the end is damaged: it is {found} and should be {expected}")]
    Digest {
        /// The digest of the file as read.
        expected: String,
        /// The digest at its end.
        found: String,
    },
    /// The payload is not the one the header was written for.
    #[error(
        "payload checksum {found:08x} does not match header {expected:08x}: damaged or cut off after {payload_bytes} bytes"
    )]
    Checksum {
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the payload as read.
        found: u32,
        /// Bytes there are after the header.
        payload_bytes: u64,
    },
    /// Its header says that it is sealed, and it is too short to be.
    #[error("header says sealed, but the payload has only {payload_bytes} bytes")]
    SealMissing {
        /// Bytes there are after the header.
        payload_bytes: u64,
    },
    /// The header's count of games or its time was changed after the file was written.
    #[error(
        "header says {header_games} games at {header_time}, but the payload was sealed with {sealed_games} games at {sealed_time}"
    )]
    SealBroken {
        /// Games in the header.
        header_games: u64,
        /// Seconds since 1970 in the header.
        header_time: i64,
        /// Games under the checksum.
        sealed_games: u64,
        /// Seconds since 1970 under the checksum.
        sealed_time: i64,
    },
    /// The payload ends with a seal that the header denies: its flags were damaged.
    #[error("payload is sealed, but the header's flags say it is not")]
    SealDenied,
    /// A compressed payload of versions 1 and 2 is as it was written, but cannot be unpacked.
    #[error("compressed payload does not unpack as gzip, zlib or deflate: {reason}")]
    UnpackPayload {
        /// What the unpacker says.
        reason: String,
    },
    /// It is larger than the reader allows for.
    #[error("payload is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The most payload bytes the reader takes.
        limit: u64,
    },
    /// There is not enough memory to hold it.
    #[error("payload does not fit into memory: {payload_bytes} bytes")]
    OutOfMemory {
        /// Bytes for which memory was asked.
        payload_bytes: u64,
    },
}

/// The tail of the message about a foreign file.
fn in_words(looks_like: Option<&str>) -> String {
    looks_like.map(|what| format!("; it looks like {what}")).unwrap_or_default()
}

impl Refusal {
    /// Whether it says that the file is there and is not what was written. The others judge nothing: it
    /// could not be read, was written by a newer program, or is no file of ours at all.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Open(_)
            | Self::Read(_)
            | Self::SymbolicLink
            | Self::NotAFile
            | Self::Version { .. }
            | Self::TooLarge { .. }
            | Self::OutOfMemory { .. } => false,
            Self::ShortHeader { .. }
            | Self::NotACheckpoint { .. }
            | Self::Flags { .. }
            | Self::HeaderDamaged { .. }
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::TableDamaged { .. }
            | Self::Contradiction { .. }
            | Self::Chunk { .. }
            | Self::Unpack { .. }
            | Self::Padding { .. }
            | Self::Digest { .. }
            | Self::Checksum { .. }
            | Self::SealMissing { .. }
            | Self::SealBroken { .. }
            | Self::SealDenied
            | Self::UnpackPayload { .. } => true,
        }
    }
}
