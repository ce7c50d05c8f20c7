//! Saves on a disk that fails or lies at the step that hurts most.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

#[macro_use]
mod common;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{names, noise};
use resus_checkpoint::{
    Draft, Meta, Refusal, SaveError, SaveOptions, Saved, Taken, load, newest_verified, remove_leftovers_with,
    save_with, verify, verify_from_disk_with, verify_with,
};
use resus_disk::{Disk, DiskFile, Entry, Real};
use tempfile::TempDir;

/// What the disk does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// From the n-th on, fsyncs of files fail.
    Sync(usize),
    /// Writes behind that many bytes find no room.
    Full(u64),
    /// The byte at that place comes back changed.
    Rot(u64),
    /// The same, but what was read before from a cache was good: only the disk shows it.
    RotBelowCache(u64),
    /// Names are not brought to disk.
    SyncFolder,
    /// Nothing can be removed.
    Remove,
}

/// This machine's disk, with a fault.
#[derive(Clone, Debug, Default)]
struct Faulty {
    fault: Fault,
    syncs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    disk: Faulty,
    is_cache_dropped: AtomicBool,
}

impl Faulty {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { file, disk: self.clone(), is_cache_dropped: AtomicBool::new(false) })
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.create(path).map(|file| self.wrap(file))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open(path).map(|file| self.wrap(file))
    }
    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open_beneath(root, relative).map(|file| self.wrap(file))
    }
    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        Real.look_at(path)
    }
    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        Real.list(folder, most)
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        Real.read_link(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Real.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Real.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.fault == Fault::Remove {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        } else {
            Real.remove(path)
        }
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        Real.remove_folder(path)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        Real.make_folder(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if self.fault == Fault::SyncFolder {
            Err(io::ErrorKind::Other.into())
        } else {
            Real.sync_folder(folder)
        }
    }
}

impl DiskFile for FaultyFile {
    fn entry(&self) -> io::Result<Entry> {
        self.file.entry()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, offset)?;
        let rot = match self.disk.fault {
            Fault::Rot(place) => Some(place),
            Fault::RotBelowCache(place) => self.is_cache_dropped.load(Ordering::Relaxed).then_some(place),
            Fault::None | Fault::Sync(_) | Fault::Full(_) | Fault::SyncFolder | Fault::Remove => None,
        };
        if let Some(place) = rot.filter(|place| (offset..offset + count as u64).contains(place)) {
            buffer[(place - offset) as usize] ^= 0x40;
        }
        Ok(count)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.disk.fault {
            Fault::Full(room) if offset + bytes.len() as u64 > room => Err(io::ErrorKind::StorageFull.into()),
            Fault::Full(_)
            | Fault::None
            | Fault::Sync(_)
            | Fault::Rot(_)
            | Fault::RotBelowCache(_)
            | Fault::SyncFolder
            | Fault::Remove => self.file.write_at(bytes, offset),
        }
    }
    fn sync(&self) -> io::Result<()> {
        let before = self.disk.syncs.fetch_add(1, Ordering::Relaxed);
        if matches!(self.disk.fault, Fault::Sync(nth) if before >= nth) {
            return Err(io::ErrorKind::Other.into());
        }
        self.file.sync()
    }
    fn drop_cache(&self) {
        self.is_cache_dropped.store(true, Ordering::Relaxed);
        self.file.drop_cache();
    }
}

/// Saves 9 MiB as `a.prsm` over an older one, on a disk with that fault. Returns how often it was synced.
fn save_over_older(
    folder: &Path,
    fault: Fault,
    share: u8,
    read_back: bool,
) -> (Result<Saved, SaveError>, usize) {
    let replacing = SaveOptions { taken: Taken::Replace, ..SaveOptions::default() };
    let older =
        Draft { games: 1, unix_time: 1, meta: &Meta::default(), sections: &[section!("state", &[b"older"])] };
    save_with(&replacing, folder, "a.prsm", &older).unwrap();
    let disk = Faulty { fault, ..Faulty::default() };
    let syncs = Arc::clone(&disk.syncs);
    let options = SaveOptions { disk: Arc::new(disk), disk_share_percent: share, read_back, ..replacing };
    let bytes = noise(9 << 20);
    let sections = [section!("state", &[&bytes])];
    let draft = Draft { games: 2, unix_time: 2, meta: &Meta::default(), sections: &sections };
    (save_with(&options, folder, "a.prsm", &draft), syncs.load(Ordering::Relaxed))
}

fn is_as_before(folder: &Path) {
    assert_eq!(names(folder), ["a.prsm"]);
    assert_eq!(load(&folder.join("a.prsm")).unwrap().sections[0].bytes, b"older");
}

#[test]
fn a_file_whose_sync_failed_is_given_up_and_never_synced_again() {
    let folder = TempDir::new().unwrap();
    for (share, failing) in [(100, 0), (90, 0), (90, 1), (90, 3)] {
        let (result, syncs) = save_over_older(folder.path(), Fault::Sync(failing), share, true);
        assert!(matches!(result, Err(SaveError::Sync { .. })), "{result:?}");
        assert_eq!(syncs, failing + 1);
        is_as_before(folder.path());
    }
}

#[test]
fn a_full_disk_costs_nothing_but_the_save() {
    let folder = TempDir::new().unwrap();
    for room in [0, 1 << 20, 5 << 20, 9 << 20] {
        let (result, syncs) = save_over_older(folder.path(), Fault::Full(room), 100, true);
        assert!(matches!(result, Err(SaveError::Write { .. })), "{result:?}");
        assert_eq!(syncs, 0);
        is_as_before(folder.path());
    }
}

#[test]
fn what_comes_back_changed_gets_no_name() {
    let folder = TempDir::new().unwrap();
    for place in [0, 20, 90, 5_000_000, (9 << 20) + 192] {
        let (result, _) = save_over_older(folder.path(), Fault::Rot(place), 100, true);
        assert!(matches!(result, Err(SaveError::ReadBack { .. })), "{place}: {result:?}");
        is_as_before(folder.path());
    }
    let (result, _) = save_over_older(folder.path(), Fault::Rot(5_000_000), 100, false);
    assert_eq!(verify(&result.unwrap().path).unwrap().header.games, 2);
}

#[test]
fn a_name_that_may_not_be_on_disk_is_told_though_the_file_is_whole() {
    let folder = TempDir::new().unwrap();
    let (result, _) = save_over_older(folder.path(), Fault::SyncFolder, 100, true);
    assert!(matches!(result, Err(SaveError::SyncFolder { .. })), "{result:?}");
    assert_eq!(newest_verified(folder.path()).unwrap().chosen.unwrap().header.games, 2);
}

#[test]
fn a_paced_save_is_synced_piece_by_piece() {
    let folder = TempDir::new().unwrap();
    let (result, syncs) = save_over_older(folder.path(), Fault::None, 99, true);
    result.unwrap();
    assert!(syncs >= 4, "{syncs}");
}

#[test]
fn a_file_that_rots_is_refused_where_it_rots() {
    let folder = TempDir::new().unwrap();
    let (result, _) = save_over_older(folder.path(), Fault::None, 100, true);
    let disk = Faulty { fault: Fault::Rot(5_000_000), ..Faulty::default() };
    let refusal = verify_from_disk_with(&disk, &result.unwrap().path).unwrap_err();
    assert!(matches!(refusal, Refusal::Chunk { chunk: 1, .. }), "{refusal}");
}

#[test]
fn rot_that_the_cache_hides_is_found_in_every_part_of_a_file() {
    let folder = TempDir::new().unwrap();
    let (result, _) = save_over_older(folder.path(), Fault::None, 100, true);
    let saved = result.unwrap();
    // Header, sizes, metadata, section table, chunk table, data, digest.
    for place in [0, 12, 40, 82, 90, 120, 5_000_000, saved.size_bytes - 1] {
        let disk = Faulty { fault: Fault::RotBelowCache(place), ..Faulty::default() };
        verify_with(&disk, &saved.path).unwrap();
        assert!(verify_from_disk_with(&disk, &saved.path).is_err(), "byte {place}");
    }
}

#[test]
fn a_leftover_that_cannot_be_removed_is_told_and_does_not_end_the_work() {
    let folder = TempDir::new().unwrap();
    let names = [0, 1].map(|number| format!(".a.prsm.{}.{number}.tmp", u32::MAX));
    let paths = names.map(|name| folder.path().join(name));
    for path in &paths {
        std::fs::write(path, "half").unwrap();
    }
    let leftovers =
        remove_leftovers_with(&Faulty { fault: Fault::Remove, ..Faulty::default() }, folder.path()).unwrap();
    let stuck: Vec<PathBuf> = leftovers.stuck.into_iter().map(|(path, _)| path).collect();
    assert_eq!((stuck, leftovers.removed), (paths.to_vec(), Vec::new()));
}
