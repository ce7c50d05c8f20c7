//! This machine's disk, counting the bytes that are read: so that somebody who waits for a large
//! file sees how far it is.

use resus_disk::{Disk, DiskFile, Entry, Real};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The disk, and how much of it was read. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counting(Arc<AtomicU64>);

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn DiskFile>,
    read: Arc<AtomicU64>,
}

impl Counting {
    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn counted(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CountingFile { file, read: Arc::clone(&self.0) })
    }
}

impl Disk for Counting {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open(path).map(|file| self.counted(file))
    }

    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open_beneath(root, relative).map(|file| self.counted(file))
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

impl DiskFile for CountingFile {
    fn entry(&self) -> io::Result<Entry> {
        self.file.entry()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_counted_and_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        let disk = Counting::default();
        let file = disk.clone().open(&path).unwrap();
        let mut buffer = [0; 4];
        file.read_exact_at(&mut buffer, 6).unwrap();
        assert_eq!((&buffer, disk.bytes()), (b"6789", 4));
        assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2);
        assert_eq!(disk.bytes(), 6);
        let beneath = disk.open_beneath(folder.path(), Path::new("f")).unwrap();
        beneath.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(disk.bytes(), 10);
    }
}
