//! What became of checkpoints, in words.

use super::{by, id, quote};
use crate::checkpoint::DoubtCause;
use crate::event::Why;
use crate::input::{CheckpointRef, CheckpointRefusal};
use crate::retention::{Extreme, RetentionPolicy};
use crate::run::Run;

pub(super) fn verified(checkpoint: &CheckpointRef) -> String {
    let id = id(checkpoint);
    if checkpoint.is_poisoned() {
        return format!(
            "checkpoint {id} was read back; its numbers are not finite, so it is not resumed from"
        );
    }
    format!("checkpoint {id} was read back and may be resumed from")
}

pub(super) fn refused(refusal: &CheckpointRefusal) -> String {
    let place = refusal.moved_to.as_deref().map(|place| format!("; it lies in {} now", quote(place)));
    let (id, reason) = (id(&refusal.checkpoint), quote(&refusal.reason));
    format!("checkpoint {id} was refused: {reason}{}", place.unwrap_or_default())
}

pub(super) fn restored(checkpoint: &CheckpointRef, newer: usize) -> String {
    let rest = match newer {
        0 => String::new(),
        1 => "; a newer one is set aside".to_owned(),
        newer => format!("; {newer} newer ones are set aside"),
    };
    format!("checkpoint {} was read back to go on from it{rest}", id(checkpoint))
}

pub(super) fn pinned(checkpoint_id: &str, pinned: bool, requested_by: &str) -> String {
    let (id, by) = (quote(checkpoint_id), by(Some(requested_by)));
    if pinned {
        return format!("checkpoint {id} was pinned by {by}: retention leaves it alone");
    }
    format!("checkpoint {id} was unpinned by {by}: retention may delete it")
}

/// Retention has deleted it; for any other reason it was only announced.
pub(super) fn pruned(path: &str, why: Why, run: &Run) -> String {
    // Where it was, nobody needs to know any more.
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = quote(name.strip_suffix(".prsm").unwrap_or(name));
    if why != Why::Pruned {
        return format!("checkpoint {name} was gone before it could be read back");
    }
    format!("checkpoint {name} was deleted: {} kept", kept(&run.spec.policy.retention()))
}

/// What the rules keep, up to the verb.
fn kept(rules: &RetentionPolicy) -> String {
    let best = rules.best_metric.as_ref().filter(|_| rules.keep_best > 0).map(|metric| {
        let end = match rules.best_is {
            Extreme::Max => "largest",
            Extreme::Min => "smallest",
        };
        format!("the {} with the {end} {}", rules.keep_best, quote(metric))
    });
    let every = (rules.keep_every > 0).then(|| format!("one of every {} steps", rules.keep_every));
    let limit = (rules.max_bytes > 0).then(|| format!(", in at most {} bytes,", rules.max_bytes));
    let rules = [Some(format!("the newest {}", rules.keep_last)), best, every];
    let rules = rules.into_iter().flatten().collect::<Vec<_>>().join(", ");
    format!("{rules}{} are", limit.unwrap_or_default())
}

/// The state after the event says where the run goes on.
pub(super) fn doubted(checkpoints: &[CheckpointRef], cause: &DoubtCause, run: &Run) -> String {
    let back = match &run.checkpoint {
        Some(checkpoint) => format!("going back to {}", id(checkpoint)),
        None => "going back to the beginning".to_owned(),
    };
    let why = match cause {
        DoubtCause::NanLoss { at: Some(at) } => format!("the loss was not finite at step {at}"),
        DoubtCause::NanLoss { at: None } => "the loss was not finite".to_owned(),
        DoubtCause::CrashLoop { code, at, count } => {
            format!("{code} came back {count} times in a row at step {at}")
        }
        DoubtCause::NotFinite => "the numbers in the newest one are not finite".to_owned(),
    };
    let newest = crate::catalogue::newest(checkpoints).map_or_else(String::new, id);
    let rest = match checkpoints.len() {
        0 | 1 => format!("{newest} is set aside"),
        2 => format!("{newest} and an older one are set aside"),
        all => format!("{newest} and {} older ones are set aside", all - 1),
    };
    format!("{back}: {why}; {rest}")
}
