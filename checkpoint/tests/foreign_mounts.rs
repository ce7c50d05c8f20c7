//! What is mounted in a checkpoint's folder is neither read nor deleted, and a folder is emptied in bounded
//! memory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use resus_checkpoint::foreign::{DiscardError, ForeignRefusal, discard, empty_trash, look};
use resus_disk::{Disk, DiskFile, Entry, Real};

/// The real disk, but with another device below every folder called `mounted`.
#[derive(Debug, Default)]
struct Mounted {
    /// The most names that were ever asked for at once.
    most: AtomicUsize,
}

impl Disk for Mounted {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open(path)
    }
    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open_beneath(root, relative)
    }
    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        let mut entry = Real.look_at(path)?;
        if path.iter().any(|part| part == "mounted") {
            entry.identity.0 += 1;
        }
        Ok(entry)
    }
    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        self.most.fetch_max(most, Ordering::Relaxed);
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
        Real.remove(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        Real.remove_folder(path)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        Real.make_folder(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Real.sync_folder(folder)
    }
}

#[test]
fn a_folder_with_something_mounted_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = folder.path().join("step-5/sub/mounted");
    fs::create_dir_all(&mounted).unwrap();
    let refusal = look(&Mounted::default(), &folder.path().join("step-5")).unwrap_err();
    assert!(matches!(&refusal, ForeignRefusal::OtherDevice { path } if *path == mounted), "{refusal}");
    assert!(!refusal.is_damage());
    look(&Real, &folder.path().join("step-5")).unwrap();
}

#[test]
fn a_deletion_stops_where_something_is_mounted() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = folder.path().join("step-5/sub/mounted");
    fs::create_dir_all(&mounted).unwrap();
    fs::write(mounted.join("precious"), "x").unwrap();
    let disk = Mounted::default();
    discard(&disk, folder.path(), &folder.path().join("step-5")).unwrap();
    let left = empty_trash(&disk, folder.path()).unwrap_err();
    assert!(matches!(left, DiscardError::OtherDevice { .. }), "{left}");
    let trash = folder.path().join(".resus-trash-0/sub/mounted");
    assert_eq!(fs::read_to_string(trash.join("precious")).unwrap(), "x");
    empty_trash(&Real, folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_of_many_files_is_emptied_a_batch_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-5");
    fs::create_dir_all(path.join("sub")).unwrap();
    for number in 0..2_500 {
        fs::write(path.join(format!("sub/{number}")), "").unwrap();
    }
    let disk = Mounted::default();
    discard(&disk, folder.path(), &path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let most = disk.most.load(Ordering::Relaxed);
    assert!((1..=1_000).contains(&most), "{most} names at once");
}
