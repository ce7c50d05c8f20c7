//! Folders for their owner only.

use super::StateError;
use rustix::fs::{Mode, OFlags, fchmod, fstat};
use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Permissions of every folder of ours: events and logs can hold what a training script prints.
const PRIVATE: u32 = 0o700;

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_path_buf();
    move |source| StateError::Io { path, what, source }
}

/// Makes one folder for its owner only; anything that exists already is left for the caller to
/// judge.
pub(super) fn make(path: &Path) -> Result<(), StateError> {
    match DirBuilder::new().mode(PRIVATE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(failed("create", path)),
    }
}

/// Refuses a folder or a link that another user put there.
pub(super) fn check_owner(path: &Path) -> Result<(), StateError> {
    let meta = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if !meta.is_dir() && !meta.is_symlink() {
        return Err(StateError::NotAFolder { path: path.into() });
    }
    refuse_foreign(path, meta.uid())
}

/// Refuses anything but a real folder of ours.
pub(super) fn check(path: &Path) -> Result<(), StateError> {
    let meta = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if !meta.is_dir() {
        return Err(StateError::NotAFolder { path: path.into() });
    }
    refuse_foreign(path, meta.uid())
}

fn refuse_foreign(path: &Path, owner: u32) -> Result<(), StateError> {
    let us = geteuid().as_raw();
    if owner == us { Ok(()) } else { Err(StateError::NotOurs { path: path.into(), owner, us }) }
}

/// What to do about a folder that others may enter.
#[derive(Debug, PartialEq, Eq)]
enum Exposure {
    /// Nobody else may, or what they may see is nobody's secret: our files in it are private.
    Fine,
    /// It is a state folder, or an empty one named to become one: close it.
    Close,
    /// Others could put things there, and it holds things of somebody else: closing it might
    /// break them, using it might break us.
    Refuse,
}

fn exposure(mode: u32, is_state_folder: bool, is_empty: bool) -> Exposure {
    match (mode & 0o077, mode & 0o022) {
        (0, _) => Exposure::Fine,
        _ if is_state_folder => Exposure::Close,
        (_, 0) if is_empty => Exposure::Close,
        (_, 0) => Exposure::Fine,
        _ => Exposure::Refuse,
    }
}

/// Closes a state folder to everybody else. Works on the opened folder, so that what was
/// checked is what is changed. Returns the former permissions if they were wider. A folder that
/// serves something else as well is never changed.
pub(super) fn tighten(path: &Path) -> Result<Option<u32>, StateError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOTDIR) => return Err(StateError::NotAFolder { path: path.into() }),
        folder => folder.map_err(|errno| failed("open", path)(errno.into()))?,
    };
    let stat = fstat(&folder).map_err(|errno| failed("look at", path)(errno.into()))?;
    refuse_foreign(path, stat.st_uid)?;
    let mode = stat.st_mode & 0o7777;
    let is_state_folder = path.join("lock").symlink_metadata().is_ok_and(|meta| meta.is_file());
    let is_empty = fs::read_dir(path).map_err(failed("list", path))?.next().is_none();
    match exposure(mode, is_state_folder, is_empty) {
        Exposure::Fine => return Ok(None),
        Exposure::Refuse => return Err(StateError::Exposed { path: path.into(), mode }),
        Exposure::Close => {}
    }
    fchmod(&folder, Mode::from_raw_mode(PRIVATE)).map_err(|errno| failed("close", path)(errno.into()))?;
    Ok(Some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_ours_alone_is_closed() {
        for (mode, state, empty, expected) in [
            (0o700, false, false, Exposure::Fine),
            (0o755, true, false, Exposure::Close),
            (0o777, true, false, Exposure::Close),
            (0o755, false, true, Exposure::Close),
            (0o755, false, false, Exposure::Fine),
            (0o1777, false, true, Exposure::Refuse),
            (0o1777, false, false, Exposure::Refuse),
            (0o775, false, false, Exposure::Refuse),
        ] {
            assert_eq!(exposure(mode, state, empty), expected, "{mode:o} {state} {empty}");
        }
    }
}
