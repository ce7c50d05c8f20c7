//! Why a checkpoint of another framework is not taken.

use std::io;
use std::path::PathBuf;

use super::look::{DEPTH_MAX, NAMES_MAX};

/// The reason a file or folder is not catalogued, or not handed back. Fragments to stand behind the
/// path of the checkpoint; names are relative to it.
#[derive(Debug, thiserror::Error)]
pub enum ForeignRefusal {
    /// There is nothing under its path.
    #[error("its file is gone")]
    Gone,
    /// The system would not let us look at, open or read a part of it. No judgement on its content.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is not absolute, or goes up.
    #[error("its path is not absolute and straight")]
    Crooked,
    /// A part of it belongs to another user.
    #[error("{} belongs to user {owner}, not to user {us}", path.display())]
    NotOurs {
        /// Which part.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user we run as.
        us: u32,
    },
    /// Its own path is a symbolic link: what that names may change behind our back.
    #[error("symbolic link, which is not followed")]
    RootLink,
    /// A link in it is absolute, or leads or could lead out of the folder.
    #[error("link {name} to {to} may lead out of the folder")]
    LinkOut {
        /// The link.
        name: String,
        /// Where it points.
        to: String,
    },
    /// A pipe, a socket or a device.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// Which part.
        path: PathBuf,
    },
    /// Folders within folders beyond the limit.
    #[error("{name} lies deeper than {DEPTH_MAX} folders")]
    TooDeep {
        /// The first too deep.
        name: String,
    },
    /// More names than the limit.
    #[error("holds more than {NAMES_MAX} names")]
    TooMany,
    /// Somebody changed it meanwhile: it is not finished, or not left alone.
    #[error("{name} changed while it was read")]
    Changed {
        /// Which part.
        name: String,
    },
    /// A folder in it lies on another device: something is mounted there.
    #[error("{} lies on another device", path.display())]
    OtherDevice {
        /// The folder.
        path: PathBuf,
    },
    /// It holds a file or link that its manifest does not name. All that the manifest names is as it was.
    #[error("holds {name}, which was not there when it was catalogued")]
    Extra {
        /// The first that was found.
        name: String,
    },
    /// The disk did not confirm its data, so a power cut could take it.
    #[error("failed to bring {} to disk", path.display())]
    Sync {
        /// Which part.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller does not want it any more.
    #[error("given up")]
    Cancelled,
    /// A file of the manifest is not there.
    #[error("{name} is missing")]
    Missing {
        /// Which.
        name: String,
    },
    /// A name of the manifest stands for something else now.
    #[error("{name} is not the {was} that it was")]
    Replaced {
        /// Which.
        name: String,
        /// `file` or `link`.
        was: &'static str,
    },
    /// A file has another size than in the manifest.
    #[error("{name} has {found} bytes, not {expected}")]
    Size {
        /// Which.
        name: String,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A file has other bytes than when the manifest was made.
    #[error("{name} was changed: its BLAKE3 is {found}, not {expected}")]
    Digest {
        /// Which.
        name: String,
        /// By the manifest, in hex.
        expected: String,
        /// As read, in hex.
        found: String,
    },
}

impl ForeignRefusal {
    /// Whether the checkpoint is there and not what it was: nothing that trying again could change.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Replaced { .. } | Self::Size { .. } | Self::Digest { .. } => true,
            Self::Gone
            | Self::Io { .. }
            | Self::Crooked
            | Self::NotOurs { .. }
            | Self::RootLink
            | Self::LinkOut { .. }
            | Self::Special { .. }
            | Self::TooDeep { .. }
            | Self::TooMany
            | Self::Changed { .. }
            | Self::OtherDevice { .. }
            | Self::Extra { .. }
            | Self::Sync { .. }
            | Self::Cancelled => false,
        }
    }
}

/// Puts what was tried, and on what, beside what the system said.
pub(super) fn failed(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> ForeignRefusal {
    let path = path.into();
    move |source| ForeignRefusal::Io { what, path, source }
}
