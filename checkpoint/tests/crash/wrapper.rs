//! A disk before which somebody stands who changes what is asked.

use resus_disk::{Disk, DiskFile, Entry};
use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is done instead of some operations, or before them.
pub trait Meddler: Debug + Send + Sync + 'static {
    /// Brings a file to disk.
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        file.sync()
    }

    /// Brings the names of a folder to disk.
    fn sync_folder(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        disk.sync_folder(folder)
    }

    /// Comes before each read.
    fn before_read(&self) {}
}

/// The disk with its meddler.
#[derive(Debug)]
pub struct Meddled<M: Meddler> {
    pub disk: Arc<dyn Disk>,
    pub meddler: Arc<M>,
}

#[derive(Debug)]
struct MeddledFile<M: Meddler> {
    file: Box<dyn DiskFile>,
    meddler: Arc<M>,
}

impl<M: Meddler> Meddled<M> {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(MeddledFile { file, meddler: Arc::clone(&self.meddler) })
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

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(folder)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.read_link(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.make_folder(path)
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
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.meddler.sync(&*self.file)
    }

    fn begin_writeback(&self, offset: u64, bytes: u64) {
        self.file.begin_writeback(offset, bytes);
    }

    fn drop_cache(&self) {
        self.file.drop_cache();
    }
}
