//! What a starting shim knows of the attempts before it, from what its predecessors left.

use std::path::{Path, PathBuf};

use crate::adopted::Adopted;
use crate::evidence::{self, EvidenceError};
use crate::identity::{self, ProcessId};
use crate::log::note;
use crate::machine::Settled;
use crate::notify;
use crate::output::Output;
use crate::protocol::{Exited, Lost};

/// The newest attempt of the run: ended, or lost when its end is not on record. With it the
/// lost worker, if it is still there to be held.
///
/// # Errors
/// Only when the attempts cannot be listed: not knowing the newest one, the same attempt
/// could be started twice. Unreadable evidence of the newest one makes it lost.
pub(crate) fn settled(
    run_dir: &Path,
    boot_id: &str,
    hold: impl FnOnce(Found<'_>) -> Option<Adopted>,
) -> Result<(Settled, Option<Adopted>), EvidenceError> {
    let Some((attempt, dir)) = evidence::newest_attempt(run_dir)? else { return Ok((Settled::Idle, None)) };
    let doubt = |error: &EvidenceError| note!("attempt {attempt} counts as lost: {error}");
    let exit = evidence::read_exit(&dir).inspect_err(doubt).ok().flatten();
    if let Some(exit) = exit {
        return Ok((Settled::Exited(Exited { attempt, exit, unrecorded: None }), None));
    }
    let Some(spawn) = evidence::read_spawn(&dir).inspect_err(doubt).ok().flatten() else {
        let lost = Lost { attempt, worker: None, boot_id: None, alive: false, watched: false };
        return Ok((Settled::Lost(lost), None));
    };
    let worker = ProcessId { pid: spawn.pid, start_ticks: spawn.start_ticks };
    let events = spawn.events.map(PathBuf::from);
    let adopted =
        if spawn.boot_id == boot_id { hold(Found { attempt, dir: &dir, worker, events }) } else { None };
    let alive = identity::is_alive(worker, &spawn.boot_id);
    let watched = adopted.is_some();
    let lost = Lost { attempt, worker: Some(worker), boot_id: Some(spawn.boot_id), alive, watched };
    Ok((Settled::Lost(lost), adopted))
}

/// A worker whose end is not on record.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) attempt: u32,
    pub(crate) dir: &'a Path,
    pub(crate) worker: ProcessId,
    pub(crate) events: Option<PathBuf>,
}

/// Holds on to a worker that was found, and keeps its output within `cap_bytes`. `shim` is
/// this process.
pub(crate) fn hold(found: Found<'_>, shim: ProcessId, cap_bytes: u64) -> Option<Adopted> {
    let Found { attempt, dir, worker, events } = found;
    let output = notify::open(&dir.join(evidence::OUTPUT_LOG));
    let output = output.inspect_err(|error| note!("cannot cap the output of attempt {attempt}: {error}"));
    let output = output.ok().map(|file| Output::new(file, cap_bytes));
    match Adopted::take(attempt, dir, worker, shim, events, output) {
        Ok(adopted) => adopted,
        Err(error) => {
            note!("attempt {attempt} cannot be watched: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What a shim without hands finds.
    fn settled(run: &Path) -> Result<Settled, EvidenceError> {
        super::settled(run, &identity::boot_id().unwrap(), |_| None).map(|(settled, _)| settled)
    }

    fn attempt_dir(run: &Path, attempt: u32) -> PathBuf {
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
                events: None,
                unix_ms: 0,
            };
            evidence::write_spawn(&dir, &spawn).unwrap();
            let worker = Some(ProcessId { start_ticks, ..me });
            let expected = Lost { attempt: 3, worker, boot_id: Some(boot_id.clone()), alive, watched: false };
            assert_eq!(settled(run.path()).unwrap(), Settled::Lost(expected));
        }
    }

    #[test]
    fn unreadable_evidence_makes_an_attempt_lost_not_new() {
        let run = tempfile::tempdir().unwrap();
        let dir = attempt_dir(run.path(), 3);
        fs::write(dir.join(evidence::SPAWN_JSON), b"").unwrap();
        let expected = Lost { attempt: 3, worker: None, boot_id: None, alive: false, watched: false };
        assert_eq!(settled(run.path()).unwrap(), Settled::Lost(expected));
    }

    #[test]
    fn only_the_recorded_process_of_this_boot_is_held() {
        let run = tempfile::tempdir().unwrap();
        let dir = attempt_dir(run.path(), 3);
        let me = ProcessId::of(std::process::id()).unwrap();
        let boot_id = identity::boot_id().unwrap();
        let later = ProcessId { start_ticks: me.start_ticks + 1, ..me };
        let cases = [(me, boot_id.as_str(), true), (later, &boot_id, false), (me, "another boot", false)];
        for (worker, boot, expected) in cases {
            let ProcessId { pid, start_ticks } = worker;
            let (argv0, events) = ("train".into(), Some("/e".into()));
            let boot_id_of_worker = boot.to_owned();
            let spawn =
                evidence::Spawn { pid, start_ticks, boot_id: boot_id_of_worker, argv0, events, unix_ms: 0 };
            evidence::write_spawn(&dir, &spawn).unwrap();
            let (settled, adopted) =
                super::settled(run.path(), &boot_id, |found| hold(found, me, 0)).unwrap();
            let watched = matches!(settled, Settled::Lost(lost) if lost.watched);
            assert_eq!((watched, adopted.is_some()), (expected, expected), "{worker:?} {boot}");
            let events = adopted.and_then(|adopted| adopted.events);
            assert_eq!(events, expected.then(|| PathBuf::from("/e")));
        }
    }
}
