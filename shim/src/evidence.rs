//! What the shim leaves in an attempt's folder: `spawn.json` before a worker's program
//! begins, `exit.json` before anybody is told that it ended. Whoever comes later (another
//! shim, a daemon without a shim) learns from these two what became of an attempt.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::Exit;

/// Folder of a run's folder that holds one folder per attempt, named by its number.
pub const ATTEMPTS: &str = "attempts";
/// Lock that everything of a run's process tree holds, in the run's folder.
pub const RUN_LOCK: &str = "run.lock";
/// Lock that a run's one shim holds, in the run's folder.
pub const SHIM_LOCK: &str = "shim.lock";
/// What the shim has to say for itself, in the run's folder.
pub const SHIM_LOG: &str = "shim.log";
/// Output of the worker, both streams; appended to by the worker itself.
pub const OUTPUT_LOG: &str = "output.log";
/// A [`Spawn`].
pub const SPAWN_JSON: &str = "spawn.json";
/// An [`Exit`].
pub const EXIT_JSON: &str = "exit.json";

/// Evidence of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// Process id of the worker, also the id of its process group and session.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot both numbers belong to.
    pub boot_id: String,
    /// The program as asked for.
    pub argv0: String,
    /// Where its notifications go, as asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    /// Wall clock after the start, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// The two files disagree with their format or cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The file system said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The content is not what it should be.
    #[error("parse {}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

impl EvidenceError {
    /// The system's error number, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Format { .. } => None,
        }
    }
}

/// The folder of an attempt.
pub fn attempt_dir(run_dir: &Path, attempt: u32) -> PathBuf {
    run_dir.join(ATTEMPTS).join(format!("{attempt:04}"))
}

/// The start of the attempt in `dir`; `None` when nothing was started there.
///
/// # Errors
/// See [`EvidenceError`].
pub fn read_spawn(dir: &Path) -> Result<Option<Spawn>, EvidenceError> {
    read(&dir.join(SPAWN_JSON))
}

/// The end of the attempt in `dir`; `None` when none was recorded.
///
/// # Errors
/// See [`EvidenceError`].
pub fn read_exit(dir: &Path) -> Result<Option<Exit>, EvidenceError> {
    read(&dir.join(EXIT_JSON))
}

/// The highest attempt of a run that was ever started, and its folder.
///
/// # Errors
/// See [`EvidenceError`].
pub fn newest_attempt(run_dir: &Path) -> Result<Option<(u32, PathBuf)>, EvidenceError> {
    let attempts = run_dir.join(ATTEMPTS);
    let fault = |source| EvidenceError::Io { action: "list", path: attempts.clone(), source };
    let entries = match fs::read_dir(&attempts) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let mut newest: Option<(u32, PathBuf)> = None;
    for entry in entries {
        let path = entry.map_err(fault)?.path();
        let Some(attempt) = attempt_of(&path) else { continue };
        let higher = newest.as_ref().is_none_or(|(seen, _)| attempt > *seen);
        if higher && (path.join(SPAWN_JSON).exists() || path.join(EXIT_JSON).exists()) {
            newest = Some((attempt, path));
        }
    }
    Ok(newest)
}

/// The attempt a folder belongs to, by its name.
pub(crate) fn attempt_of(dir: &Path) -> Option<u32> {
    dir.file_name()?.to_str()?.parse().ok()
}

/// Takes the record of a start back: the program could not be executed after all.
pub(crate) fn remove_spawn(dir: &Path) -> Result<(), EvidenceError> {
    let path = dir.join(SPAWN_JSON);
    fs::remove_file(&path).map_err(|source| EvidenceError::Io { action: "remove", path, source })
}

/// Records a start. Not synced: it only matters as long as the machine stays up, since no
/// process outlives a boot.
pub(crate) fn write_spawn(dir: &Path, spawn: &Spawn) -> Result<(), EvidenceError> {
    write(&dir.join(SPAWN_JSON), spawn, Durable::No)
}

/// Records an end so that it survives a power cut.
pub(crate) fn write_exit(dir: &Path, exit: &Exit) -> Result<(), EvidenceError> {
    write(&dir.join(EXIT_JSON), exit, Durable::Yes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EvidenceError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(EvidenceError::Io { action: "read", path: path.to_owned(), source }),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(source) => Err(EvidenceError::Format { path: path.to_owned(), source }),
    }
}

/// Temp file, write, sync, rename, sync the folder: a reader sees all of it or nothing.
fn write<T: Serialize>(path: &Path, value: &T, durable: Durable) -> Result<(), EvidenceError> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|source| EvidenceError::Format { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    let temporary = path.with_extension("json.tmp");
    let outcome = write_and_rename(&temporary, path, &bytes, durable);
    outcome.map_err(|(action, source)| {
        // Whatever is left of it would only be in the way, and may be the last free block.
        let _ = fs::remove_file(&temporary);
        EvidenceError::Io { action, path: path.to_owned(), source }
    })
}

fn write_and_rename(
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    durable: Durable,
) -> Result<(), (&'static str, io::Error)> {
    let create = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary);
    let mut file = create().map_err(|error| ("create", error))?;
    file.write_all(bytes).map_err(|error| ("write", error))?;
    if durable == Durable::Yes {
        file.sync_all().map_err(|error| ("sync", error))?;
    }
    fs::rename(temporary, path).map_err(|error| ("rename", error))?;
    if durable == Durable::Yes {
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| ("sync the folder of", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit() -> Exit {
        Exit {
            code: None,
            signal: Some(9),
            core_dumped: false,
            user_ms: 1,
            sys_ms: 2,
            max_rss_bytes: 3,
            unix_ms: 4,
            strays_killed: 5,
            unkillable: 0,
        }
    }

    #[test]
    fn an_exit_is_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_exit(folder.path()).unwrap(), None);
        write_exit(folder.path(), &exit()).unwrap();
        assert_eq!(read_exit(folder.path()).unwrap(), Some(exit()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_torn_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SPAWN_JSON), b"{\"pid\": 1").unwrap();
        let error = read_spawn(folder.path()).unwrap_err();
        assert!(matches!(error, EvidenceError::Format { .. }), "{error}");
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(EXIT_JSON).join("in the way")).unwrap();
        let error = write_exit(folder.path(), &exit()).unwrap_err();
        assert!(error.to_string().contains(EXIT_JSON), "{error}");
        assert!(error.errno().is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_newest_attempt_is_the_highest_number_with_evidence() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest_attempt(folder.path()).unwrap(), None);
        let attempts = folder.path().join(ATTEMPTS);
        for name in ["0002", "0010", "0011", "notes"] {
            fs::create_dir_all(attempts.join(name)).unwrap();
        }
        for name in ["0002", "0010", "notes"] {
            fs::write(attempts.join(name).join(SPAWN_JSON), b"{}").unwrap();
        }
        assert_eq!(newest_attempt(folder.path()).unwrap(), Some((10, attempts.join("0010"))));
    }
}
