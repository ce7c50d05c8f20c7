//! Saves a checkpoint so that at every instant the old file or the whole new one is there.
//!
//! Temporary file → write → fsync → read back → rename → fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::header::{FLAG_SEALED, HEADER_BYTES, Header, VERSION};
use crate::read::{Verified, drop_cache, verify_stream};
use crate::refusal::Refusal;

/// Leaves room for what a temporary name adds, within the 255 bytes Linux allows.
const NAME_BYTES_MAX: usize = 200;
/// Small chunks are gathered up to this size; larger ones are written as they are.
const BUFFER_BYTES: usize = 256 * 1024;
/// Distinguishes the temporary files of one process from each other.
static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);
/// Leftovers of dead processes that had our process id, as happens in containers, are stepped over.
const TEMP_NAMES_TRIED: u32 = 1000;

/// A checkpoint that lies on disk under its name, and was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, header and seal included.
    pub size_bytes: u64,
    /// CRC-32/IEEE of the stored payload, as in its header.
    pub crc: u32,
    /// How long saving took, reading back included.
    pub duration: Duration,
}

impl Saved {
    /// The checksum as PULSE writes it: `crc32:9a0b11c2`.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("crc32:{:08x}", self.crc)
    }
}

/// Why a checkpoint was not saved. Except for `SyncFolder`, an older file of the same name is still
/// there, and nothing of the new one is left.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The name is empty, hidden, too long, or names a path.
    #[error("\"{}\" is no file name for a checkpoint", name.escape_debug())]
    Name {
        /// The name as given.
        name: String,
    },
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
    /// The new file is in place, but after a power cut the older one may be.
    #[error("failed to bring the folder {} to disk", path.display())]
    SyncFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Saves the concatenation of the chunks of `payload` as `folder/file_name`, sealed, and reads it back.
///
/// `games` is how far the training is (steps, where nothing is played) and `unix_time` is now, in
/// seconds since 1970. The folder must exist. A file of that name is replaced at the end, atomically.
///
/// # Errors
/// See [`SaveError`]; a failed save leaves the folder as it was.
pub fn save(
    folder: &Path,
    file_name: &str,
    games: u64,
    unix_time: i64,
    payload: &[&[u8]],
) -> Result<Saved, SaveError> {
    let start = Instant::now();
    check_name(file_name)?;
    let header = seal_header(games, unix_time, payload);
    let (temp, file) = Temp::create(folder, file_name)?;
    let at = |source| SaveError::Write { path: temp.path.clone(), source };
    write(&file, &header, payload).map_err(at)?;
    file.sync_all().map_err(|source| SaveError::Sync { path: temp.path.clone(), source })?;
    let size_bytes = read_back(&file, &header)
        .map_err(|refusal| SaveError::ReadBack { path: temp.path.clone(), refusal })?;
    drop(file);
    let path = folder.join(file_name);
    temp.rename(&path)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| SaveError::SyncFolder { path: folder.to_owned(), source })?;
    Ok(Saved { path, size_bytes, crc: header.crc, duration: start.elapsed() })
}

/// Removes what saves that were killed left in `folder`. Returns what it removed.
///
/// Call it before the first save, where nobody else saves into the folder.
///
/// # Errors
/// The folder cannot be read, or a leftover cannot be removed. A missing folder has none.
pub fn remove_leftovers(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_temp_name) {
            fs::remove_file(entry.path())?;
            removed.push(entry.path());
        }
    }
    Ok(removed)
}

fn check_name(name: &str) -> Result<(), SaveError> {
    let sane = !name.is_empty() && !name.starts_with('.') && name.len() <= NAME_BYTES_MAX;
    if sane && !name.contains(['/', '\0']) {
        return Ok(());
    }
    Err(SaveError::Name { name: name.to_owned() })
}

/// The header of a sealed file with this payload.
fn seal_header(games: u64, unix_time: i64, payload: &[&[u8]]) -> Header {
    let mut header = Header { version: VERSION, flags: FLAG_SEALED, crc: 0, games, unix_time };
    let mut checksum = crc32fast::Hasher::new();
    payload.iter().for_each(|chunk| checksum.update(chunk));
    checksum.update(&header.seal());
    header.crc = checksum.finalize();
    header
}

fn write(file: &File, header: &Header, payload: &[&[u8]]) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file);
    writer.write_all(&header.encode())?;
    for chunk in payload {
        writer.write_all(chunk)?;
    }
    writer.write_all(&header.seal())?;
    writer.flush()
}

/// Reads the file from the disk and compares it with what was meant. Returns its size.
fn read_back(mut file: &File, header: &Header) -> Result<u64, Refusal> {
    drop_cache(file);
    file.rewind().map_err(Refusal::Read)?;
    let Verified { header: found, size_bytes } = verify_stream(file)?;
    if found == *header {
        return Ok(size_bytes);
    }
    let payload_bytes = size_bytes.saturating_sub(HEADER_BYTES as u64);
    Err(Refusal::Checksum { expected: header.crc, found: found.crc, payload_bytes })
}

/// A temporary file that is removed unless it gets its name.
struct Temp {
    path: PathBuf,
    renamed: bool,
}

impl Temp {
    fn create(folder: &Path, file_name: &str) -> Result<(Self, File), SaveError> {
        let mut tries = 0;
        loop {
            let path = folder.join(temp_name(file_name));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path);
            tries += 1;
            match file {
                Ok(file) => return Ok((Self { path, renamed: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TEMP_NAMES_TRIED => {}
                Err(source) => return Err(SaveError::Create { path, source }),
            }
        }
    }

    fn rename(mut self, to: &Path) -> Result<(), SaveError> {
        fs::rename(&self.path, to).map_err(|source| SaveError::Rename {
            from: self.path.clone(),
            to: to.to_owned(),
            source,
        })?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.renamed {
            // The save has already failed, with an error that says more than this one would.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn temp_name(file_name: &str) -> String {
    let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
    format!(".{file_name}.{}.{number}.tmp", std::process::id())
}

/// Whether `name` is one that `temp_name` makes.
fn is_temp_name(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts =
        name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).map(|name| name.rsplitn(3, '.'));
    parts.is_some_and(|mut parts| {
        let (number, process, rest) = (parts.next(), parts.next(), parts.next());
        number.is_some_and(is_number)
            && process.is_some_and(is_number)
            && rest.is_some_and(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_temporary_names_are_taken_for_leftovers() {
        assert!(is_temp_name(&temp_name("game-000100.prsm")));
        assert!(is_temp_name(&temp_name("x")));
        for name in
            ["a.prsm", ".a.prsm", ".a.prsm.tmp", ".a.prsm.12.tmp", "a.prsm.1.2.tmp", "..1.2.tmp", ".tmp"]
        {
            assert!(!is_temp_name(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_a_path_hidden_or_too_long_is_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", ".hidden", "a/b", "/a", "a\0b", &long] {
            assert!(matches!(check_name(name), Err(SaveError::Name { .. })), "{name}");
        }
        assert!(check_name("game-000100.prsm").is_ok());
    }
}
