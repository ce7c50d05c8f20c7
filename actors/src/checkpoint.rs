//! Checkpoint files: picking the newest that verifies, reading announced ones back, retention.
//! Reading is blocking work and happens beside the actor, in order per run.

use crate::directory::Directory;
use crate::doing::Summary;
use crate::supervisor::{Observation, SupervisorMsg};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_checkpoint::retention::{self, Entry};
use resus_checkpoint::{Refusal, Verified, newer_than, newest_verified_but, verify};
use resus_core::codes::Code;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{CheckpointRef, CheckpointRefusal, Fact, Refused};
use resus_core::policy::RetentionPolicy;
use resus_core::retention::RetentionEntry;
use resus_store::StateDir;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Jobs that may wait per run. A worker that announces checkpoints faster than they can be
/// read back has the oldest announcement dropped; the file itself stays and is looked at when
/// a checkpoint is picked.
const JOBS_WAITING_MAX: usize = 32;

/// Most checkpoints that a restore leaves behind: they are named in one row of the ledger, which
/// holds 1 MiB. Retention keeps far fewer.
const SET_ASIDE_MAX: usize = 1000;

/// What is asked for a run's checkpoints.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Pick { set_aside: Vec<String>, known: Vec<CheckpointRef>, from: Option<CheckpointRef> },
    Restore(CheckpointRef),
    Verify(CheckpointRef),
    Prune { entries: Vec<RetentionEntry>, rules: RetentionPolicy },
}

pub(crate) enum CheckpointMsg {
    Do {
        run_id: RunId,
        attempt: Attempt,
        job: Job,
    },
    /// A job is done.
    Done {
        run_id: RunId,
        attempt: Attempt,
        fact: Option<Fact>,
    },
}

#[derive(Default)]
struct RunFiles {
    busy: bool,
    waiting: VecDeque<(Attempt, Job)>,
}

pub(crate) struct CheckpointState {
    directory: Arc<Directory>,
    dirs: Arc<StateDir>,
    runs: BTreeMap<RunId, RunFiles>,
}

pub(crate) struct Checkpoint;

impl Actor for Checkpoint {
    type Msg = CheckpointMsg;
    type State = CheckpointState;
    type Arguments = (Arc<Directory>, Arc<StateDir>);

    async fn pre_start(
        &self,
        _myself: ActorRef<CheckpointMsg>,
        (directory, dirs): Self::Arguments,
    ) -> Result<CheckpointState, ActorProcessingErr> {
        Ok(CheckpointState { directory, dirs, runs: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<CheckpointMsg>,
        message: CheckpointMsg,
        state: &mut CheckpointState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.checkpoint.doing.begin(message.summary());
        let run_id = match message {
            CheckpointMsg::Do { run_id, attempt, job } => {
                let files = state.runs.entry(run_id.clone()).or_default();
                if files.waiting.len() >= JOBS_WAITING_MAX {
                    let oldest = files.waiting.iter().position(|(_, job)| matches!(job, Job::Verify(_)));
                    files.waiting.remove(oldest.unwrap_or(0));
                    tracing::warn!(%run_id, "checkpoints are announced faster than they can be read back");
                }
                files.waiting.push_back((attempt, job));
                run_id
            }
            CheckpointMsg::Done { run_id, attempt, fact } => {
                let files = state.runs.entry(run_id.clone()).or_default();
                files.busy = false;
                if let Some(fact) = fact {
                    let observation = Observation { run_id: run_id.clone(), attempt, fact, committed: None };
                    state.directory.supervisor.send(SupervisorMsg::Observed(observation));
                }
                run_id
            }
        };
        start_next(&myself, state, run_id)
    }
}

/// Starts the run's next job beside the actor.
fn start_next(
    myself: &ActorRef<CheckpointMsg>,
    state: &mut CheckpointState,
    run_id: RunId,
) -> Result<(), ActorProcessingErr> {
    let folder = state.dirs.checkpoints(run_id.as_str())?;
    let Some(files) = state.runs.get_mut(&run_id).filter(|files| !files.busy) else { return Ok(()) };
    let Some((attempt, job)) = files.waiting.pop_front() else { return Ok(()) };
    files.busy = true;
    let actor = myself.clone();
    let reading = tokio::task::spawn_blocking(move || carry_out(&folder, &job));
    tokio::spawn(async move {
        // A job that panicked is over as well: the next one of this run must get its turn.
        let fact = reading.await.unwrap_or_else(|error| {
            tracing::error!(%run_id, %error, "a job with checkpoint files failed");
            None
        });
        let _gone = actor.cast(CheckpointMsg::Done { run_id, attempt, fact });
    });
    Ok(())
}

fn carry_out(folder: &Path, job: &Job) -> Option<Fact> {
    match job {
        Job::Pick { set_aside, .. } => Some(pick(folder, set_aside)),
        Job::Restore(checkpoint) => Some(restore(folder, checkpoint)),
        Job::Verify(checkpoint) => Some(check(folder, checkpoint)),
        Job::Prune { entries, rules } => prune(folder, entries, rules.keep_last),
    }
}

fn pick(folder: &Path, set_aside: &[String]) -> Fact {
    let set_aside: Vec<_> = set_aside.iter().map(PathBuf::from).collect();
    let picked = match newest_verified_but(folder, &set_aside) {
        Ok(picked) => picked,
        Err(error) => {
            // Not knowing the checkpoints is not the same as having none: starting from
            // nothing would throw work away, so the attempt does not start at all.
            tracing::error!(folder = %folder.display(), %error, "checkpoints can't be listed");
            return Fact::CheckpointsUnknown { reason: told(&error) };
        }
    };
    let refused = picked
        .refused
        .iter()
        .map(|(path, refusal)| CheckpointRefusal {
            checkpoint: named(path),
            reason: told(refusal),
            moved_to: None,
        })
        .collect();
    let chosen = picked.chosen.map(|chosen| CheckpointRef {
        step: Some(chosen.header.games as f64),
        size_bytes: Some(chosen.size_bytes),
        digest: Some(format!("crc32:{:08x}", chosen.header.crc)),
        ..named(&chosen.path)
    });
    Fact::CheckpointPicked { chosen, refused }
}

/// Reads back the one checkpoint that a user chose, and looks which ones it leaves behind.
fn restore(folder: &Path, chosen: &CheckpointRef) -> Fact {
    let path = Path::new(&chosen.path);
    let refused = |code: &str, reason| Fact::RestoreChecked {
        checkpoint: chosen.clone(),
        refusal: Some((Code::new(code), reason)),
        newer: Vec::new(),
    };
    if path.parent() != Some(folder) {
        return refused("CHECKPOINT_NOT_FOUND", elsewhere(folder));
    }
    let whole = match verify(path) {
        Ok(whole) => whole,
        Err(Refusal::Open(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return refused("CHECKPOINT_NOT_FOUND", "its file is gone".to_owned());
        }
        Err(refusal @ (Refusal::Open(_) | Refusal::Read(_))) => {
            return refused("RESOURCE_UNAVAILABLE", told(&refusal));
        }
        Err(refusal) => return refused("CHECKPOINT_CORRUPT", told(&refusal)),
    };
    match newer_than(folder, path, &whole.header) {
        Ok(newer) if newer.len() <= SET_ASIDE_MAX => {
            let newer = newer.into_iter();
            let newer = newer.map(|(path, games)| CheckpointRef { step: Some(games as f64), ..named(&path) });
            let checkpoint = as_read(chosen, &whole);
            Fact::RestoreChecked { checkpoint, refusal: None, newer: newer.collect() }
        }
        Ok(newer) => {
            let reason = format!(
                "{} checkpoints are newer, and at most {SET_ASIDE_MAX} can be set aside",
                newer.len()
            );
            refused("RESOURCE_UNAVAILABLE", reason)
        }
        Err(error) => refused("RESOURCE_UNAVAILABLE", told(&error)),
    }
}

fn elsewhere(folder: &Path) -> String {
    format!("it is not in the run's checkpoint folder {}", folder.display())
}

/// What was announced, with what its file says.
fn as_read(announced: &CheckpointRef, whole: &Verified) -> CheckpointRef {
    CheckpointRef {
        checkpoint_id: announced.checkpoint_id.clone(),
        path: announced.path.clone(),
        step: Some(whole.header.games as f64),
        size_bytes: Some(whole.size_bytes),
        digest: Some(format!("crc32:{:08x}", whole.header.crc)),
        ..announced.clone()
    }
}

fn check(folder: &Path, announced: &CheckpointRef) -> Fact {
    let path = Path::new(&announced.path);
    if path.parent() != Some(folder) {
        let refusal = Some(Refused { reason: elsewhere(folder), moved_to: None });
        return Fact::CheckpointChecked { checkpoint: announced.clone(), refusal };
    }
    match verify(path) {
        Ok(whole) => Fact::CheckpointChecked { checkpoint: as_read(announced, &whole), refusal: None },
        // The worker has removed it itself since: no damage, and nothing to keep.
        Err(Refusal::Open(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Fact::CheckpointsPruned { paths: vec![announced.path.clone()] }
        }
        Err(refusal) => Fact::CheckpointChecked {
            checkpoint: announced.clone(),
            refusal: Some(Refused { reason: told(&refusal), moved_to: None }),
        },
    }
}

/// Deletes what retention names. Only verified files are known to it, so only they count as
/// kept, and only files of the run's own folder are ever touched.
fn prune(folder: &Path, known: &[RetentionEntry], keep: u32) -> Option<Fact> {
    let entries: Vec<_> = known
        .iter()
        .filter(|entry| Path::new(&entry.checkpoint.path).parent() == Some(folder))
        .map(|entry| Entry {
            id: entry.checkpoint.path.clone(),
            step: entry.checkpoint.step.unwrap_or(0.0) as u64,
            verified: entry.verified,
            pinned: entry.protected,
        })
        .collect();
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let mut paths = Vec::new();
    for path in retention::plan(&entries, keep) {
        match std::fs::remove_file(&path) {
            Ok(()) => paths.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => paths.push(path),
            Err(error) => tracing::warn!(%path, %error, "checkpoint can't be deleted"),
        }
    }
    (!paths.is_empty()).then_some(Fact::CheckpointsPruned { paths })
}

fn named(path: &Path) -> CheckpointRef {
    let stem = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    CheckpointRef::at(stem, path.to_string_lossy())
}

/// The refusal with everything that led to it, in one line.
fn told(refusal: &dyn std::error::Error) -> String {
    let mut text = refusal.to_string();
    let mut source = refusal.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(folder: &Path, games: u64) -> CheckpointRef {
        let name = format!("ck-{games:06}.prsm");
        let saved = resus_checkpoint::save(folder, &name, games, 0, &[b"tables"]).unwrap();
        CheckpointRef { step: Some(games as f64), ..named(&saved.path) }
    }

    fn ids(checkpoints: &[CheckpointRef]) -> Vec<&str> {
        checkpoints.iter().map(|checkpoint| checkpoint.checkpoint_id.as_str()).collect()
    }

    #[test]
    fn a_restore_names_what_it_leaves_behind_and_a_pick_leaves_it_aside() {
        let folder = tempfile::tempdir().unwrap();
        let [_, chosen, newer, newest] = [1, 2, 3, 4].map(|games| saved(folder.path(), games));
        let Fact::RestoreChecked { checkpoint, refusal: None, newer: left } = restore(folder.path(), &chosen)
        else {
            panic!("refused")
        };
        assert_eq!((checkpoint.checkpoint_id.as_str(), checkpoint.step), ("ck-000002", Some(2.0)));
        assert_eq!(ids(&left), ["ck-000003", "ck-000004"]);
        let Fact::CheckpointPicked { chosen: picked, .. } = pick(folder.path(), &[newer.path, newest.path])
        else {
            panic!("not picked")
        };
        assert_eq!(picked.map(|picked| picked.path), Some(chosen.path));
    }

    #[test]
    fn a_chosen_checkpoint_that_is_gone_torn_or_somewhere_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = saved(folder.path(), 1);
        let refused = |folder: &Path, chosen: &CheckpointRef| match restore(folder, chosen) {
            Fact::RestoreChecked { refusal: Some((code, _)), .. } => code.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Path::new("/"), &chosen), "CHECKPOINT_NOT_FOUND");
        std::fs::write(&chosen.path, "PRSM").unwrap();
        assert_eq!(refused(folder.path(), &chosen), "CHECKPOINT_CORRUPT");
        std::fs::remove_file(&chosen.path).unwrap();
        assert_eq!(refused(folder.path(), &chosen), "CHECKPOINT_NOT_FOUND");
    }

    #[test]
    fn what_is_set_aside_takes_no_place_and_goes_when_the_run_has_passed_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, eight] = [1, 2, 8].map(|games| saved(folder.path(), games));
        let aside = [eight.clone()];
        let gone = prune(folder.path(), &[one.clone(), two.clone()], &aside, 2, None);
        assert_eq!(gone, None, "two are kept, whatever was left behind");
        let [nine, ten] = [9, 10].map(|games| saved(folder.path(), games));
        let Some(Fact::CheckpointsPruned { paths }) =
            prune(folder.path(), &[one.clone(), two.clone(), nine, ten], &aside, 2, None)
        else {
            panic!("nothing pruned")
        };
        assert_eq!(paths, [one.path, two.path, eight.path]);
    }

    #[test]
    fn what_the_worker_resumed_from_stays_beside_those_that_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, three] = [1, 2, 3].map(|games| saved(folder.path(), games));
        let all = [one.clone(), two.clone(), three];
        let Some(Fact::CheckpointsPruned { paths }) = prune(folder.path(), &all, &[], 1, Some(&one.path))
        else {
            panic!("nothing pruned")
        };
        assert_eq!(paths, [two.path]);
        assert!(Path::new(&one.path).exists());
    }
}
