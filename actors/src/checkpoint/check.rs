//! Reads announced checkpoints of our own format back.

use super::aside::put_aside;
use super::files::{Files, told};
use super::jobs::Outcome;
use super::prsm::{self, Judgement};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::input::{CheckpointRef, Fact, Refused};
use std::path::Path;

pub(super) fn check(files: &Files, announced: CheckpointRef) -> Outcome {
    let path = Path::new(&announced.path);
    // The catalogue says what it is; of a new one its place and its beginning do.
    if announced.format == CheckpointFormat::Manifest || !files.is_prsm(path) {
        return Outcome::Foreign(announced);
    }
    let before = files.disk.look_at(path);
    let refusal = match prsm::verify(&*files.disk, path) {
        Ok(whole) => return checked(whole.completing(&announced), None),
        Err(refusal) => refusal,
    };
    let moved_to = match prsm::judge(&refusal) {
        // The worker has removed it itself since: no damage, and nothing to keep.
        Judgement::Gone => return gone(&announced),
        Judgement::Unread => None,
        Judgement::Damaged => {
            // One that somebody still writes is not taken away under the writer's hands.
            let is_still = before.is_ok_and(|before| files.disk.look_at(path).is_ok_and(|now| now == before));
            if is_still { put_aside(files, path) } else { None }
        }
    };
    checked(announced, Some(Refused { reason: told(&refusal), moved_to }))
}

fn checked(checkpoint: CheckpointRef, refusal: Option<Refused>) -> Outcome {
    Outcome::Told(Some(Fact::CheckpointChecked { checkpoint, refusal }))
}

fn gone(announced: &CheckpointRef) -> Outcome {
    Outcome::Told(Some(Fact::CheckpointsPruned { paths: vec![announced.path.clone()] }))
}
