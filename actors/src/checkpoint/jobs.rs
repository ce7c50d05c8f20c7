//! What is asked for a run's checkpoints.

use super::files::Files;
use super::pick::Asked;
use super::{check, pick, prune, restore};
use resus_core::input::{CheckpointRef, Fact};
use resus_core::policy::RetentionPolicy;
use resus_core::retention::RetentionEntry;

/// One thing to do with files. Each may be asked for again after a restart, and may then find its work
/// done already.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// Find the newest healthy checkpoint that verifies.
    Pick {
        /// Paths that may not be chosen.
        set_aside: Vec<String>,
        /// The catalogue.
        known: Vec<CheckpointRef>,
        /// Where to begin if the run has nothing of its own.
        from: Option<CheckpointRef>,
        /// Files that are not in the catalogue count only if they were changed since, Unix ms.
        anew_since_unix_ms: Option<u64>,
    },
    /// Read back the one that a user chose.
    Restore(CheckpointRef),
    /// Read back one that was announced, or once more one of the catalogue.
    Verify(CheckpointRef),
    /// Delete what no rule keeps.
    Prune {
        /// The catalogue.
        entries: Vec<RetentionEntry>,
        /// Which of them stay.
        rules: RetentionPolicy,
        /// The newest that stays was read back a moment ago.
        is_newest_read: bool,
    },
}

/// What a job led to.
pub(crate) enum Outcome {
    /// The Supervisor is told this.
    Told(Option<Fact>),
    /// The announced checkpoint is of another framework: its check takes its time.
    Foreign(CheckpointRef),
}

pub(super) fn carry_out(files: &Files, job: Job) -> Outcome {
    match job {
        Job::Pick { set_aside, known, from, anew_since_unix_ms } => {
            let asked =
                Asked { set_aside: &set_aside, known: &known, from: from.as_ref(), anew_since_unix_ms };
            Outcome::Told(Some(pick::pick(files, &asked)))
        }
        Job::Restore(chosen) => Outcome::Told(Some(restore::restore(files, &chosen))),
        Job::Verify(announced) => check::check(files, announced),
        Job::Prune { entries, rules, is_newest_read } => {
            let damaged =
                if is_newest_read { None } else { prune::damage_of_newest(files, &entries, &rules) };
            damaged.unwrap_or_else(|| Outcome::Told(prune::prune(files, &entries, &rules)))
        }
    }
}
