//! Files of our own format: read from their first byte to their last.

use crate::command::Around;
use crate::counting::Counting;
use crate::error::CliError;
use crate::progress::watched;
use crate::render::verdict::{Verdict, changed};
use resus_checkpoint::verify_with;
use resus_disk::Disk;
use std::path::PathBuf;

/// Reads the file at `path`, which people know as `name`.
///
/// # Errors
/// [`CliError`]; that it is damaged is none.
pub(super) async fn read(name: String, path: PathBuf, around: &Around) -> Result<Verdict, CliError> {
    let disk = Counting::default();
    let before = disk.look_at(&path).ok();
    let size = before.map_or(0, |entry| entry.size);
    let (reader, place) = (disk.clone(), path.clone());
    let work = tokio::task::spawn_blocking(move || {
        let found = verify_with(&reader, &place);
        (found, reader.look_at(&place).ok())
    });
    let (found, after) = watched(&name, size, &disk, work, around.console).await?;
    let mut verdict = Verdict::of_file(name, path, found);
    // What somebody is writing was not damaged when it was written.
    if before != after {
        verdict.found = verdict.found.map_err(changed);
    }
    Ok(verdict)
}
