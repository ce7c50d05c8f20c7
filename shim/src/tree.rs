//! The process tree of the running attempt: its start, signals to it, its end, and the
//! killing of what it leaves behind.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{Signal, kill_process_group, pidfd_send_signal};

use crate::adopted::Adopted;
use crate::family::{self, Family};
use crate::freeze;
use crate::identity::ProcessId;
use crate::log::{self, note};
use crate::machine::Millis;
use crate::notify::Audience;
use crate::output::Output;
use crate::protocol::{Exit, Exited, SignalName, SpawnOrder, Started};
use crate::records::Records;
use crate::spawn::{self, SpawnError};
use crate::sweep::{self, Pass};
use crate::sys::{self, Patience, Reaped};

/// How long what is left of a tree may resist SIGKILL (uninterruptible sleep) before the
/// worker's end is told anyway.
const SWEEP_MS: Millis = 5_000;
/// Time between two passes over a tree that has not died yet; SIGCHLD shortens it.
const PASS_MS: Millis = 10;

/// The worker in our hands.
#[derive(Debug)]
struct Worker {
    attempt: u32,
    dir: PathBuf,
    /// Where its notifications go.
    events: Option<PathBuf>,
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

/// All processes that the shim looks after: those below it, and an earlier shim's worker.
#[derive(Debug)]
pub(crate) struct Tree {
    run_dir: PathBuf,
    boot_id: String,
    /// This process.
    shim: ProcessId,
    /// The workers', not our own.
    umask: Mode,
    /// Bytes of output that an attempt keeps; 0 = all.
    output_cap: u64,
    worker: Option<Worker>,
    /// While it is here there is no worker of our own.
    adopted: Option<Adopted>,
    sweep: Option<Sweep>,
    records: Records,
    /// A child died since we last looked.
    child_died: bool,
}

impl Tree {
    pub(crate) fn new(
        run_dir: PathBuf,
        boot_id: String,
        shim: ProcessId,
        umask: Mode,
        output_cap: u64,
        adopted: Option<Adopted>,
    ) -> Self {
        Self {
            run_dir,
            boot_id,
            shim,
            umask,
            output_cap,
            worker: None,
            adopted,
            sweep: None,
            records: Records::default(),
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
            events: order.events.as_ref().map(PathBuf::from),
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
        self.living().map(|worker| worker.pidfd.as_fd())
    }

    /// The same for an earlier shim's worker.
    pub(crate) fn end_of_adopted(&self) -> Option<BorrowedFd<'_>> {
        self.adopted.as_ref().and_then(Adopted::end_of_worker)
    }

    /// Whether an earlier shim's worker, or the record of its end, is still waited for.
    pub(crate) fn has_adopted(&self) -> bool {
        self.adopted.is_some()
    }

    /// Whether an earlier shim's worker is dead, and only its record is waited for.
    pub(crate) fn adopted_is_ending(&self) -> bool {
        self.adopted.as_ref().is_some_and(|adopted| adopted.end_of_worker().is_none())
    }

    /// Signals the worker's process group. With SIGTERM all of its tree is continued, so that
    /// nobody who was frozen keeps it from leaving.
    pub(crate) fn signal(&self, name: SignalName) -> io::Result<()> {
        match name {
            SignalName::Term => {
                self.signal_group(Signal::TERM)?;
                self.signal_group(Signal::CONT)?;
                freeze::thaw(self).unwrap_or_else(|error| note!("cannot thaw all: {error}"));
                Ok(())
            }
            SignalName::Kill => self.signal_group(Signal::KILL),
            SignalName::Int => self.signal_group(Signal::INT),
            SignalName::Quit => self.signal_group(Signal::QUIT),
            SignalName::Stop => self.signal_group(Signal::STOP),
            SignalName::Cont => self.signal_group(Signal::CONT),
            SignalName::Usr1 => self.signal_group(Signal::USR1),
        }
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        match (&self.worker, &self.adopted) {
            (Some(worker), _) => worker.signal(signal),
            (None, Some(adopted)) => adopted.signal(signal),
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// All processes of the present attempt, dead ones that were not reaped among them.
    pub(crate) fn members(&self) -> io::Result<Family> {
        match &self.adopted {
            Some(adopted) => adopted.members(),
            None => family::descendants(self.shim),
        }
    }

    /// Begins to kill the present attempt's worker and all of its tree.
    pub(crate) fn kill_tree(&mut self, now: Millis) {
        match &mut self.adopted {
            Some(adopted) => adopted.kill_tree(),
            None => self.kill_all(now),
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

    /// The same for an earlier shim's worker.
    pub(crate) fn on_adopted_ended(&mut self, now: Millis) {
        if let Some(adopted) = &mut self.adopted {
            adopted.on_ended(now);
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
        let Pass { alive, unsettled, .. } = self.pass();
        if (alive > 0 || unsettled) && now < sweep.deadline {
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

    /// The same for an earlier shim's worker.
    pub(crate) fn advance_adopted(&mut self, now: Millis) -> Option<Exited> {
        let exit = self.adopted.as_mut()?.advance(now)?;
        let Adopted { attempt, dir, .. } = self.adopted.take()?;
        Some(self.records.write(attempt, dir, exit, now))
    }

    /// Tries again to record ends that could not be recorded; which attempts now are.
    pub(crate) fn retry_records(&mut self, now: Millis) -> Vec<u32> {
        self.records.retry(now)
    }

    /// When any of [`Tree::advance`], [`Tree::advance_adopted`] and [`Tree::retry_records`] has
    /// something to do at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let sweep = self.sweep.map(|sweep| sweep.due);
        let output = self.living().and_then(|worker| worker.output.next_deadline());
        let adopted = self.adopted.as_ref().and_then(Adopted::next_deadline);
        [self.records.next_deadline(), sweep, output, adopted].into_iter().flatten().min()
    }

    /// Our worker while it lives.
    fn living(&self) -> Option<&Worker> {
        self.worker.as_ref().filter(|worker| worker.ended_unix_ms.is_none())
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

    /// One pass of killing.
    fn pass(&mut self) -> Pass {
        let leader = self.worker.as_ref().map(|worker| worker.id);
        let mut pass = sweep::kill_descendants(self.shim, leader).unwrap_or_else(|error| {
            note!("cannot see all of the process tree: {error}");
            Pass { unsettled: true, ..Pass::default() }
        });
        if let Some(worker) = &mut self.worker {
            worker.strays.append(&mut pass.strays);
            // Every member is a descendant, so this finds none unless the walk above failed.
            let _ = worker.signal(Signal::KILL);
        }
        pass
    }

    fn reap_orphans(&self) {
        let leader = self.worker.as_ref().map(|worker| worker.id.pid);
        if let Err(error) = sweep::reap_orphans(self.shim.pid, leader) {
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
        self.records.write(attempt, dir, exit, now)
    }
}

impl Audience for Tree {
    fn events(&self) -> Option<&Path> {
        match (&self.worker, &self.adopted) {
            (Some(worker), _) => worker.events.as_deref(),
            (None, Some(adopted)) => adopted.events.as_deref(),
            (None, None) => None,
        }
    }

    fn owns(&self, pid: u32) -> bool {
        match (&self.worker, &self.adopted) {
            (Some(_), _) => family::is_below(pid, self.shim),
            (None, Some(adopted)) => adopted.owns(pid),
            (None, None) => false,
        }
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
