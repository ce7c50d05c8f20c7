//! Finds the checkpoint to resume from in a folder of them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use resus_disk::{Disk, Real};

use crate::header::Header;
use crate::meta::Meta;
use crate::names::list;
use crate::open::peek_with;
use crate::refusal::Refusal;
use crate::verify::{Verified, verify_with};

/// The ending of checkpoint files.
const EXTENSION: &str = "prsm";

/// A checkpoint that was verified a moment ago.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// What it says about itself.
    pub header: Header,
    /// What else it says about the training; older versions than 3 have none.
    pub meta: Option<Meta>,
    /// Its size.
    pub size_bytes: u64,
    /// As in [`crate::Verified::digest`].
    pub digest: String,
}

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Picked {
    /// The newest checkpoint that is whole.
    pub chosen: Option<Candidate>,
    /// Those that are not, among the ones looked at: files without a readable head, then the newer
    /// ones from the newest on. Older ones than the chosen are not looked at beyond their head.
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
    newest_verified_with(&Real, folder, set_aside)
}

/// The same on another disk.
///
/// # Errors
/// As [`newest_verified`].
pub fn newest_verified_with(
    disk: &dyn Disk,
    folder: &Path,
    set_aside: &[PathBuf],
) -> Result<Picked, FolderError> {
    let failed = |source| FolderError { path: folder.to_owned(), source };
    let mut picked = Picked::default();
    let mut found = Vec::new();
    let paths = checkpoint_paths(disk, folder).map_err(failed)?;
    for path in paths.into_iter().filter(|path| !set_aside.contains(path)) {
        match peek_with(disk, &path) {
            Ok(peek) => found.push((peek.header.games, changed_at(disk, &path), path)),
            Err(refusal) => picked.refuse(path, refusal),
        }
    }
    found.sort_unstable();
    while let Some((_, _, path)) = found.pop() {
        match verify_with(disk, &path) {
            Ok(Verified { header, meta, size_bytes, digest }) => {
                picked.chosen = Some(Candidate { path, header, meta, size_bytes, digest });
                break;
            }
            Err(refusal) => picked.refuse(path, refusal),
        }
    }
    Ok(picked)
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
fn checkpoint_paths(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let visible = list(disk, folder)?.into_iter().filter(|name| !name.as_bytes().starts_with(b"."));
    let paths = visible.map(|name| folder.join(name));
    Ok(paths.filter(|path| path.extension() == Some(OsStr::new(EXTENSION))).collect())
}

/// Breaks the tie between two files of the same game only, so a time that cannot be had is the oldest.
fn changed_at(disk: &dyn Disk, path: &Path) -> SystemTime {
    disk.look_at(path).map_or(SystemTime::UNIX_EPOCH, |entry| entry.modified)
}
