//! What the files of a run take on the disk.

use super::tree::DEPTH_MAX;
use super::{ATTEMPTS, CHECKPOINTS, DiscardError, RUNS, failed, if_there, is_output};
use crate::run_id;
use resus_disk::{DiskFolder, FolderDisk, Kind};
use std::collections::BTreeSet;
use std::ffi::OsStr;
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
}

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

struct Measuring {
    size: Size,
    device: u64,
    seen: BTreeSet<(u64, u64)>,
}

/// What the folder of a run below the state folder `root` takes. Links are not followed, and what
/// is on another file system does not count. Things that go meanwhile are as good as not there.
///
/// # Errors
/// [`DiscardError`].
pub fn measure(disk: &dyn FolderDisk, root: &Path, run_id: &str) -> Result<Size, DiscardError> {
    run_id::check(run_id)?;
    let path = root.join(RUNS).join(run_id);
    let folder = if_there(disk.open_folder(&path)).map_err(failed("open", &path))?;
    let Some(folder) = folder else { return Ok(Size::default()) };
    let entry = folder.entry().map_err(failed("look at", &path))?;
    let size = Size { all: entry.allocated, ..Size::default() };
    let mut measuring = Measuring { size, device: entry.identity.0, seen: BTreeSet::new() };
    measuring.folder(&*folder, &path, Place::Run, DEPTH_MAX)?;
    Ok(measuring.size)
}

impl Measuring {
    fn folder(
        &mut self,
        folder: &dyn DiskFolder,
        path: &Path,
        place: Place,
        depth: u32,
    ) -> Result<(), DiscardError> {
        let names = if_there(folder.list(usize::MAX)).map_err(failed("list", path))?;
        for name in names.unwrap_or_default() {
            let path = path.join(&name);
            let entry = if_there(folder.look_at(&name)).map_err(failed("look at", &path))?;
            let Some(entry) = entry.filter(|entry| entry.identity.0 == self.device) else { continue };
            let place = place.of(&name);
            if self.seen.insert(entry.identity) {
                self.count(place, entry.allocated);
            }
            if entry.kind == Kind::Folder && depth > 0 {
                let inner = if_there(folder.open_folder(&name)).map_err(failed("open", &path))?;
                if let Some(inner) = inner {
                    self.folder(&*inner, &path, place, depth - 1)?;
                }
            }
        }
        Ok(())
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
