//! What a starting shim knows of the attempts before it, from what its predecessors left.

use std::path::Path;

use crate::evidence::{self, EvidenceError};
use crate::identity::{self, ProcessId};
use crate::log::note;
use crate::machine::Settled;
use crate::protocol::{Exited, Lost};

/// The newest attempt of the run: ended, or lost when its end is not on record.
///
/// # Errors
/// Only when the attempts cannot be listed: not knowing the newest one, the same attempt
/// could be started twice. Unreadable evidence of the newest one makes it lost.
pub(crate) fn settled(run_dir: &Path) -> Result<Settled, EvidenceError> {
    let Some((attempt, dir)) = evidence::newest_attempt(run_dir)? else { return Ok(Settled::Idle) };
    let doubt = |error: &EvidenceError| note!("attempt {attempt} counts as lost: {error}");
    let exit = evidence::read_exit(&dir).inspect_err(doubt).ok().flatten();
    if let Some(exit) = exit {
        return Ok(Settled::Exited(Exited { attempt, exit, unrecorded: None }));
    }
    let spawn = evidence::read_spawn(&dir).inspect_err(doubt).ok().flatten();
    let worker = spawn.as_ref().map(|spawn| ProcessId { pid: spawn.pid, start_ticks: spawn.start_ticks });
    let boot_id = spawn.map(|spawn| spawn.boot_id);
    let alive = match (worker, &boot_id) {
        (Some(worker), Some(boot_id)) => identity::is_alive(worker, boot_id),
        _ => false,
    };
    Ok(Settled::Lost(Lost { attempt, worker, boot_id, alive }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn attempt_dir(run: &Path, attempt: u32) -> std::path::PathBuf {
        let dir = run.join(evidence::ATTEMPTS).join(format!("{attempt:04}"));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_run_without_attempts_is_idle() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(settled(run.path()).unwrap(), Settled::Idle);
        attempt_dir(run.path(), 1);
        assert_eq!(settled(run.path()).unwrap(), Settled::Idle, "an empty folder is not an attempt");
    }

    #[test]
    fn a_start_without_an_end_is_lost_and_its_process_looked_up() {
        let run = tempfile::tempdir().unwrap();
        let dir = attempt_dir(run.path(), 3);
        let me = ProcessId::of(std::process::id()).unwrap();
        let boot_id = identity::boot_id().unwrap();
        for (start_ticks, alive) in [(me.start_ticks, true), (me.start_ticks + 1, false)] {
            let spawn = evidence::Spawn {
                pid: me.pid,
                start_ticks,
                boot_id: boot_id.clone(),
                argv0: "train".into(),
                unix_ms: 0,
            };
            evidence::write_spawn(&dir, &spawn).unwrap();
            let worker = Some(ProcessId { start_ticks, ..me });
            let expected = Lost { attempt: 3, worker, boot_id: Some(boot_id.clone()), alive };
            assert_eq!(settled(run.path()).unwrap(), Settled::Lost(expected));
        }
    }

    #[test]
    fn unreadable_evidence_makes_an_attempt_lost_not_new() {
        let run = tempfile::tempdir().unwrap();
        let dir = attempt_dir(run.path(), 3);
        fs::write(dir.join(evidence::SPAWN_JSON), b"").unwrap();
        let expected = Lost { attempt: 3, worker: None, boot_id: None, alive: false };
        assert_eq!(settled(run.path()).unwrap(), Settled::Lost(expected));
    }
}
