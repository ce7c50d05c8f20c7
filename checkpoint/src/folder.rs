//! Finds the checkpoint to resume from in a folder of them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::header::Header;
use crate::read::{read_header, verify};
use crate::refusal::Refusal;

/// The ending of checkpoint files.
const EXTENSION: &str = "prsm";

/// A checkpoint that was verified a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// What it says about itself.
    pub header: Header,
    /// Its size.
    pub size_bytes: u64,
}

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Picked {
    /// The newest checkpoint that is whole.
    pub chosen: Option<Candidate>,
    /// Those that are not, among the ones looked at: files without a readable header, then the newer
    /// ones from the newest on. Older ones than the chosen are not looked at beyond their header.
    pub refused: Vec<(PathBuf, Refusal)>,
}

/// The folder itself could not be looked through.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the checkpoint folder {}", path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Looks through the `*.prsm` files of `folder`, newest first by games and then by time of change, and
/// chooses the first that is whole. Hidden files, which temporary ones are, do not count.
///
/// A folder that does not exist holds nothing.
///
/// # Errors
/// The folder cannot be read: that is not the same as holding nothing.
pub fn newest_verified(folder: &Path) -> Result<Picked, FolderError> {
    newest_verified_but(folder, &[])
}

/// The same, but the files of `set_aside` are left as if they were not there.
///
/// # Errors
/// As [`newest_verified`].
pub fn newest_verified_but(folder: &Path, set_aside: &[PathBuf]) -> Result<Picked, FolderError> {
    let failed = |source| FolderError { path: folder.to_owned(), source };
    let mut picked = Picked::default();
    let mut found = Vec::new();
    let paths = checkpoint_paths(folder).map_err(failed)?;
    for path in paths.into_iter().filter(|path| !set_aside.contains(path)) {
        match read_header(&path) {
            Ok(header) => found.push((header.games, changed_at(&path), path)),
            Err(refusal) => picked.refuse(path, refusal),
        }
    }
    found.sort_unstable();
    while let Some((_, _, path)) = found.pop() {
        match verify(&path) {
            Ok(verified) => {
                let (header, size_bytes) = (verified.header, verified.size_bytes);
                picked.chosen = Some(Candidate { path, header, size_bytes });
                break;
            }
            Err(refusal) => picked.refuse(path, refusal),
        }
    }
    Ok(picked)
}

/// The files that [`newest_verified`] would look at before `checkpoint`, whose header is `header`,
/// oldest first, each with how far the training was. Whether they are whole is not looked at, nor
/// need `checkpoint` itself be one that it would look at.
///
/// # Errors
/// The folder cannot be read.
pub fn newer_than(
    folder: &Path,
    checkpoint: &Path,
    header: &Header,
) -> Result<Vec<(PathBuf, u64)>, FolderError> {
    let own = (header.games, changed_at(checkpoint), checkpoint);
    let failed = |source| FolderError { path: folder.to_owned(), source };
    let paths = checkpoint_paths(folder).map_err(failed)?;
    let age = |path: PathBuf| read_header(&path).ok().map(|header| (header.games, changed_at(&path), path));
    let others = paths.into_iter().filter(|path| path != checkpoint).filter_map(age);
    let mut newer: Vec<_> = others.filter(|(games, at, path)| (*games, *at, path.as_path()) > own).collect();
    newer.sort_unstable();
    Ok(newer.into_iter().map(|(games, _, path)| (path, games)).collect())
}

impl Picked {
    /// Remembers a refused file, unless it has gone since the folder was listed: retention may have
    /// removed it, and a file that is not there is no news for an operator.
    fn refuse(&mut self, path: PathBuf, refusal: Refusal) {
        let gone = matches!(&refusal, Refusal::Open(error) if error.kind() == io::ErrorKind::NotFound);
        if !gone {
            self.refused.push((path, refusal));
        }
    }
}

/// The checkpoint files of `folder` by name, so that the order of a report does not depend on the disk.
fn checkpoint_paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        if !hidden && path.extension() == Some(OsStr::new(EXTENSION)) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Breaks the tie between two files of the same game only, so a time that cannot be had is the oldest.
fn changed_at(path: &Path) -> SystemTime {
    fs::symlink_metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
