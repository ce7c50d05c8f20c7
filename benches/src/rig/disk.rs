//! The disk by itself: the least that a program has to wait for which keeps its word across a
//! loss of power.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fault::Fault;

/// Bytes of one record: about what an event has.
const RECORD_BYTES: usize = 300;

/// A file that grows by records, each of which is on disk before the next.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// A new, empty one.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn create(path: PathBuf) -> Result<Self, Fault> {
        let file = File::create_new(&path).map_err(Fault::io("create", &path))?;
        Ok(Self { path, file })
    }

    /// Appends a record and waits for the disk (`fdatasync`); returns how long that took.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn append(&mut self) -> Result<Duration, Fault> {
        let record = format!("{}\n", "x".repeat(RECORD_BYTES - 1));
        let start = Instant::now();
        let write = self.file.write_all(record.as_bytes()).and_then(|()| self.file.sync_data());
        write.map_err(Fault::io("write", &self.path))?;
        Ok(start.elapsed())
    }
}

/// Saves a file such that either the old or the new one is there: a new file beside it, synced
/// and renamed, and the folder synced. Returns how long that took.
///
/// # Errors
/// [`Fault::Io`].
pub fn save(path: &Path, bytes: &[u8]) -> Result<Duration, Fault> {
    let beside = path.with_extension("new");
    let start = Instant::now();
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(Fault::io("save", path))?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_and_appended_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (saved, grown) = (folder.path().join("saved"), folder.path().join("grown"));
        for text in ["one", "two"] {
            save(&saved, text.as_bytes()).expect("saved");
        }
        assert_eq!(fs::read_to_string(&saved).expect("the file"), "two");
        let mut journal = Journal::create(grown.clone()).expect("a file");
        for _ in 0..3 {
            journal.append().expect("appended");
        }
        assert_eq!(fs::read(&grown).expect("the file").len(), 3 * RECORD_BYTES);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }
}
