//! A worker that writes into a checkpoint while it is read.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use resus_checkpoint::foreign::{ForeignRefusal, digest, look};
use resus_disk::{Disk, DiskFile, Entry, Real};

/// The real disk, but when a file was read to its end a worker does something right after.
#[derive(Debug)]
struct Busy(Deed);

#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Writes to that file, behind its end, so that nothing but a second look shows it.
    Append,
    /// Writes another file beside it.
    Add,
    /// Puts another file in its place, of the same bytes.
    Replace,
}

#[derive(Debug)]
struct BusyFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    deed: Deed,
    was_read: AtomicBool,
}

impl Disk for Busy {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open(path)
    }
    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = Real.open_beneath(root, relative)?;
        Ok(Box::new(BusyFile {
            path: root.join(relative),
            file,
            deed: self.0,
            was_read: AtomicBool::new(false),
        }))
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

impl DiskFile for BusyFile {
    fn entry(&self) -> io::Result<Entry> {
        self.file.entry()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, offset)?;
        if count == 0 && !self.was_read.swap(true, Ordering::Relaxed) {
            match self.deed {
                Deed::Append => OpenOptions::new().append(true).open(&self.path)?.write_all(b"more")?,
                Deed::Add => fs::write(self.path.with_file_name("late"), "a shard")?,
                Deed::Replace => {
                    let copy = self.path.with_extension("copy");
                    fs::copy(&self.path, &copy)?;
                    fs::rename(copy, &self.path)?;
                }
            }
        }
        Ok(count)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn drop_cache(&self) {
        self.file.drop_cache();
    }
}

#[test]
fn what_is_written_while_it_is_read_makes_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, "weights").unwrap();
    let never = AtomicBool::new(false);
    let refusal = digest(&Busy(Deed::Append), &look(&Real, &path).unwrap(), &never).unwrap_err();
    assert!(matches!(&refusal, ForeignRefusal::Changed { name } if name == "a.pt"), "{refusal}");
    digest(&Real, &look(&Real, &path).unwrap(), &never).unwrap();
}

#[test]
fn a_folder_that_changes_while_it_is_read_makes_no_manifest() {
    for (deed, named) in [(Deed::Add, "late"), (Deed::Replace, "a.pt")] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("step-5");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a.pt"), "weights").unwrap();
        let never = AtomicBool::new(false);
        let refusal = digest(&Busy(deed), &look(&Real, &root).unwrap(), &never).unwrap_err();
        assert!(matches!(&refusal, ForeignRefusal::Changed { name } if name == named), "{deed:?}: {refusal}");
        digest(&Real, &look(&Real, &root).unwrap(), &never).unwrap();
    }
}
