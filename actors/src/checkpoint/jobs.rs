//! What is asked for a run's checkpoints.

use super::files::Files;
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
    },
    /// Read back the one that a user chose.
    Restore(CheckpointRef),
    /// Read back one that was announced, or once more one of the catalogue.
    Verify(CheckpointRef),
    /// Delete what no rule keeps.
    Prune { entries: Vec<RetentionEntry>, rules: RetentionPolicy },
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
        Job::Pick { set_aside, known, from } => {
            Outcome::Told(Some(pick::pick(files, &set_aside, &known, from.as_ref())))
        }
        Job::Restore(chosen) => Outcome::Told(Some(restore::restore(files, &chosen))),
        Job::Verify(announced) => check::check(files, announced),
        Job::Prune { entries, rules } => Outcome::Told(prune::prune(files, &entries, &rules)),
    }
}
