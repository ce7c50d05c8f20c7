//! What the files of a run take on the disk.

use super::tree::DEPTH_MAX;
use super::{ATTEMPTS, CHECKPOINTS, DiscardError, RUNS, if_there, is_output};
use crate::run_id;
use resus_disk::{DiskFolder, FolderDisk, Kind};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Bytes on the disk, as its blocks are counted; a file with two names counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// All that lies in the folder of the run, and the folder.
    pub all: u64,
    /// What the workers printed, and the evidence of hangs.
    pub output: u64,
    /// The folder of checkpoints.
    pub checkpoints: u64,
    /// Something could not be read, or the time was over: it is at least so much.
    pub at_least: bool,
}

/// Names of one folder that are looked at: they are all held in memory at once.
const NAMES_MAX: usize = 65_536;

/// Where in the folder of a run something lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Run,
    Attempts,
    Attempt,
    Output,
    Checkpoints,
    Elsewhere,
}

impl Place {
    /// The place of what is called so here.
    fn of(self, name: &OsStr) -> Self {
        match self {
            Self::Run if name == ATTEMPTS => Self::Attempts,
            Self::Run if name == CHECKPOINTS => Self::Checkpoints,
            Self::Attempts => Self::Attempt,
            Self::Attempt if is_output(name) => Self::Output,
            Self::Output => Self::Output,
            Self::Checkpoints => Self::Checkpoints,
            Self::Run | Self::Attempt | Self::Elsewhere => Self::Elsewhere,
        }
    }
}

struct Measuring<'a> {
    has_time: &'a mut dyn FnMut() -> bool,
    size: Size,
    device: u64,
    counted: BTreeSet<(u64, u64)>,
}

/// What the folder of a run below the state folder `root` takes. Links are not followed, and what
/// is on another file system does not count. Things that go meanwhile are as good as not there; what
/// can't be read, or is not reached while `has_time` says so, makes the result a lower bound.
///
/// # Errors
/// [`DiscardError::BadRunId`].
pub fn measure(
    disk: &dyn FolderDisk,
    root: &Path,
    run_id: &str,
    has_time: &mut dyn FnMut() -> bool,
) -> Result<Size, DiscardError> {
    run_id::check(run_id)?;
    let path = root.join(RUNS).join(run_id);
    let opened = if_there(disk.open_folder(&path))
        .and_then(|folder| folder.map(|folder| folder.entry().map(|entry| (folder, entry))).transpose());
    let (folder, entry) = match opened {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(Size::default()),
        Err(_) => return Ok(Size { at_least: true, ..Size::default() }),
    };
    let size = Size { all: entry.allocated, ..Size::default() };
    let mut measuring = Measuring { has_time, size, device: entry.identity.0, counted: BTreeSet::new() };
    measuring.folder(&*folder, Place::Run, DEPTH_MAX);
    Ok(measuring.size)
}

impl Measuring<'_> {
    /// The thing, unless it went meanwhile or can't be read.
    fn seen<T>(&mut self, looked: io::Result<T>) -> Option<T> {
        if_there(looked).unwrap_or_else(|_| {
            self.size.at_least = true;
            None
        })
    }

    fn folder(&mut self, folder: &dyn DiskFolder, place: Place, depth: u32) {
        let names = self.seen(folder.list(NAMES_MAX)).unwrap_or_default();
        if names.len() > NAMES_MAX {
            self.size.at_least = true;
        }
        for name in names {
            if !(self.has_time)() {
                self.size.at_least = true;
                return;
            }
            let entry = self.seen(folder.look_at(&name));
            let Some(entry) = entry.filter(|entry| entry.identity.0 == self.device) else { continue };
            let place = place.of(&name);
            if self.counted.insert(entry.identity) {
                self.count(place, entry.allocated);
            }
            if entry.kind != Kind::Folder {
                continue;
            }
            match depth.checked_sub(1) {
                None => self.size.at_least = true,
                Some(depth) => {
                    if let Some(inner) = self.seen(folder.open_folder(&name)) {
                        self.folder(&*inner, place, depth);
                    }
                }
            }
        }
    }

    fn count(&mut self, place: Place, bytes: u64) {
        let add = |sum: &mut u64| *sum = sum.saturating_add(bytes);
        add(&mut self.size.all);
        match place {
            Place::Output => add(&mut self.size.output),
            Place::Checkpoints => add(&mut self.size.checkpoints),
            Place::Run | Place::Attempts | Place::Attempt | Place::Elsewhere => {}
        }
    }
}
