//! All that our crates ask of a disk, as a trait, so that a test can put one in its place that fails,
//! loses what was not synced, and stops at any operation.
//!
//! Invariants: nothing here follows a symbolic link in the last part of a path, but for the folder that
//! [`Disk::list`] and [`Disk::sync_folder`] are given, which may be a link, and the folders before the last
//! part, which may be links everywhere but in [`Disk::open_beneath`]; nothing waits for the other end of a
//! pipe, or creates a file that others may read; a failed `sync` is for the caller to believe.

mod beneath;
mod entry;
#[cfg(feature = "faulty")]
pub mod faulty;
mod folder;
mod real;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

pub use crate::entry::{Entry, Kind};
pub use crate::folder::{DiskFolder, FolderDisk};
pub use crate::real::Real;

/// The operations on names. All paths are taken as they are; relative ones begin at the working folder.
pub trait Disk: Debug + Send + Sync {
    /// Creates a file for reading and writing by its owner alone (0600).
    ///
    /// # Errors
    /// `AlreadyExists` if there is anything of that name, a link included; what the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading, whatever it is: ask [`DiskFile::entry`] before you read. Never waits.
    ///
    /// # Errors
    /// ELOOP for a symbolic link, ENXIO for a socket; what the system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens `relative` below the folder `root` for reading, following no link at all on the way.
    ///
    /// # Errors
    /// `InvalidInput` for a path that is empty, absolute, or has parts like `..`; ELOOP or
    /// `NotADirectory` where a part is a link; what the system says.
    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// What lies under that name, without following it.
    ///
    /// # Errors
    /// `NotFound`; what the system says.
    fn look_at(&self, path: &Path) -> io::Result<Entry>;

    /// The names in a folder, sorted, without `.` and `..`. Stops after `most + 1` of them, so that a folder
    /// with millions costs no more memory than the caller allows: whoever gets more than `most` has not
    /// seen all, and which of them it got is up to the file system. A link to a folder is followed.
    ///
    /// # Errors
    /// `NotADirectory` for whatever else has the path; what the system says.
    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>>;

    /// Where a symbolic link points to, as written in it.
    ///
    /// # Errors
    /// `InvalidInput` if it is no link; what the system says.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;

    /// Gives a file or folder another name; what had that name before is gone.
    ///
    /// # Errors
    /// What the system says; then both names are as they were.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file or folder a name that must be free.
    ///
    /// # Errors
    /// `AlreadyExists`; what the system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or a link.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder for its owner alone (0700). The folder around it must exist.
    ///
    /// # Errors
    /// `AlreadyExists`; what the system says.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Brings a folder's names to disk: what was created, renamed or removed in it before survives a
    /// power cut. A link to a folder is followed.
    ///
    /// # Errors
    /// `NotADirectory` for whatever else has the path; what the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// An open file. Positions are given with each call, so several threads may use one.
pub trait DiskFile: Debug + Send + Sync {
    /// What it is.
    ///
    /// # Errors
    /// What the system says.
    fn entry(&self) -> io::Result<Entry>;

    /// Reads some bytes at `offset`; 0 at and behind the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Brings content and size to disk (fsync). When it fails, nothing written since the last success
    /// can be relied on, and calling it again proves nothing.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Tells the system that cached pages are not needed, so that the next read asks the disk. Only a
    /// hint: pages not yet written stay, and some file systems ignore it.
    fn drop_cache(&self);

    /// Fills `buffer` from `offset` on; interrupted calls are repeated.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; as [`DiskFile::read_at`].
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`; interrupted calls are repeated.
    ///
    /// # Errors
    /// `WriteZero` if the system takes nothing; as [`DiskFile::write_at`].
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
