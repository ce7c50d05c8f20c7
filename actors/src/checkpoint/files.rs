//! Where the checkpoints of a run lie, and which files of our own format there are.

use super::prsm;
use resus_checkpoint::Refusal;
use resus_checkpoint::foreign::DAMAGED;
pub(super) use resus_core::checkpoint::GONE;
use resus_core::input::CheckpointRef;
use resus_disk::{Disk, Kind};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The ending of checkpoint files of our own format.
const EXTENSION: &str = "prsm";
/// Most names that a run's folder may hold: more are no checkpoints, and would cost memory.
const NAMES_MAX: usize = 100_000;
/// What they begin with.
const MAGIC: &[u8; 4] = b"PRSM";

/// The folders of one run.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    /// Its own checkpoints: only what lies directly in here is ever moved or deleted.
    pub(super) checkpoints: PathBuf,
    /// What is known of checkpoints of other frameworks, wherever they lie.
    pub(super) manifests: PathBuf,
}

/// How old a checkpoint is: how far the training was, then when the file was changed last. A time that
/// cannot be had is the oldest; it only breaks ties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Age {
    pub(super) step: f64,
    pub(super) changed: SystemTime,
}

impl Age {
    /// Which comes later; what is no number is the oldest.
    pub(super) fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let step = |age: &Self| if age.step.is_nan() { f64::NEG_INFINITY } else { age.step };
        step(self).total_cmp(&step(other)).then(self.changed.cmp(&other.changed))
    }
}

impl Files {
    /// Whether `path` lies directly in the run's folder, and is not the folder of damaged ones.
    pub(super) fn is_own(&self, path: &Path) -> bool {
        is_in(&self.checkpoints, path)
    }

    /// Whether `path` is to be read as our own format: it is in the run's folder and called so, or
    /// begins so.
    pub(super) fn is_prsm(&self, path: &Path) -> bool {
        self.is_own(path) && (path.extension() == Some(OsStr::new(EXTENSION)) || self.begins_like_prsm(path))
    }

    fn begins_like_prsm(&self, path: &Path) -> bool {
        let mut start = [0; MAGIC.len()];
        let Ok(file) = self.disk.open(path) else { return false };
        let is_file = file.entry().is_ok_and(|entry| entry.kind == Kind::File);
        is_file && file.read_exact_at(&mut start, 0).is_ok() && start == *MAGIC
    }

    /// The files of the run's folder that are called like our own format, by name. Hidden ones, which
    /// temporary ones are, do not count. A folder that does not exist holds nothing.
    pub(super) fn own_prsm(&self) -> io::Result<Vec<PathBuf>> {
        let names = match self.disk.list(&self.checkpoints, NAMES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        if names.len() > NAMES_MAX {
            return Err(io::Error::other(format!("it holds more than {NAMES_MAX} names")));
        }
        let is_one = |path: &PathBuf| {
            let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
            !is_hidden && path.extension() == Some(OsStr::new(EXTENSION))
        };
        Ok(names.into_iter().map(|name| self.checkpoints.join(name)).filter(is_one).collect())
    }

    /// How old a file of our own format is by its head.
    pub(super) fn age_of_prsm(&self, path: &Path) -> Result<Age, Refusal> {
        let said = prsm::peek(&*self.disk, path)?;
        Ok(Age { step: said.step, changed: self.changed_at(path) })
    }

    pub(super) fn changed_at(&self, path: &Path) -> SystemTime {
        self.disk.look_at(path).map_or(SystemTime::UNIX_EPOCH, |entry| entry.modified)
    }

    /// Whether there is certainly nothing under that path.
    pub(super) fn is_gone(&self, path: &Path) -> bool {
        self.disk.look_at(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

/// Whether `path` is a checkpoint directly in `folder`.
pub(super) fn is_in(folder: &Path, path: &Path) -> bool {
    path.parent() == Some(folder) && path.file_name().is_some_and(|name| name != DAMAGED)
}

/// A file of which no more is known than where it lies.
pub(super) fn named(path: &Path) -> CheckpointRef {
    let stem = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    CheckpointRef::at(stem, path.to_string_lossy())
}

/// A refusal with everything that led to it, in one line.
pub(super) fn told(refusal: &dyn std::error::Error) -> String {
    let mut text = refusal.to_string();
    let mut source = refusal.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
