//! Folders for their owner only.

use super::StateError;
use resus_disk::{Disk, Kind, Real};
use rustix::fs::{Mode, OFlags, fchmod, fstat};
use rustix::process::geteuid;
use std::fs;
use std::io;
use std::path::Path;

/// Permissions of every folder of ours: events and logs can hold what a training script prints.
const PRIVATE: u32 = 0o700;

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_path_buf();
    move |source| StateError::Io { path, what, source }
}

/// Makes one folder for its owner only; anything that exists already is left for the caller to
/// judge.
pub(super) fn make(disk: &dyn Disk, path: &Path) -> Result<(), StateError> {
    match disk.make_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(failed("create", path)),
    }
}

/// Makes every folder between `root` and `target`, which lies inside it. With `sync` their names are
/// on disk when this returns, whoever made them: what is saved in `target` can be found after a power
/// cut.
pub(super) fn make_all(disk: &dyn Disk, root: &Path, target: &Path, sync: bool) -> Result<(), StateError> {
    let mut folder = root.to_owned();
    for part in target.strip_prefix(root).unwrap_or(target).components() {
        let around = folder.clone();
        folder.push(part);
        make(disk, &folder)?;
        check(disk, &folder)?;
        if sync {
            disk.sync_folder(&around).map_err(failed("sync", &around))?;
        }
    }
    Ok(())
}

/// Makes the folders around a state folder, as they would be made by hand: not private. They are
/// on disk when this returns, as is the name of the state folder itself.
pub(super) fn make_around(path: &Path) -> Result<(), StateError> {
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|folder| folder.symlink_metadata().is_err()).collect();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    make(&Real, path)?;
    let synced = missing.iter().filter_map(|folder| folder.parent()).chain(path.parent());
    for folder in synced {
        // One that we may not read was there before us.
        match Real.sync_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(failed("sync", folder))?,
        }
    }
    Ok(())
}

/// Refuses a folder or a link that another user put there.
pub(super) fn check_owner(path: &Path) -> Result<(), StateError> {
    let entry = Real.look_at(path).map_err(failed("look at", path))?;
    match entry.kind {
        Kind::Folder | Kind::Link => refuse_foreign(path, entry.owner),
        Kind::File | Kind::Other => Err(StateError::NotAFolder { path: path.into() }),
    }
}

/// Refuses anything but a real folder of ours.
fn check(disk: &dyn Disk, path: &Path) -> Result<(), StateError> {
    let entry = disk.look_at(path).map_err(failed("look at", path))?;
    match entry.kind {
        Kind::Folder => refuse_foreign(path, entry.owner),
        Kind::File | Kind::Link | Kind::Other => Err(StateError::NotAFolder { path: path.into() }),
    }
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
    use resus_disk::faulty::{Effort, Faulty, Plan};

    const TARGET: &str = "/state/runs/a/checkpoints";

    fn is_found(sync: bool) -> (bool, usize) {
        let disk = Faulty::new(Plan::default());
        disk.plant_folder(Path::new("/state")).unwrap();
        make_all(&disk, Path::new("/state"), Path::new("/state/runs/a/attempts/0001"), false).unwrap();
        make_all(&disk, Path::new("/state"), Path::new(TARGET), sync).unwrap();
        let found = disk.crashes(disk.operations(), Effort::default());
        let found: Vec<bool> = found.map(|crash| crash.disk.look_at(Path::new(TARGET)).is_ok()).collect();
        (found.iter().all(|found| *found), found.len())
    }

    #[test]
    fn a_folder_for_checkpoints_is_found_after_a_power_cut() {
        let (always, states) = is_found(true);
        assert!(always && states >= 2, "{states} states");
        assert!(!is_found(false).0, "without the syncs it can be lost");
    }

    #[test]
    fn folders_are_made_whatever_failed_before() {
        let disk = Faulty::new(Plan::default());
        disk.plant_folder(Path::new("/state")).unwrap();
        let make = |disk: &Faulty| make_all(disk, Path::new("/state"), Path::new(TARGET), true);
        let begin = disk.copy(Plan::default());
        make(&begin).unwrap();
        for n in 0..begin.operations() {
            let disk = disk.copy(Plan::fail(n, rustix::io::Errno::NOSPC));
            let failed = make(&disk).is_err();
            assert_eq!(failed, disk.strikes() == 1, "operation {n}");
            make(&disk).unwrap();
        }
    }

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
