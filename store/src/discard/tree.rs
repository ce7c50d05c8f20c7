//! Deletes what lies under a name in a folder that is held open, whatever it is.

use super::{DiscardError, failed, if_there};
use resus_disk::{DiskFolder, Kind};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Names read of a folder at a time: a run may hold millions of files.
const NAMES_AT_ONCE: usize = 1_024;
/// Folders within each other. Ours are six deep; a workload may keep some of its own.
pub(super) const DEPTH_MAX: u32 = 64;

/// Deletes `name` in `folder`, which is at `path` for messages. Whether it was there.
///
/// # Errors
/// The first thing that could not be deleted; what could be is gone.
pub(super) fn remove(folder: &dyn DiskFolder, name: &OsStr, path: &Path) -> Result<bool, DiscardError> {
    let device = folder.entry().map_err(failed("look at", path))?.identity.0;
    remove_within(folder, name, path, device, DEPTH_MAX)
}

fn remove_within(
    folder: &dyn DiskFolder,
    name: &OsStr,
    around: &Path,
    device: u64,
    depth: u32,
) -> Result<bool, DiscardError> {
    let path = around.join(name);
    let entry = if_there(let_in(folder, || folder.look_at(name))).map_err(failed("look at", &path))?;
    let Some(entry) = entry else { return Ok(false) };
    if entry.kind != Kind::Folder {
        let removed = if_there(let_in(folder, || folder.remove(name))).map_err(failed("remove", &path))?;
        return Ok(removed.is_some());
    }
    if depth == 0 {
        return Err(DiscardError::TooDeep { path });
    }
    let inner = if_there(open(folder, name)).map_err(failed("open", &path))?;
    let Some(inner) = inner else { return Ok(false) };
    // Asked of the folder that is held: the one under the name may be another one by now.
    if inner.entry().map_err(failed("look at", &path))?.identity.0 != device {
        return Err(DiscardError::Mounted { path });
    }
    empty(&*inner, &path, device, depth - 1)?;
    let removed = if_there(let_in(folder, || folder.remove_folder(name))).map_err(failed("remove", &path))?;
    Ok(removed.is_some())
}

/// Does something in a folder, which workers may have closed even to us: then it is opened up first.
pub(super) fn let_in<T>(folder: &dyn DiskFolder, action: impl Fn() -> io::Result<T>) -> io::Result<T> {
    action().or_else(|error| match error.kind() == io::ErrorKind::PermissionDenied {
        true => folder.open_up().map_err(|_| error).and_then(|()| action()),
        false => Err(error),
    })
}

/// Opens a folder that is to be emptied, likewise.
pub(super) fn open(folder: &dyn DiskFolder, name: &OsStr) -> io::Result<Box<dyn DiskFolder>> {
    let_in(folder, || folder.open_folder(name)).or_else(|error| {
        match error.kind() == io::ErrorKind::PermissionDenied {
            true => folder.open_up_inner(name).map_err(|_| error).and_then(|()| folder.open_folder(name)),
            false => Err(error),
        }
    })
}

/// Deletes all that is in a folder. What can't be deleted keeps nothing else.
fn empty(folder: &dyn DiskFolder, path: &Path, device: u64, depth: u32) -> Result<(), DiscardError> {
    loop {
        let names = let_in(folder, || folder.list(NAMES_AT_ONCE)).map_err(failed("list", path))?;
        let (mut first, mut went) = (None, false);
        for name in &names {
            match remove_within(folder, name, path, device, depth) {
                Ok(was_there) => went |= was_there,
                Err(error) => first = first.or(Some(error)),
            }
        }
        match first {
            // The names that stay would be read again and again.
            Some(error) if !went || names.len() <= NAMES_AT_ONCE => return Err(error),
            Some(_) | None if names.is_empty() => return Ok(()),
            Some(_) | None => {}
        }
    }
}
