//! A disk that holds one file, in memory: for tests that read it a million times.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use resus_disk::{Disk, DiskFile, Entry, Kind};

/// Whatever path is opened, it is this file.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<RwLock<Vec<u8>>>);

impl Memory {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(RwLock::new(bytes)))
    }

    pub fn flip(&self, bit: usize) {
        self.0.write().unwrap()[bit / 8] ^= 1 << (bit % 8);
    }

    pub fn truncate(&self, length: usize) {
        self.0.write().unwrap().truncate(length);
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Disk for Memory {
    fn open(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.clone()))
    }
    fn open_beneath(&self, _: &Path, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        unsupported()
    }
    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        unsupported()
    }
    fn look_at(&self, _: &Path) -> io::Result<Entry> {
        unsupported()
    }
    fn list(&self, _: &Path, _: usize) -> io::Result<Vec<OsString>> {
        unsupported()
    }
    fn read_link(&self, _: &Path) -> io::Result<PathBuf> {
        unsupported()
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }
}

impl DiskFile for Memory {
    fn entry(&self) -> io::Result<Entry> {
        let size = self.0.read().unwrap().len() as u64;
        let (modified, identity) = (SystemTime::UNIX_EPOCH, (0, 0));
        Ok(Entry { kind: Kind::File, size, allocated: size, modified, owner: 0, identity })
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.read().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        unsupported()
    }
    fn sync(&self) -> io::Result<()> {
        unsupported()
    }
    fn drop_cache(&self) {}
}
