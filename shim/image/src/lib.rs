//! The shim as a small program of its own, carried inside `resus` and put into the state folder
//! by the daemon.
//!
//! `resus shim` is the same code. As a part of the large binary each shim takes several times
//! the memory, so the daemon prefers this one; where a folder does not admit programs
//! (`noexec`) it falls back to itself and says so in its log.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program.
static IMAGE: &[u8] = include_bytes!(env!("RESUS_SHIM_IMAGE"));

/// What the names of installed programs begin with.
const PREFIX: &str = "resus-shim-";

/// Why the program could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The file system said no.
    #[error("{} can't be written: {source}", path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program is there and can't be run.
    #[error("{} can't be run: {reason}", path.display())]
    NotRunnable {
        /// The program.
        path: PathBuf,
        /// What the system said, or how it ended.
        reason: String,
    },
}

/// Puts the program into `folder`, which is made if need be, and tries whether it runs. One
/// that is there already is used if it is the same byte for byte; those of other builds are
/// removed (shims that run keep theirs).
///
/// To be called by one process at a time. Returns the program's path.
///
/// # Errors
/// [`InstallError`]: nothing can be written there, or what is there can't be run.
pub fn install(folder: &Path) -> Result<PathBuf, InstallError> {
    let path = folder.join(format!("{PREFIX}{:016x}", fingerprint(IMAGE)));
    let failed = |source| InstallError::Io { path: path.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    if !is_image(&path) {
        write(&path).map_err(failed)?;
    }
    try_out(&path)?;
    remove_others(folder, &path);
    Ok(path)
}

fn is_image(path: &Path) -> bool {
    let mut there = Vec::new();
    let Ok(file) = File::open(path) else { return false };
    let runnable = file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o100 != 0);
    let most = IMAGE.len() as u64 + 1;
    runnable && file.take(most).read_to_end(&mut there).is_ok() && there == IMAGE
}

/// Beside its place first, so that a program is there whole or not at all.
fn write(path: &Path) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&beside)?;
    file.write_all(IMAGE)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)
}

/// Without arguments a shim refuses its command line and ends.
fn try_out(path: &Path) -> Result<(), InstallError> {
    let refused = |reason| InstallError::NotRunnable { path: path.to_path_buf(), reason };
    let status = Command::new(path)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| refused(error.to_string()))?;
    if status.code() == Some(EXIT_USAGE) { Ok(()) } else { Err(refused(status.to_string())) }
}

/// How a shim ends that was given no arguments (`resus_shim::EXIT_USAGE`).
const EXIT_USAGE: i32 = 2;

/// What is left of other builds is of no use to anybody; should it stay, it does no harm.
fn remove_others(folder: &Path, ours: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        if path != ours && name.is_some_and(|name| name.starts_with(PREFIX)) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// FNV-1a, 64 bit (constants from the algorithm's reference, draft-eastlake-fnv): a name that
/// differs between builds. The content is compared in full.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// One at a time: a program that is open for writing can't be run, and a child that another
    /// thread has just forked holds it open until its exec.
    fn alone() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn the_program_is_installed_once_and_runs() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        let first = install(&bin).unwrap();
        let written = fs::metadata(&first).unwrap().modified().unwrap();
        assert_eq!(install(&bin).unwrap(), first);
        assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written);
        assert_eq!(fs::read_dir(&bin).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_the_program_is_replaced() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let path = install(folder.path()).unwrap();
        for damage in [IMAGE[..IMAGE.len() - 1].to_vec(), [IMAGE, b"x"].concat(), Vec::new()] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, damage).unwrap();
            assert_eq!(install(folder.path()).unwrap(), path);
            assert!(is_image(&path));
        }
    }

    #[test]
    fn programs_of_other_builds_go_and_strangers_stay() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("resus-shim-0000000000000001");
        let stranger = folder.path().join("notes.txt");
        fs::write(&old, "old").unwrap();
        fs::write(&stranger, "mine").unwrap();
        install(folder.path()).unwrap();
        assert!(!old.exists() && stranger.exists());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = install(&file.join("bin")).unwrap_err();
        assert!(error.to_string().contains("file/bin/resus-shim-"), "{error}");
    }
}
