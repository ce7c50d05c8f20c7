//! A disk before which somebody stands who changes what is asked: to plant mistakes into code that knows
//! nothing of it, and to do something at a certain moment of it.

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Disk, DiskFile, Entry};

/// What is done instead of some operations, or before them; each does what was asked unless it is
/// implemented otherwise.
pub trait Meddler: Debug + Send + Sync + 'static {
    /// [`DiskFile::sync`].
    ///
    /// # Errors
    /// As that.
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        file.sync()
    }

    /// [`DiskFile::drop_cache`].
    fn drop_cache(&self, file: &dyn DiskFile) {
        file.drop_cache();
    }

    /// [`Disk::sync_folder`].
    ///
    /// # Errors
    /// As that.
    fn sync_folder(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        disk.sync_folder(folder)
    }

    /// [`Disk::make_folder`].
    ///
    /// # Errors
    /// As that.
    fn make_folder(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.make_folder(path)
    }

    /// [`Disk::rename`].
    ///
    /// # Errors
    /// As that.
    fn rename(&self, disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
        disk.rename(from, to)
    }

    /// [`Disk::rename_new`].
    ///
    /// # Errors
    /// As that.
    fn rename_new(&self, disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
        disk.rename_new(from, to)
    }

    /// [`Disk::remove`].
    ///
    /// # Errors
    /// As that.
    fn remove(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.remove(path)
    }

    /// Comes before each read.
    fn before_read(&self) {}

    /// May change what was read at `offset` from a file that was the `opened`-th to be opened or created,
    /// from 1.
    fn after_read(&self, opened: usize, read: &mut [u8], offset: u64) {
        let _ = (opened, read, offset);
    }
}

/// The disk with its meddler.
#[derive(Debug)]
pub struct Meddled<M: Meddler> {
    disk: Arc<dyn Disk>,
    meddler: Arc<M>,
    opened: AtomicUsize,
}

#[derive(Debug)]
struct MeddledFile<M: Meddler> {
    file: Box<dyn DiskFile>,
    meddler: Arc<M>,
    opened: usize,
}

impl<M: Meddler> Meddled<M> {
    /// Puts `meddler` before `disk`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, meddler: Arc<M>) -> Self {
        Self { disk, meddler, opened: AtomicUsize::new(0) }
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        Box::new(MeddledFile { file, meddler: Arc::clone(&self.meddler), opened })
    }
}

impl<M: Meddler> Disk for Meddled<M> {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.wrap(file))
    }

    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open_beneath(root, relative).map(|file| self.wrap(file))
    }

    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        self.disk.look_at(path)
    }

    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        self.disk.list(folder, most)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.read_link(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meddler.rename(&*self.disk, from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meddler.rename_new(&*self.disk, from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meddler.remove(&*self.disk, path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.meddler.make_folder(&*self.disk, path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.meddler.sync_folder(&*self.disk, folder)
    }
}

impl<M: Meddler> DiskFile for MeddledFile<M> {
    fn entry(&self) -> io::Result<Entry> {
        self.file.entry()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.meddler.before_read();
        let count = self.file.read_at(buffer, offset)?;
        self.meddler.after_read(self.opened, buffer.get_mut(..count).unwrap_or_default(), offset);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.meddler.sync(&*self.file)
    }

    fn drop_cache(&self) {
        self.meddler.drop_cache(&*self.file);
    }
}
