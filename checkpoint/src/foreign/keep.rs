//! The folder in which manifests are kept. Each is named by its digest, so that keeping one twice
//! changes nothing, and a catalogue's entry finds the one it was made with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use resus_disk::{Disk, DiskFile, Kind};

use super::manifest::{Manifest, ManifestError};
use crate::names::list;

const EXTENSION: &str = ".manifest";
const TEMP_EXTENSION: &str = ".tmp";
/// What stands before the hex digits in a catalogue.
const PREFIX: &str = "manifest:blake3:";
/// The manifest of the largest checkpoint, a hundred thousand long names, stays below it.
const BYTES_MAX: u64 = 512 << 20;
/// Leftovers of processes that had our id are stepped over.
const TEMP_NAMES_TRIED: u32 = 1000;
static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);

/// Why a manifest could not be kept or found again.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The digest of the catalogue is none of a manifest.
    #[error("\"{}\" is no digest of a manifest", digest.escape_debug())]
    NotOne {
        /// The digest as given.
        digest: String,
    },
    /// There is none of that digest.
    #[error("its manifest is gone")]
    Gone,
    /// The file of the manifest is damaged.
    #[error("its manifest {} {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A file operation failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Keeps `manifest` in `folder`, which is made if it is missing, and returns its digest. The folder around it
/// must exist. When this returns, it survives a power cut. One that was kept before is written anew, and is
/// new again.
///
/// # Errors
/// [`KeepError::Io`].
pub fn keep(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<String, KeepError> {
    make(disk, folder)?;
    let digest = manifest.digest();
    let path = file_of(folder, &digest)?;
    let (temp, file) = create(disk, &path)?;
    let written = write(&*file, manifest, &temp)
        .and_then(|()| disk.rename(&temp, &path).map_err(failed("rename", &temp)));
    if let Err(error) = written {
        // The error before says more than this one would.
        drop(disk.remove(&temp));
        return Err(error);
    }
    disk.sync_folder(folder).map_err(failed("sync", folder))?;
    Ok(digest)
}

/// Makes a folder, and brings its name to disk also if somebody made it a moment ago.
fn make(disk: &dyn Disk, folder: &Path) -> Result<(), KeepError> {
    match disk.make_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed("make", folder))?,
    }
    let around = match folder.parent() {
        Some(around) if !around.as_os_str().is_empty() => around,
        Some(_) | None => Path::new("."),
    };
    disk.sync_folder(around).map_err(failed("sync", around))
}

fn create(disk: &dyn Disk, path: &Path) -> Result<(PathBuf, Box<dyn DiskFile>), KeepError> {
    let mut tries = 0;
    loop {
        let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
        let temp = path.with_file_name(format!(".{}.{number}{TEMP_EXTENSION}", std::process::id()));
        tries += 1;
        match disk.create(&temp) {
            Ok(file) => return Ok((temp, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TEMP_NAMES_TRIED => {}
            Err(source) => return Err(failed("create", &temp)(source)),
        }
    }
}

/// Writes, syncs and reads back.
fn write(file: &dyn DiskFile, manifest: &Manifest, temp: &Path) -> Result<(), KeepError> {
    let text = manifest.to_text();
    file.write_all_at(text.as_bytes(), 0).map_err(failed("write", temp))?;
    file.sync().map_err(failed("sync", temp))?;
    file.drop_cache();
    let found = read(file, temp)?;
    if found == text.as_bytes() {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::InvalidData, "what came back is not what was written");
    Err(failed("read back", temp)(source))
}

/// Finds the manifest that a catalogue knows by `digest`.
///
/// # Errors
/// [`KeepError`]: it is gone, unreadable or damaged.
pub fn recall(disk: &dyn Disk, folder: &Path, digest: &str) -> Result<Manifest, KeepError> {
    let path = file_of(folder, digest)?;
    let file = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeepError::Gone),
        file => file.map_err(failed("open", &path))?,
    };
    let bytes = read(&*file, &path)?;
    let damaged = |source| KeepError::Damaged { path: path.clone(), source };
    // What is no UTF-8 any more is damaged in some line; the digest tells so as well.
    let text = String::from_utf8_lossy(&bytes);
    let manifest = Manifest::from_text(&text).map_err(damaged)?;
    let found = manifest.digest();
    if found == digest {
        return Ok(manifest);
    }
    Err(damaged(ManifestError::Digest { expected: digest.to_owned(), found }))
}

fn read(file: &dyn DiskFile, path: &Path) -> Result<Vec<u8>, KeepError> {
    let entry = file.entry().map_err(failed("look at", path))?;
    if entry.kind != Kind::File || entry.size > BYTES_MAX {
        let source = io::Error::new(io::ErrorKind::InvalidData, "no file of a manifest");
        return Err(failed("read", path)(source));
    }
    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| failed("read", path)(io::ErrorKind::OutOfMemory.into()))?;
    bytes.resize(size, 0);
    file.read_exact_at(&mut bytes, 0).map_err(failed("read", path))?;
    Ok(bytes)
}

/// Digests of the manifests kept in `folder`, sorted. A folder that does not exist has none.
///
/// # Errors
/// [`KeepError::Io`], also for a folder of more than 100,000 names.
pub fn kept(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, KeepError> {
    let names = list(disk, folder).map_err(failed("list", folder))?;
    let digest = |name: std::ffi::OsString| {
        let hex = name.to_str()?.strip_suffix(EXTENSION)?;
        is_hex(hex).then(|| format!("{PREFIX}{hex}"))
    };
    Ok(names.into_iter().filter_map(digest).collect())
}

/// When a manifest was kept last.
///
/// # Errors
/// [`KeepError`].
pub fn kept_since(disk: &dyn Disk, folder: &Path, digest: &str) -> Result<SystemTime, KeepError> {
    let path = file_of(folder, digest)?;
    match disk.look_at(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(KeepError::Gone),
        entry => Ok(entry.map_err(failed("look at", &path))?.modified),
    }
}

/// Removes a manifest; one that is not there is no error. What of it a power cut brings back does no
/// harm.
///
/// # Errors
/// [`KeepError`].
pub fn forget(disk: &dyn Disk, folder: &Path, digest: &str) -> Result<(), KeepError> {
    let path = file_of(folder, digest)?;
    match disk.remove(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(failed("remove", &path)),
    }
}

fn file_of(folder: &Path, digest: &str) -> Result<PathBuf, KeepError> {
    match digest.strip_prefix(PREFIX).filter(|hex| is_hex(hex)) {
        Some(hex) => Ok(folder.join(format!("{hex}{EXTENSION}"))),
        None => Err(KeepError::NotOne { digest: digest.to_owned() }),
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> KeepError {
    let path = path.into();
    move |source| KeepError::Io { what, path, source }
}
