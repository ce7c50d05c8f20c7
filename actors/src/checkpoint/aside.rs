//! Gets damaged checkpoints out of the way.

use super::files::Files;
use resus_checkpoint::foreign::set_aside;
use std::path::Path;

/// Moves a damaged checkpoint into the folder for such, if it lies directly in the run's. Returns where
/// it lies now, if it was moved.
pub(super) fn put_aside(files: &Files, path: &Path) -> Option<String> {
    if !files.is_own(path) {
        return None;
    }
    match set_aside(&*files.disk, &files.checkpoints, path) {
        Ok(to) => Some(to.to_string_lossy().into_owned()),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a damaged checkpoint can't be set aside for sure");
            error.moved_to().map(|to| to.to_string_lossy().into_owned())
        }
    }
}
