//! The process tree of the running attempt: its start, signals to it, its end, and the
//! killing of what it leaves behind.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{Signal, kill_process_group, pidfd_send_signal};

use crate::identity::ProcessId;
use crate::log::{self, note};
use crate::machine::Millis;
use crate::output::Output;
use crate::protocol::{Exit, Exited, SignalName, SpawnOrder, Started};
use crate::spawn::{self, SpawnError};
use crate::sys::{self, Patience, Reaped};
use crate::{evidence, sweep};

/// How long what is left of a tree may resist SIGKILL (uninterruptible sleep) before the
/// worker's end is told anyway.
const SWEEP_MS: Millis = 5_000;
/// Time between two passes over a tree that has not died yet; SIGCHLD shortens it.
const PASS_MS: Millis = 10;
/// Time between two tries to record an end that could not be recorded.
const RECORD_RETRY_MS: Millis = 5_000;

/// The worker in our hands.
#[derive(Debug)]
struct Worker {
    attempt: u32,
    dir: PathBuf,
    id: ProcessId,
    pidfd: OwnedFd,
    output: Output,
    /// When its end was noticed. It stays a zombie until its tree is gone, so that neither
    /// its process id nor its group id can come to mean anybody else.
    ended_unix_ms: Option<u64>,
    strays: BTreeSet<ProcessId>,
}

/// Passes over the tree until nothing is alive.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    due: Millis,
    deadline: Millis,
}

/// An end that is not on disk yet.
#[derive(Debug)]
struct Unrecorded {
    attempt: u32,
    dir: PathBuf,
    exit: Exit,
    due: Millis,
}

/// All processes below the shim.
#[derive(Debug)]
pub(crate) struct Tree {
    run_dir: PathBuf,
    boot_id: String,
    shim_pid: u32,
    /// The workers', not our own.
    umask: Mode,
    /// Bytes of output that an attempt keeps; 0 = all.
    output_cap: u64,
    worker: Option<Worker>,
    sweep: Option<Sweep>,
    unrecorded: Vec<Unrecorded>,
    /// A child died since we last looked.
    child_died: bool,
}

impl Tree {
    pub(crate) fn new(
        run_dir: PathBuf,
        boot_id: String,
        shim_pid: u32,
        umask: Mode,
        output_cap: u64,
    ) -> Self {
        Self {
            run_dir,
            boot_id,
            shim_pid,
            umask,
            output_cap,
            worker: None,
            sweep: None,
            unrecorded: Vec::new(),
            child_died: false,
        }
    }

    /// Starts an attempt's worker.
    pub(crate) fn start(&mut self, order: &SpawnOrder) -> Result<Started, SpawnError> {
        let spawned = spawn::spawn(&self.run_dir, &self.boot_id, self.umask, order)?;
        let ProcessId { pid, start_ticks } = spawned.id;
        self.worker = Some(Worker {
            attempt: order.attempt,
            dir: PathBuf::from(&order.dir),
            id: spawned.id,
            pidfd: spawned.pidfd,
            output: Output::new(spawned.output, self.output_cap),
            ended_unix_ms: None,
            strays: BTreeSet::new(),
        });
        Ok(Started { attempt: order.attempt, pid, start_ticks, boot_id: self.boot_id.clone() })
    }

    /// What becomes readable when the worker ends; `None` without a living worker.
    pub(crate) fn end_of_worker(&self) -> Option<BorrowedFd<'_>> {
        let worker = self.worker.as_ref().filter(|worker| worker.ended_unix_ms.is_none())?;
        Some(worker.pidfd.as_fd())
    }

    /// Signals the worker's process group.
    pub(crate) fn signal(&self, name: SignalName) -> io::Result<()> {
        let Some(worker) = &self.worker else { return Err(io::ErrorKind::NotFound.into()) };
        match name {
            SignalName::Term => {
                worker.signal(Signal::TERM)?;
                worker.signal(Signal::CONT)
            }
            SignalName::Kill => worker.signal(Signal::KILL),
            SignalName::Int => worker.signal(Signal::INT),
            SignalName::Quit => worker.signal(Signal::QUIT),
            SignalName::Stop => worker.signal(Signal::STOP),
            SignalName::Cont => worker.signal(Signal::CONT),
            SignalName::Usr1 => worker.signal(Signal::USR1),
        }
    }

    /// Begins to kill everything below the shim; [`Tree::advance`] carries on.
    pub(crate) fn kill_all(&mut self, now: Millis) {
        self.sweep = Some(Sweep { due: now, deadline: now + SWEEP_MS });
    }

    /// The worker's end was noticed: what it left behind goes too.
    pub(crate) fn on_worker_ended(&mut self, now: Millis) {
        if let Some(worker) = &mut self.worker {
            worker.ended_unix_ms = Some(log::unix_ms());
            self.kill_all(now);
        }
    }

    /// SIGCHLD came.
    pub(crate) fn on_child_died(&mut self) {
        self.child_died = true;
    }

    /// Reaps orphans, keeps the output within its cap, and carries on with a sweep. The end of
    /// the attempt, once nothing of it is left and that is on record.
    pub(crate) fn advance(&mut self, now: Millis) -> Option<Exited> {
        if let Some(worker) = self.worker.as_mut().filter(|worker| worker.ended_unix_ms.is_none()) {
            worker.output.advance(now);
        }
        let child_died = std::mem::take(&mut self.child_died);
        let due = self.sweep.filter(|sweep| child_died || now >= sweep.due);
        if child_died || due.is_some() {
            self.reap_orphans();
        }
        let sweep = due?;
        let alive = self.pass();
        if alive > 0 && now < sweep.deadline {
            self.sweep = Some(Sweep { due: now + PASS_MS, ..sweep });
            return None;
        }
        self.sweep = None;
        self.reap_orphans();
        if alive > 0 {
            note!("{alive} processes did not die of SIGKILL within {SWEEP_MS} ms");
        }
        let worker = self.worker.take_if(|worker| worker.ended_unix_ms.is_some())?;
        Some(self.conclude(worker, alive, now))
    }

    /// Tries again to record ends that could not be recorded; which attempts now are.
    pub(crate) fn retry_records(&mut self, now: Millis) -> Vec<u32> {
        let mut recorded = Vec::new();
        self.unrecorded.retain_mut(|late| {
            if now < late.due {
                return true;
            }
            late.due = now + RECORD_RETRY_MS;
            let done = evidence::write_exit(&late.dir, &late.exit).is_ok();
            if done {
                recorded.push(late.attempt);
            }
            !done
        });
        recorded
    }

    /// When [`Tree::advance`] or [`Tree::retry_records`] has something to do at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let late = self.unrecorded.iter().map(|late| late.due).min();
        let sweep = self.sweep.map(|sweep| sweep.due);
        let living = self.worker.as_ref().filter(|worker| worker.ended_unix_ms.is_none());
        let output = living.and_then(|worker| worker.output.next_deadline());
        [late, sweep, output].into_iter().flatten().min()
    }

    /// Who holds the run's lock, as far as can be seen.
    pub(crate) fn lock_holders(&self) -> Vec<ProcessId> {
        crate::proc::holders(&spawn::run_lock(&self.run_dir)).unwrap_or_else(|error| {
            note!("cannot find the holders of the run's lock: {error}");
            Vec::new()
        })
    }

    /// Folder of the run.
    pub(crate) fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// One pass of killing; how many were still alive when it came by.
    fn pass(&mut self) -> u32 {
        let leader = self.worker.as_ref().map(|worker| worker.id.pid);
        let pass = sweep::kill_descendants(self.shim_pid, leader).unwrap_or_else(|error| {
            note!("cannot see all of the process tree: {error}");
            sweep::Pass::default()
        });
        if let Some(worker) = &mut self.worker {
            worker.strays.extend(pass.strays);
            // Every member is a descendant, so this finds none unless the walk above failed.
            let _ = worker.signal(Signal::KILL);
        }
        pass.alive
    }

    fn reap_orphans(&self) {
        let leader = self.worker.as_ref().map(|worker| worker.id.pid);
        if let Err(error) = sweep::reap_orphans(self.shim_pid, leader) {
            note!("cannot reap all orphans: {error}");
        }
    }

    fn conclude(&mut self, worker: Worker, unkillable: u32, now: Millis) -> Exited {
        let Worker { attempt, dir, id, mut output, ended_unix_ms, strays, .. } = worker;
        output.finish();
        let reaped = sys::reap(id.pid, Patience::None).unwrap_or_else(|error| {
            note!("cannot learn how process {} ended: {error}", id.pid);
            None
        });
        let exit = exit(reaped, ended_unix_ms.unwrap_or_default(), strays.len(), unkillable);
        let failure = evidence::write_exit(&dir, &exit).err().map(|error| error.to_string());
        if let Some(error) = &failure {
            note!("cannot record the end of attempt {attempt}: {error}");
            let due = now + RECORD_RETRY_MS;
            self.unrecorded.push(Unrecorded { attempt, dir, exit: exit.clone(), due });
        }
        Exited { attempt, exit, unrecorded: failure }
    }
}

impl Worker {
    /// To the whole group; to the worker alone when it has left the group it was started in.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process_group(spawn::as_pid(self.id.pid)?, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(pidfd_send_signal(&self.pidfd, signal)?),
            outcome => Ok(outcome?),
        }
    }
}

/// A worker that could not be reaped has neither code nor signal: how it ended is unknown.
fn exit(reaped: Option<Reaped>, unix_ms: u64, strays: usize, unkillable: u32) -> Exit {
    Exit {
        code: reaped.and_then(|reaped| reaped.code),
        signal: reaped.and_then(|reaped| reaped.signal),
        core_dumped: reaped.is_some_and(|reaped| reaped.core_dumped),
        user_ms: reaped.map_or(0, |reaped| reaped.user_ms),
        sys_ms: reaped.map_or(0, |reaped| reaped.sys_ms),
        max_rss_bytes: reaped.map_or(0, |reaped| reaped.max_rss_bytes),
        unix_ms,
        strays_killed: u32::try_from(strays).unwrap_or(u32::MAX),
        unkillable,
    }
}
