//! Checkpoints of other frameworks: a file or a folder of any format, of which we know the bytes and
//! nothing else.
//!
//! [`look`] lists it, [`completeness`] tells whether its writer is done, [`digest`] makes the
//! [`Manifest`] by which [`verify`] tells later that every byte is still the same. A pickle, or whatever
//! else could hold a program, is only ever hashed.
//!
//! A folder is taken as a whole: whoever loads it may load whatever lies in it. So it counts as complete only
//! when nothing in it has changed from one look to the next, and a file or link in it that its manifest does
//! not name is a reason not to hand it back. That is no damage, the folder stays where it is and is good again
//! once the file is gone. Two sorts of names are let be: hidden ones, and all that lies below them, where tools
//! keep their caches; and folders without a file or link, of which a manifest says nothing.
//!
//! Folders on another device than the checkpoint's own are not entered, neither to read nor to delete. A bind
//! mount of the same device cannot be told from a folder.
//!
//! Invariants: no link is followed; nothing is opened but regular files of our own user, below the
//! checkpoint's root; no file is held in memory; [`discard`] and [`set_aside`] touch only what lies
//! directly in the folder they are given.

mod aside;
mod digest;
mod discard;
mod extra;
mod heads;
mod keep;
mod look;
mod manifest;
mod name;
mod refusal;
mod safetensors;
mod whole;
mod zip;

pub use aside::{AsideError, DAMAGED, set_aside};
pub use digest::{digest, verify};
pub use discard::{DiscardError, discard, empty_trash};
pub use heads::{Head, Heads, heads};
pub use keep::{KeepError, forget, keep, kept, kept_since, recall};
pub use look::{DEPTH_MAX, Form, Link, Listed, Listing, NAMES_MAX, look};
pub use manifest::{Manifest, ManifestError, ManifestFile, ManifestLink};
pub use refusal::ForeignRefusal;
pub use whole::{Completeness, completeness};
