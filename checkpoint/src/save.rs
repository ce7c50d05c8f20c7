//! Saves a checkpoint so that at every instant what was there before is there, and the new one whole or not
//! at all.
//!
//! Temporary file → write → fsync → read back → rename → fsync of the folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use resus_disk::{Disk, DiskFile, Real};

use crate::digest::in_words;
use crate::header::Header;
use crate::open::read_front;
use crate::pace::{Hurry, Pace, Stopped};
use crate::plan::{DraftError, Plan};
use crate::refusal::Refusal;
use crate::section::Draft;
use crate::temp::{Place, Temp};
use crate::verify::verify_front;
use crate::write::{Written, write};

/// Leaves room for what a temporary name adds, within the 255 bytes Linux allows.
const NAME_BYTES_MAX: usize = 200;
/// Raw bytes of a chunk, unless told otherwise.
pub const CHUNK_BYTES: u32 = 4 << 20;

/// What to do where the name is taken when a save is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// The file of that name is replaced, atomically.
    Replace,
    /// It stays, and the new one gets the first free name of `STEM.2.EXT`, `STEM.3.EXT` and so on: an attempt
    /// that goes on from an older step reaches the steps of kept checkpoints again.
    #[default]
    NextName,
}

/// How to save.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// Where to.
    pub disk: Arc<dyn Disk>,
    /// At most that share of the time is spent writing, in percent; with less than 100, each piece of
    /// 4 MiB is brought to disk and a pause follows, of 10 s at most, and none while somebody waits for a
    /// [`Saver`](crate::background::Saver) to finish. Reading back is not slowed.
    pub disk_share_percent: u8,
    /// Whether the file is read from the disk and compared before it gets its name. Without, a disk that
    /// forgets what it confirmed is noticed by the next reader only.
    pub read_back: bool,
    /// Raw bytes of a chunk: a power of two from 512 to 16 MiB.
    pub chunk_bytes: u32,
    /// What to do where the name is taken.
    pub taken: Taken,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self {
            disk: Arc::new(Real),
            disk_share_percent: 100,
            read_back: true,
            chunk_bytes: CHUNK_BYTES,
            taken: Taken::NextName,
        }
    }
}

/// A checkpoint that lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where it is: under the name it was to have, or the [next](Taken::NextName) free one.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// As in [`crate::Verified::digest`].
    pub digest: String,
    /// How long saving took, reading back included.
    pub duration: Duration,
    /// How long reading back took; zero if it was not done.
    pub read_back: Duration,
}

/// Why a checkpoint was not saved. Except for `SyncFolder`, everything is as it was, and nothing of the new
/// one is left.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The name is empty, hidden, too long, or names a path.
    #[error("\"{}\" is no file name for a checkpoint", name.escape_debug())]
    Name {
        /// The name as given.
        name: String,
    },
    /// No file can hold it.
    #[error("failed to lay out the checkpoint")]
    Draft(#[from] DraftError),
    /// The temporary file could not be made.
    #[error("failed to create {}", path.display())]
    Create {
        /// The temporary file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The temporary file could not be written, most often because the disk is full.
    #[error("failed to write {}", path.display())]
    Write {
        /// The temporary file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk did not confirm the data. The file is given up: after a failed fsync the kernel may have
    /// forgotten what it could not write, so a second one would prove nothing.
    #[error("failed to bring {} to disk", path.display())]
    Sync {
        /// The temporary file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What came back from the disk is not what was written.
    #[error("failed to read back {} as it was written", path.display())]
    ReadBack {
        /// The temporary file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        refusal: Refusal,
    },
    /// The finished file could not be given its name.
    #[error("failed to rename {} to {}", from.display(), to.display())]
    Rename {
        /// The temporary file.
        from: PathBuf,
        /// Its name-to-be.
        to: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The new file is in place, but after a power cut it may be gone, and one that it replaced be back.
    #[error("failed to bring the folder {} to disk", path.display())]
    SyncFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Saves `draft` as `folder/file_name` with the default [`SaveOptions`].
///
/// # Errors
/// See [`SaveError`]; a failed save leaves the folder as it was.
pub fn save(folder: &Path, file_name: &str, draft: &Draft<'_>) -> Result<Saved, SaveError> {
    save_with(&SaveOptions::default(), folder, file_name, draft)
}

/// Saves `draft` as `folder/file_name`, or where that is taken as [`SaveOptions::taken`] says. The folder must
/// exist.
///
/// Packing and hashing use the ambient rayon pool if there is more than 4 MiB; writing is done by the
/// caller, so no thread of the pool waits for the disk before the file is read back. Where that pool is
/// busy with other work, install one of your own around the call: a single thread is enough.
///
/// # Errors
/// See [`SaveError`]; a failed save leaves the folder as it was.
pub fn save_with(
    options: &SaveOptions,
    folder: &Path,
    file_name: &str,
    draft: &Draft<'_>,
) -> Result<Saved, SaveError> {
    save_hurried(options, folder, file_name, draft, &Hurry::default())
}

/// The same, without pauses while `hurry` is on.
pub(crate) fn save_hurried(
    options: &SaveOptions,
    folder: &Path,
    file_name: &str,
    draft: &Draft<'_>,
    hurry: &Hurry,
) -> Result<Saved, SaveError> {
    let plan = Plan::new(draft, options.chunk_bytes)?;
    let place = match options.taken {
        Taken::Replace => Place::Named,
        Taken::NextName => Place::Next,
    };
    let pace = Pace { share_percent: options.disk_share_percent, hurry };
    commit_v3(options, folder, file_name, place, &plan, pace)
}

/// Saves what was planned.
pub(crate) fn commit_v3(
    options: &SaveOptions,
    folder: &Path,
    file_name: &str,
    place: Place,
    plan: &Plan<'_>,
    pace: Pace<'_>,
) -> Result<Saved, SaveError> {
    commit(options, folder, file_name, place, |file| {
        let Written { header, digest } = write(file, plan, pace)?;
        Ok(Meant { header, digest: in_words(&digest) })
    })
}

/// What a file that was just written has to be.
pub(crate) struct Meant {
    pub header: Header,
    pub digest: String,
}

/// The commit protocol around what `write` writes.
pub(crate) fn commit(
    options: &SaveOptions,
    folder: &Path,
    file_name: &str,
    place: Place,
    write: impl FnOnce(&dyn DiskFile) -> Result<Meant, Stopped>,
) -> Result<Saved, SaveError> {
    let start = Instant::now();
    check_name(file_name)?;
    let disk = &*options.disk;
    let (temp, file) = Temp::create(disk, folder, file_name)?;
    let path = || temp.path.clone();
    let meant = write(&*file).and_then(|meant| file.sync().map(|()| meant).map_err(Stopped::Sync)).map_err(
        |stopped| match stopped {
            Stopped::Write(source) => SaveError::Write { path: path(), source },
            Stopped::Sync(source) => SaveError::Sync { path: path(), source },
        },
    )?;
    let written = Instant::now();
    let size_bytes = if options.read_back {
        read_back(&*file, &meant).map_err(|refusal| SaveError::ReadBack { path: path(), refusal })?
    } else {
        file.entry().map_err(|source| SaveError::Write { path: path(), source })?.size
    };
    let read_back = if options.read_back { written.elapsed() } else { Duration::ZERO };
    drop(file);
    let path = temp.rename(folder, file_name, place)?;
    disk.sync_folder(folder).map_err(|source| SaveError::SyncFolder { path: folder.to_owned(), source })?;
    Ok(Saved { path, size_bytes, digest: meant.digest, duration: start.elapsed(), read_back })
}

fn check_name(name: &str) -> Result<(), SaveError> {
    let sane = !name.is_empty() && !name.starts_with('.') && name.len() <= NAME_BYTES_MAX;
    if sane && !name.contains(['/', '\0']) {
        return Ok(());
    }
    Err(SaveError::Name { name: name.to_owned() })
}

/// Reads the file from the disk and compares it with what was meant. Returns its size.
fn read_back(file: &dyn DiskFile, meant: &Meant) -> Result<u64, Refusal> {
    file.drop_cache();
    let (size, front) = read_front(file)?;
    let verified = verify_front(file, size, &front)?;
    if verified.digest != meant.digest || verified.header != meant.header {
        return Err(Refusal::Digest { expected: meant.digest.clone(), found: verified.digest });
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_path_hidden_or_too_long_is_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", ".hidden", "a/b", "/a", "a\0b", &long] {
            assert!(matches!(check_name(name), Err(SaveError::Name { .. })), "{name}");
        }
        assert!(check_name("game-000100.prsm").is_ok());
    }
}
