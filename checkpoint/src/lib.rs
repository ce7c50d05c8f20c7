//! The checkpoint file format (PRSM), its verification, and the rules of retention.
//!
//! No database, no runtime, no clock: trainers and the Python wheel use this crate alone. The format is
//! drawn in `FORMAT.md`. All files are reached through [`resus_disk::Disk`]: functions ending in `_with`
//! take one, the others use this machine's.
//!
//! Invariants: a save leaves everything as it was, or the whole new file besides (or, if so asked, instead); a file of which a single bit was changed
//! is refused; nothing is allocated by a size a file claims beyond the file's real one; links are never
//! followed; the newest verified checkpoint is never named for deletion.

pub mod background;
mod blocks;
mod codec;
mod compare;
mod convert;
mod digest;
mod folder;
pub mod foreign;
mod header;
mod layout;
mod load;
mod meta;
mod names;
mod numbers;
mod old;
mod open;
mod pace;
mod parallel;
mod plan;
mod refusal;
pub mod retention;
mod save;
mod scan;
mod section;
mod sniff;
mod start;
mod temp;
mod tree;
mod verify;
mod write;

pub use crate::compare::{
    CompareError, Comparison, Differences, Outcome, SectionComparison, compare, compare_with,
};
pub use crate::convert::{ConvertError, ConvertOptions, convert};
pub use crate::folder::{
    Candidate, FolderError, Picked, newest_verified, newest_verified_but, newest_verified_with,
};
pub use crate::header::{
    FLAG_COMPRESSED, FLAG_SEALED, HEADER_BYTES, Header, SEAL_BYTES, VERSION, VERSIONS_READ,
};
pub use crate::load::{Checkpoint, Loaded, PAYLOAD, load, load_at_most, load_with};
pub use crate::meta::{Health, Meta};
pub use crate::open::{Outline, Peek, peek, peek_with};
pub use crate::plan::DraftError;
pub use crate::refusal::Refusal;
pub use crate::save::{CHUNK_BYTES, SaveError, SaveOptions, Saved, Taken, save, save_with};
pub use crate::section::{Compression, Draft, Element, Section};
pub use crate::temp::{Leftovers, remove_leftovers, remove_leftovers_with};
pub use crate::verify::{Verified, verify, verify_from_disk_with, verify_with};
