//! An open file of the faulty disk.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::faulty::Faulty;
use crate::faulty::log::Call;
use crate::faulty::tree::Number;
use crate::faulty::world::Told;
use crate::{DiskFile, Entry};

/// An open file of the faulty disk; it stays what it is when its name goes to another.
#[derive(Debug)]
pub struct FaultyFile {
    disk: Faulty,
    number: Number,
    path: PathBuf,
    writable: bool,
}

impl FaultyFile {
    pub(super) fn new(disk: Faulty, number: Number, path: &Path, writable: bool) -> Self {
        Self { disk, number, path: path.to_owned(), writable }
    }

    /// Makes the file longer, with zeros, or shorter.
    ///
    /// # Errors
    /// The plan says so, or it was opened for reading.
    pub fn resize(&self, size: u64) -> io::Result<()> {
        let told = Told { range: Some((size, 0)), ..Told::of(Call::Resize, &self.path) };
        self.disk.told(told, |world| if self.writable { world.resize(self.number, size) } else { bad_file() })
    }
}

fn bad_file<T>() -> io::Result<T> {
    Err(Errno::BADF.into())
}

impl DiskFile for FaultyFile {
    fn entry(&self) -> io::Result<Entry> {
        self.disk.told(Told::of(Call::Entry, &self.path), |world| world.entry(self.number))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let told = Told { range: Some((offset, buffer.len())), ..Told::of(Call::Read, &self.path) };
        self.disk.told(told, |world| {
            let bytes = world.now.bytes(self.number)?;
            let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let told = Told { range: Some((offset, bytes.len())), ..Told::of(Call::Write, &self.path) };
        self.disk.told(told, |world| {
            if !self.writable {
                return bad_file();
            }
            let taken = &bytes[..world.room(bytes.len())];
            if !taken.is_empty() {
                world.write(self.number, offset, taken)?;
            }
            Ok(taken.len())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let told = Told { syncs: Some(self.number), ..Told::of(Call::Sync, &self.path) };
        self.disk.told(told, |_| Ok(()))
    }

    /// The pages of one that is all written go; no operation, as it cannot fail.
    fn drop_cache(&self) {
        self.disk.world().drop_cache(self.number);
    }
}
