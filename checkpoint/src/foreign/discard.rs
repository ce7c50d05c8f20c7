//! Deletes a checkpoint for good.
//!
//! A folder cannot be deleted at once: it first gets a hidden name, so that at every moment it is there
//! whole or not at all, and is then taken apart.

use std::io;
use std::path::{Path, PathBuf};

use resus_disk::{Disk, Kind};

use super::aside::DAMAGED;
use crate::names::list;

/// How the hidden names begin.
const TRASH: &str = ".resus-trash-";
/// Names of trash that could not be taken apart are stepped over.
const TRASH_NAMES_TRIED: u32 = 10_000;
/// A folder is emptied so many names at a time, so that one of millions costs no memory.
const BATCH_NAMES: usize = 1_000;

/// Why a checkpoint was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// It lies somewhere else than directly in the folder, where nothing is ever deleted, or is the
    /// folder of damaged ones.
    #[error("{} is no checkpoint directly in {}", path.display(), folder.display())]
    Elsewhere {
        /// The checkpoint.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A folder in it lies on another device: something is mounted there, which is not ours to delete.
    #[error("{} lies on another device", path.display())]
    OtherDevice {
        /// The folder.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Deletes the file, link or folder `path`, which must lie directly in `folder`. When this returns, it
/// does not come back after a power cut either. One that is not there is no error.
///
/// A folder of which a part cannot be deleted counts as deleted: it has no name any more that anybody
/// would use, and [`empty_trash`] tries again.
///
/// # Errors
/// [`DiscardError`]; except for a failed sync the checkpoint is then as it was.
pub fn discard(disk: &dyn Disk, folder: &Path, path: &Path) -> Result<(), DiscardError> {
    let is_ours = path.parent() == Some(folder) && path.file_name().is_some_and(|name| name != DAMAGED);
    if !is_ours {
        return Err(DiscardError::Elsewhere { path: path.to_owned(), folder: folder.to_owned() });
    }
    let entry = match disk.look_at(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entry => entry.map_err(failed("look at", path))?,
    };
    if entry.kind != Kind::Folder {
        disk.remove(path).map_err(failed("remove", path))?;
        return disk.sync_folder(folder).map_err(failed("sync", folder));
    }
    let trash = hide(disk, folder, path)?;
    disk.sync_folder(folder).map_err(failed("sync", folder))?;
    // What is left is found by its name.
    drop(take_apart(disk, &trash));
    Ok(())
}

fn hide(disk: &dyn Disk, folder: &Path, path: &Path) -> Result<PathBuf, DiscardError> {
    let mut number = 0;
    loop {
        let trash = folder.join(format!("{TRASH}{number}"));
        number += 1;
        match disk.rename_new(path, &trash) {
            Ok(()) => return Ok(trash),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < TRASH_NAMES_TRIED => {}
            Err(source) => return Err(failed("rename", path)(source)),
        }
    }
}

/// Takes apart what earlier deletions left in `folder`. A folder that does not exist has nothing.
///
/// # Errors
/// [`DiscardError`], the first; the rest was tried nevertheless.
pub fn empty_trash(disk: &dyn Disk, folder: &Path) -> Result<(), DiscardError> {
    let names = list(disk, folder).map_err(failed("list", folder))?;
    let is_trash = |name: &std::ffi::OsString| {
        let number = name.to_str().and_then(|name| name.strip_prefix(TRASH));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let trash = names.into_iter().filter(is_trash);
    trash.map(|name| take_apart(disk, &folder.join(name))).fold(Ok(()), Result::and)
}

/// Removes a folder with all that is in it, following no link and entering no folder of another device.
fn take_apart(disk: &dyn Disk, root: &Path) -> Result<(), DiscardError> {
    let device = disk.look_at(root).map_err(failed("look at", root))?.identity.0;
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let entry = disk.look_at(&path).map_err(failed("look at", &path))?;
        if entry.kind != Kind::Folder {
            disk.remove(&path).map_err(failed("remove", path))?;
            continue;
        }
        if entry.identity.0 != device {
            return Err(DiscardError::OtherDevice { path });
        }
        let names = disk.list(&path, BATCH_NAMES).map_err(failed("list", &path))?;
        if names.is_empty() {
            disk.remove_folder(&path).map_err(failed("remove", path))?;
            continue;
        }
        // It comes up again when these are gone: then it is empty, or the next batch is listed.
        let inner: Vec<_> = names.into_iter().map(|name| path.join(name)).collect();
        left.push(path);
        left.extend(inner);
    }
    Ok(())
}

fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> DiscardError {
    let path = path.into();
    move |source| DiscardError::Io { what, path, source }
}
