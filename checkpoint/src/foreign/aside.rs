//! Moves damaged checkpoints out of the way. Nothing is ever deleted or written over by it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use resus_disk::{Disk, Kind};

/// The folder, within that of the checkpoints, in which damaged ones lie.
pub const DAMAGED: &str = "damaged";
/// One name is damaged so often at most; the next stays where it is.
const NAMES_TRIED: u32 = 10_000;

/// Why a damaged checkpoint was not moved, or not for sure.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    /// It lies somewhere else than directly in the folder, where nothing is ever moved, or is
    /// the folder of damaged ones.
    #[error("{} is no checkpoint directly in {}", path.display(), folder.display())]
    Elsewhere {
        /// The checkpoint.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Something else has the name of the folder for damaged ones.
    #[error("{} is no folder of ours", path.display())]
    NotAFolder {
        /// What has the name.
        path: PathBuf,
    },
    /// A file operation failed; the checkpoint lies where it lay.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was moved, but after a power cut it may lie where it lay.
    #[error("failed to bring the folder {} to disk", path.display())]
    Sync {
        /// Where it lies now.
        to: PathBuf,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl AsideError {
    /// Where the checkpoint lies, if it was moved all the same.
    #[must_use]
    pub fn moved_to(&self) -> Option<&Path> {
        match self {
            Self::Sync { to, .. } => Some(to),
            Self::Elsewhere { .. } | Self::NotAFolder { .. } | Self::Io { .. } => None,
        }
    }
}

/// Moves `path`, a file or folder directly in `folder`, into `folder/damaged` (0700), under its own name
/// or that with `.1`, `.2` and so on behind it. Returns where it lies now.
///
/// # Errors
/// [`AsideError`].
pub fn set_aside(disk: &dyn Disk, folder: &Path, path: &Path) -> Result<PathBuf, AsideError> {
    let damaged = folder.join(DAMAGED);
    let name = path.file_name().filter(|_| path.parent() == Some(folder) && path != damaged);
    let Some(name) = name else {
        return Err(AsideError::Elsewhere { path: path.to_owned(), folder: folder.to_owned() });
    };
    let is_new = make(disk, &damaged)?;
    // Before anything is moved into it, also if somebody made it a moment ago: a power cut that took the
    // folder would take what lies in it.
    if let Err(error) = disk.sync_folder(folder) {
        if is_new {
            // Left there, the next one would rely on a name that may never come to disk: a second sync
            // after a failed one proves nothing.
            drop(disk.remove_folder(&damaged));
        }
        return Err(failed("sync", folder)(error));
    }
    let to = move_to_free_name(disk, path, &damaged, name)?;
    // First where it is, then where it was: a power cut in between leaves two names, not none.
    for folder in [&*damaged, folder] {
        let failed = |source| AsideError::Sync { to: to.clone(), path: folder.to_owned(), source };
        disk.sync_folder(folder).map_err(failed)?;
    }
    Ok(to)
}

/// Whether it was not there before.
fn make(disk: &dyn Disk, damaged: &Path) -> Result<bool, AsideError> {
    match disk.make_folder(damaged) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(|()| true).map_err(failed("make", damaged)),
    }
    let entry = disk.look_at(damaged).map_err(failed("look at", damaged))?;
    if entry.kind == Kind::Folder && entry.owner == rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    Err(AsideError::NotAFolder { path: damaged.to_owned() })
}

fn move_to_free_name(
    disk: &dyn Disk,
    path: &Path,
    damaged: &Path,
    name: &OsStr,
) -> Result<PathBuf, AsideError> {
    let mut number = 0;
    loop {
        let to = damaged.join(numbered(name, number));
        number += 1;
        match disk.rename_new(path, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES_TRIED => {}
            Err(source) => return Err(failed("rename", path)(source)),
        }
    }
}

fn numbered(name: &OsStr, number: u32) -> OsString {
    let mut name = name.to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name
}

fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> AsideError {
    let path = path.into();
    move |source| AsideError::Io { what, path, source }
}
