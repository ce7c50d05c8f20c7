//! Saves on a disk that fails or lies at the step that hurts most.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

#[macro_use]
mod common;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{names, noise, save_bytes};
use resus_checkpoint::{
    Draft, Meta, Refusal, SaveError, SaveOptions, Saved, load, newest_verified, save_with, verify,
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
    /// Names are not brought to disk.
    SyncFolder,
}

/// This machine's disk, with a fault.
#[derive(Clone, Debug, Default)]
struct Faulty {
    fault: Fault,
    syncs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FaultyFile(Box<dyn DiskFile>, Faulty);

impl Faulty {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile(file, self.clone()))
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
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        Real.list(folder)
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
        Real.remove(path)
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
        self.0.entry()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.0.read_at(buffer, offset)?;
        if let Fault::Rot(place) = self.1.fault
            && (offset..offset + count as u64).contains(&place)
        {
            buffer[(place - offset) as usize] ^= 0x40;
        }
        Ok(count)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.1.fault {
            Fault::Full(room) if offset + bytes.len() as u64 > room => Err(io::ErrorKind::StorageFull.into()),
            Fault::Full(_) | Fault::None | Fault::Sync(_) | Fault::Rot(_) | Fault::SyncFolder => {
                self.0.write_at(bytes, offset)
            }
        }
    }
    fn sync(&self) -> io::Result<()> {
        let before = self.1.syncs.fetch_add(1, Ordering::Relaxed);
        if matches!(self.1.fault, Fault::Sync(nth) if before >= nth) {
            return Err(io::ErrorKind::Other.into());
        }
        self.0.sync()
    }
    fn begin_writeback(&self, offset: u64, bytes: u64) {
        self.0.begin_writeback(offset, bytes);
    }
    fn drop_cache(&self) {
        self.0.drop_cache();
    }
}

/// Saves 9 MiB as `a.prsm` over an older one, on a disk with that fault. Returns how often it was synced.
fn save_over_older(
    folder: &Path,
    fault: Fault,
    share: u8,
    read_back: bool,
) -> (Result<Saved, SaveError>, usize) {
    save_bytes(folder, "a.prsm", 1, b"older");
    let disk = Faulty { fault, ..Faulty::default() };
    let syncs = Arc::clone(&disk.syncs);
    let options =
        SaveOptions { disk: Arc::new(disk), disk_share_percent: share, read_back, ..SaveOptions::default() };
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
    let refusal = resus_checkpoint::verify_from_disk_with(&disk, &result.unwrap().path).unwrap_err();
    assert!(matches!(refusal, Refusal::Chunk { chunk: 1, .. }), "{refusal}");
}
