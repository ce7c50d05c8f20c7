//! The checkpoint file format (PRSM), its verification, and the rules of retention.
//!
//! No database, no runtime, no clock: trainers and the Python wheel use this crate alone. The format is
//! drawn in `FORMAT.md`.
//!
//! Invariants: a save leaves the old file or the whole new one; a file of which a single bit was changed
//! is refused; nothing is allocated by a size a file claims; links are never followed; the newest
//! verified checkpoint is never named for deletion.

mod folder;
mod header;
mod read;
mod refusal;
pub mod retention;
mod save;

pub use crate::folder::{Candidate, FolderError, Picked, newer_than, newest_verified, newest_verified_but};
pub use crate::header::{
    FLAG_COMPRESSED, FLAG_SEALED, HEADER_BYTES, Header, SEAL_BYTES, VERSION, VERSIONS_READ,
};
pub use crate::read::{Verified, read, read_at_most, read_header, verify};
pub use crate::refusal::Refusal;
pub use crate::save::{SaveError, Saved, remove_leftovers, save};
