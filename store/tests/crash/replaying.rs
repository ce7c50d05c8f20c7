//! Does on the faulty disk what was recorded.

use crate::recording::Act;
use resus_disk::faulty::{Faulty, FaultyFile, Plan};
use resus_disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the recorded folder is on the faulty disk.
pub const FOLDER: &str = "/state";

/// What is left out of a replay, for seeing that it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Nothing,
    SyncOfFiles,
    SyncOfFolders,
}

/// A disk on which everything was done, and when each commit was told.
pub struct Replayed {
    pub disk: Faulty,
    /// Operations done before, and the number of rows that were committed.
    pub told: Vec<(usize, u64)>,
}

enum Handle {
    File(FaultyFile),
    Folder(PathBuf),
}

/// Does what the processes of `recordings` did, one after the other, in the folder `real`.
pub fn replay(recordings: &[Vec<Act>], real: &Path, without: Without) -> Replayed {
    let disk = Faulty::new(Plan::default());
    disk.plant_folder(Path::new(FOLDER)).expect("a folder");
    let mut replayed = Replayed { disk, told: vec![(0, 0)] };
    for recording in recordings {
        let mut handles = BTreeMap::new();
        for act in recording {
            one(&mut replayed, &mut handles, act, real, without);
        }
    }
    replayed
}

fn one(
    replayed: &mut Replayed,
    handles: &mut BTreeMap<u32, Handle>,
    act: &Act,
    real: &Path,
    without: Without,
) {
    let disk = &replayed.disk;
    match act {
        Act::Open { path, handle, make, cut } => {
            handles.remove(handle);
            let Some(path) = place(path, real) else { return };
            let is_folder = disk.copy(Plan::default()).list(&path, 1_000).is_ok();
            if is_folder {
                handles.insert(*handle, Handle::Folder(path));
                return;
            }
            let file = disk.open_to_change(&path, *make).expect("it was opened then");
            if *cut {
                file.resize(0).expect("a file");
            }
            handles.insert(*handle, Handle::File(file));
        }
        Act::Write { handle, at, bytes } => {
            if let Some(Handle::File(file)) = handles.get(handle) {
                file.write_all_at(bytes, *at).expect("written");
            }
        }
        Act::Resize { handle, size } => {
            if let Some(Handle::File(file)) = handles.get(handle) {
                file.resize(*size).expect("resized");
            }
        }
        Act::Sync { handle } => match handles.get(handle) {
            Some(Handle::File(file)) if without != Without::SyncOfFiles => file.sync().expect("synced"),
            Some(Handle::Folder(path)) if without != Without::SyncOfFolders => {
                disk.sync_folder(path).expect("synced");
            }
            Some(Handle::File(_) | Handle::Folder(_)) | None => {}
        },
        Act::Close { handle } => drop(handles.remove(handle)),
        Act::Remove { path } => {
            if let Some(path) = place(path, real) {
                disk.remove(&path).expect("removed");
            }
        }
        Act::Rename { from, to } => {
            if let (Some(from), Some(to)) = (place(from, real), place(to, real)) {
                disk.rename(&from, &to).expect("renamed");
            }
        }
        Act::Said(text) => {
            let rows = text.trim().strip_prefix("committed ").map(|rows| rows.parse().expect("a number"));
            replayed.told.extend(rows.map(|rows| (replayed.disk.operations(), rows)));
        }
    }
}

/// The path on the faulty disk. The index of the log is memory that processes share: SQLite builds it
/// anew when the first of them opens the log.
fn place(path: &Path, real: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(real).ok()?;
    let is_index = path.to_str().is_some_and(|path| path.ends_with("-shm"));
    // Joining nothing would add a slash.
    let place = if inside.as_os_str().is_empty() { FOLDER.into() } else { Path::new(FOLDER).join(inside) };
    (!is_index).then_some(place)
}
