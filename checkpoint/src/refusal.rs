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
    #[error("cut off within the header: {found} bytes of 32")]
    ShortHeader {
        /// Bytes there are.
        found: usize,
    },
    /// It starts with something else than our magic.
    #[error("not a checkpoint: starts with \"{}\", not \"PRSM\"", found.escape_ascii())]
    NotACheckpoint {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// It was written by a newer program, or its version field is damaged.
    #[error("format version {found} is not one of the supported versions {} and {}", VERSIONS_READ[0], VERSIONS_READ[1])]
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
    /// Its payload is compressed.
    #[error("payload is compressed, and compressed payloads are not read: save it again uncompressed")]
    Compressed,
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
    /// It is larger than the reader allows for.
    #[error("payload is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The most payload bytes the reader takes.
        limit: u64,
    },
    /// There is not enough memory to hold it.
    #[error("payload does not fit into memory: {payload_bytes} bytes read so far")]
    OutOfMemory {
        /// Bytes read before memory ran out.
        payload_bytes: u64,
    },
}
