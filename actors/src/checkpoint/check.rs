//! Reads announced checkpoints of our own format back.

use super::aside::put_aside;
use super::files::{Files, GONE, told};
use super::jobs::Outcome;
use super::passing::may_pass;
use super::prsm::{self, Judgement};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::input::{CheckpointRef, Fact, Refused};
use std::io;
use std::path::Path;

pub(super) fn check(files: &Files, announced: CheckpointRef) -> Outcome {
    let path = Path::new(&announced.path);
    // The catalogue says what it is; of a new one its place and its beginning do.
    if announced.format == CheckpointFormat::Manifest || !files.is_prsm(path) {
        return Outcome::Foreign(announced);
    }
    if let Err(error) = bring_to_disk(files, path) {
        // The page cache would say that all is well.
        return match error.kind() {
            io::ErrorKind::NotFound => gone(announced),
            _ if may_pass(&error) => Outcome::Told(None),
            _ => refused(announced, format!("failed to bring it to disk: {error}"), None),
        };
    }
    let before = files.disk.look_at(path);
    let refusal = match prsm::verify(&*files.disk, path) {
        Ok(whole) => {
            let checkpoint = whole.completing(&announced);
            return Outcome::Told(Some(Fact::CheckpointChecked { checkpoint, refusal: None }));
        }
        Err(refusal) => refusal,
    };
    let moved_to = match prsm::judge(&refusal) {
        Judgement::Gone => return gone(announced),
        // It is looked at again when it is needed.
        Judgement::Passing => {
            tracing::warn!(path = announced.path, error = told(&refusal), "a checkpoint can't be read now");
            return Outcome::Told(None);
        }
        Judgement::Unread => None,
        Judgement::Damaged => {
            // One that somebody still writes is not taken away under the writer's hands.
            let is_still = before.is_ok_and(|before| files.disk.look_at(path).is_ok_and(|now| now == before));
            if is_still { put_aside(files, path) } else { None }
        }
    };
    refused(announced, told(&refusal), moved_to)
}

/// A writer that does not sync leaves a file that verifies from memory and is gone after a power cut.
fn bring_to_disk(files: &Files, path: &Path) -> io::Result<()> {
    match files.disk.open(path) {
        Ok(file) => file.sync()?,
        // What is no file is refused by who reads it, in better words.
        Err(error) if error.kind() == io::ErrorKind::NotFound || may_pass(&error) => return Err(error),
        Err(_) => return Ok(()),
    }
    files.disk.sync_folder(&files.checkpoints)
}

fn refused(checkpoint: CheckpointRef, reason: String, moved_to: Option<String>) -> Outcome {
    let refusal = Some(Refused { reason, moved_to });
    Outcome::Told(Some(Fact::CheckpointChecked { checkpoint, refusal }))
}

fn gone(announced: CheckpointRef) -> Outcome {
    refused(announced, GONE.to_owned(), None)
}
