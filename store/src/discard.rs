//! The files of runs that are gone: measured, moved out of the way and deleted.
//!
//! Everything happens beneath folders that are held open. No link is followed and no other file
//! system entered, and what is not there (any more) is as good as deleted: a deletion that was
//! interrupted is finished by doing it again.

mod measure;
mod tree;

pub use measure::{Size, measure};

use crate::run_id::{self, BadRunId};
use resus_disk::{DiskFolder, FolderDisk, Kind};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Folder of the runs, in the state folder.
pub(crate) const RUNS: &str = "runs";
/// Folder of what waits for its deletion, in the state folder.
pub const REMOVED: &str = "removed";
const ATTEMPTS: &str = "attempts";
const CHECKPOINTS: &str = "checkpoints";
/// How the names of what workers print begin, in the folder of an attempt.
const OUTPUT: &str = "output";
/// What is kept of a hung worker, in the same place.
const HANG: &str = "hang.txt";

/// Why something could not be deleted or measured. What was deleted before stays deleted.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// The run id does not match its grammar.
    #[error(transparent)]
    BadRunId(#[from] BadRunId),
    /// Another file system is mounted there; whoever mounted it decides about it.
    #[error("{} is on another file system", path.display())]
    Mounted {
        /// The folder.
        path: PathBuf,
    },
    /// It lies deeper than anything of ours does.
    #[error("{} is nested too deeply", path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("failed to {what} {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiscardError {
    let path = path.to_path_buf();
    move |source| DiscardError::Io { path, what, source }
}

/// `NotFound` is `None`: it went while we looked, or was never there.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes the folder of a run below the state folder `root`: it is moved out of the way as a whole,
/// so that nobody finds half a run, and deleted there. Whether anything was there.
///
/// # Errors
/// [`DiscardError`]; doing it again goes on where this ended.
pub fn discard_run(disk: &dyn FolderDisk, root: &Path, run_id: &str) -> Result<bool, DiscardError> {
    run_id::check(run_id)?;
    let aside = root.join(REMOVED).join(run_id);
    // What an interrupted deletion left comes first: it has the name.
    let was_aside = discard_aside(disk, root, run_id)?;
    let folder = root.join(RUNS).join(run_id);
    let entry = if_there(disk.look_at(&folder)).map_err(failed("look at", &folder))?;
    match entry.map(|entry| entry.kind) {
        None => return Ok(was_aside),
        Some(Kind::Folder) => {
            make_aside(disk, root)?;
            move_aside(disk, root, run_id, &aside).map_err(failed("move away", &folder))?;
            discard_aside(disk, root, run_id)?;
        }
        // No folder of ours: only the name is the run's.
        Some(Kind::Link | Kind::File | Kind::Other) => {
            disk.remove(&folder).map_err(failed("remove", &folder))?;
        }
    }
    Ok(true)
}

/// Whether anything of a run may be there to discard.
#[must_use]
pub fn is_left(disk: &dyn FolderDisk, root: &Path, run_id: &str) -> bool {
    // What can't be looked at is there.
    let is_there =
        |folder: &str| !matches!(if_there(disk.look_at(&root.join(folder).join(run_id))), Ok(None));
    [RUNS, REMOVED].into_iter().any(is_there)
}

/// A folder that its owner may not change can't be moved either: it has the name of its parent in it.
fn move_aside(disk: &dyn FolderDisk, root: &Path, run_id: &str, aside: &Path) -> io::Result<()> {
    let runs = root.join(RUNS);
    disk.rename_new(&runs.join(run_id), aside).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        let opened = disk.open_folder(&runs).and_then(|runs| runs.open_up_inner(run_id.as_ref()));
        opened.map_err(|_| error).and_then(|()| disk.rename_new(&runs.join(run_id), aside))
    })
}

fn make_aside(disk: &dyn FolderDisk, root: &Path) -> Result<(), DiscardError> {
    let path = root.join(REMOVED);
    match disk.make_folder(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(failed("create", &path)),
    }
}

/// Deletes what was moved out of the way.
fn discard_aside(disk: &dyn FolderDisk, root: &Path, run_id: &str) -> Result<bool, DiscardError> {
    let path = root.join(REMOVED);
    let folder = if_there(disk.open_folder(&path)).map_err(failed("open", &path))?;
    let Some(folder) = folder else { return Ok(false) };
    tree::remove(&*folder, OsStr::new(run_id), &path)
}

/// Deletes what the workers of a run printed in attempts up to `upto`, and the evidence of their
/// hangs. Whether anything was there.
///
/// # Errors
/// [`DiscardError`]; doing it again goes on where this ended.
pub fn discard_output(
    disk: &dyn FolderDisk,
    root: &Path,
    run_id: &str,
    upto: u32,
) -> Result<bool, DiscardError> {
    let mut was_there = false;
    let Some((attempts, path)) = open_in_run(disk, root, run_id, ATTEMPTS)? else { return Ok(false) };
    for name in attempts.list(usize::MAX).map_err(failed("list", &path))? {
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if number.is_none_or(|number| number > upto) {
            continue;
        }
        let path = path.join(&name);
        // What is no folder is none of ours.
        if !is_folder(&*attempts, &name) {
            continue;
        }
        let attempt = if_there(tree::open(&*attempts, &name)).map_err(failed("open", &path))?;
        let Some(attempt) = attempt else { continue };
        let names = tree::let_in(&*attempt, || attempt.list(usize::MAX));
        for name in names.map_err(failed("list", &path))? {
            if is_output(&name) {
                was_there |= tree::remove(&*attempt, &name, &path)?;
            }
        }
    }
    Ok(was_there)
}

fn is_folder(folder: &dyn DiskFolder, name: &OsStr) -> bool {
    folder.look_at(name).is_ok_and(|entry| entry.kind == Kind::Folder)
}

/// What of an attempt's folder is output, or evidence of a hang.
fn is_output(name: &OsStr) -> bool {
    name == HANG || name.to_str().is_some_and(|name| name.starts_with(OUTPUT))
}

/// A folder that is held open, and its path for messages.
type Opened = (Box<dyn DiskFolder>, PathBuf);

/// A folder within that of a run, if there is one, no link followed on the way.
fn open_in_run(
    disk: &dyn FolderDisk,
    root: &Path,
    run_id: &str,
    name: &str,
) -> Result<Option<Opened>, DiscardError> {
    run_id::check(run_id)?;
    let mut path = root.join(RUNS);
    let mut folder = if_there(disk.open_folder(&path)).map_err(failed("open", &path))?;
    for part in [run_id, name] {
        let Some(around) = folder else { return Ok(None) };
        path.push(part);
        folder = if_there(around.open_folder(part.as_ref())).map_err(failed("open", &path))?;
    }
    Ok(folder.map(|folder| (folder, path)))
}

#[cfg(test)]
mod tests;
