//! Reads back the one checkpoint that a user chose, and looks which ones it leaves behind.

use super::files::{Age, Files, named, told};
use super::foreign::{self, Unfit};
use super::prsm::{self, Judgement};
use resus_core::codes::Code;
use resus_core::input::{CheckpointRef, Fact};
use std::cmp::Ordering;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Most checkpoints that a restore leaves behind: they are named in one row of the ledger, which
/// holds 1 MiB. Retention keeps far fewer.
const SET_ASIDE_MAX: usize = 1000;

/// Class and reason.
type Refusal = (&'static str, String);

pub(super) fn restore(files: &Files, chosen: &CheckpointRef) -> Fact {
    let (checkpoint, refusal, newer) = match read(files, chosen) {
        Ok((checkpoint, newer)) => (checkpoint, None, newer),
        Err((code, reason)) => (chosen.clone(), Some((Code::new(code), reason)), Vec::new()),
    };
    Fact::RestoreChecked { checkpoint, refusal, newer }
}

fn read(files: &Files, chosen: &CheckpointRef) -> Result<(CheckpointRef, Vec<CheckpointRef>), Refusal> {
    let path = Path::new(&chosen.path);
    let checkpoint = if foreign::is_catalogued(chosen) {
        foreign::compare(files, chosen, &AtomicBool::new(false)).map_err(|unfit| foreign_refusal(&unfit))?
    } else if files.is_own(path) {
        let whole = prsm::verify(&*files.disk, path).map_err(|refusal| prsm_refusal(&refusal))?;
        if is_another(chosen, &whole.digest) {
            let reason = format!("it is whole, and not the file that was read back then: {}", whole.digest);
            return Err(("CHECKPOINT_CORRUPT", reason));
        }
        whole.completing(chosen)
    } else {
        let folder = files.checkpoints.display();
        return Err(("CHECKPOINT_NOT_FOUND", format!("it is not in the run's checkpoint folder {folder}")));
    };
    let newer = newer_than(files, &checkpoint).map_err(|error| {
        let folder = files.checkpoints.display();
        ("RESOURCE_UNAVAILABLE", format!("failed to read the checkpoint folder {folder}: {error}"))
    })?;
    if newer.len() > SET_ASIDE_MAX {
        let count = newer.len();
        let reason = format!("{count} checkpoints are newer, and at most {SET_ASIDE_MAX} can be set aside");
        return Err(("RESOURCE_UNAVAILABLE", reason));
    }
    Ok((checkpoint, newer))
}

/// What was catalogued under this name had another digest. (One of another algorithm says nothing.)
fn is_another(chosen: &CheckpointRef, digest: &str) -> bool {
    let kind = |digest: &str| digest.split_once(':').map(|(kind, _)| kind.to_owned());
    chosen.digest.as_deref().is_some_and(|known| kind(known) == kind(digest) && known != digest)
}

/// The run's files of our own format that would be picked before `checkpoint`, oldest first. Whether
/// they are whole is not looked at.
fn newer_than(files: &Files, checkpoint: &CheckpointRef) -> io::Result<Vec<CheckpointRef>> {
    let path = Path::new(&checkpoint.path);
    let step = checkpoint.step.unwrap_or(f64::NEG_INFINITY);
    let own = Age { step, changed: files.changed_at(path) };
    let others = files.own_prsm()?.into_iter().filter(|other| other != path);
    let aged = others.filter_map(|other| Some((files.age_of_prsm(&other).ok()?, other)));
    let mut newer: Vec<_> = aged
        .filter(|(age, other)| age.compare(&own).then_with(|| other.as_path().cmp(path)) == Ordering::Greater)
        .collect();
    newer.sort_by(|a, b| a.0.compare(&b.0).then_with(|| a.1.cmp(&b.1)));
    let short = |(age, other): (Age, _)| CheckpointRef { step: Some(age.step), ..named(Path::new(&other)) };
    Ok(newer.into_iter().map(|(age, other)| short((age, other))).collect())
}

fn prsm_refusal(refusal: &resus_checkpoint::Refusal) -> Refusal {
    match prsm::judge(refusal) {
        Judgement::Gone => ("CHECKPOINT_NOT_FOUND", "its file is gone".to_owned()),
        Judgement::Passing => ("RESOURCE_UNAVAILABLE", told(refusal)),
        Judgement::Unread if is_of_the_medium(refusal) => ("RESOURCE_UNAVAILABLE", told(refusal)),
        Judgement::Unread | Judgement::Damaged => ("CHECKPOINT_CORRUPT", told(refusal)),
    }
}

/// The disk did not give it.
fn is_of_the_medium(refusal: &resus_checkpoint::Refusal) -> bool {
    matches!(refusal, resus_checkpoint::Refusal::Open(_) | resus_checkpoint::Refusal::Read(_))
}

fn foreign_refusal(unfit: &Unfit) -> Refusal {
    let code = match unfit {
        _ if unfit.is_gone() => "CHECKPOINT_NOT_FOUND",
        _ if unfit.may_pass() => "RESOURCE_UNAVAILABLE",
        _ => "CHECKPOINT_CORRUPT",
    };
    (code, told(unfit))
}
