//! A worker whose shim died, in the hands of a later one: held by a pidfd, which can never
//! mean another process, signalled through it, and its end noticed although it is not our
//! child. What it leaves behind is not below us either: its group and its session are what
//! can be proven to be its own.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::family::{self, Family, Member};
use crate::identity::{self, ProcessId};
use crate::log::{self, note};
use crate::machine::Millis;
use crate::output::Output;
use crate::protocol::Exit;
use crate::spawn;

/// How long after the end is waited for its new parent to reap it, which is when the kernel
/// tells how it ended, and for the rest of it to die.
const REAP_MS: Millis = 5_000;
/// First and longest wait between two looks.
const LOOK_MS: (Millis, Millis) = (5, 100);
/// A tree is looked at that often when it is to be killed; more only if it forks faster.
const KILL_ROUNDS_MAX: u32 = 16;

/// A worker that an earlier shim started.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) attempt: u32,
    pub(crate) dir: PathBuf,
    /// Where its notifications go.
    pub(crate) events: Option<PathBuf>,
    output: Option<Output>,
    id: ProcessId,
    pidfd: OwnedFd,
    /// It was there at a time after this one, in clock ticks since boot.
    proven_ticks: u64,
    end: Option<End>,
    strays: BTreeSet<ProcessId>,
}

/// Its end was noticed.
#[derive(Debug, Clone, Copy)]
struct End {
    unix_ms: u64,
    deadline: Millis,
    wait: Millis,
    due: Millis,
}

impl Adopted {
    /// Takes hold of the process if it still is the one that was recorded, be it as a zombie:
    /// once its parent reaps that, the kernel tells how it ended. `shim` is this process.
    pub(crate) fn take(
        attempt: u32,
        dir: &Path,
        id: ProcessId,
        shim: ProcessId,
        events: Option<PathBuf>,
        output: Option<Output>,
    ) -> io::Result<Option<Self>> {
        let Ok(process) = spawn::as_pid(id.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(process, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Checked while the pidfd is held: from here on the number can't change hands.
        if !family::exists(id) {
            return Ok(None);
        }
        let proven_ticks = shim.start_ticks;
        let (dir, end, strays) = (dir.to_owned(), None, BTreeSet::new());
        Ok(Some(Self { attempt, dir, events, output, id, pidfd, proven_ticks, end, strays }))
    }

    /// What becomes readable when it ends; `None` once that was noticed.
    pub(crate) fn end_of_worker(&self) -> Option<BorrowedFd<'_>> {
        self.end.is_none().then(|| self.pidfd.as_fd())
    }

    /// Its end was noticed.
    pub(crate) fn on_ended(&mut self, now: Millis) {
        let (wait, _) = LOOK_MS;
        self.end = Some(End { unix_ms: log::unix_ms(), deadline: now + REAP_MS, wait, due: now });
    }

    /// To the group that it was started as the leader of; to itself alone if it has left that.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let outcome = identity::signal_group(self.pidfd.as_fd(), signal);
        match outcome.as_ref().err().and_then(Errno::from_io_error) {
            Some(Errno::SRCH) => Ok(pidfd_send_signal(&self.pidfd, signal)?),
            Some(Errno::INVAL) => self.signal_by_number(signal),
            Some(_) | None => outcome,
        }
    }

    /// For kernels before 6.9. A group's number is not given out again while its leader has
    /// it; that it does is proven just before.
    fn signal_by_number(&self, signal: Signal) -> io::Result<()> {
        if !family::exists(self.id) {
            return Err(Errno::SRCH.into());
        }
        Ok(kill_process_group(spawn::as_pid(self.id.pid)?, signal)?)
    }

    /// All that can be proven to belong to it, itself first.
    pub(crate) fn members(&self) -> io::Result<Family> {
        let mut family = family::descendants(self.id)?;
        let known: BTreeSet<ProcessId> = family.members.iter().map(|member| member.id).collect();
        let session = family::session(self.id, self.proven_ticks)?;
        family.members.extend(session.into_iter().filter(|member| !known.contains(&member.id)));
        if let Some(stat) = family::stat(self.id)? {
            family.members.insert(0, Member { id: self.id, stat });
        }
        Ok(family)
    }

    /// Whether a process belongs to it.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        pid == self.id.pid && family::exists(self.id)
            || family::is_below(pid, self.id)
            || family::session(self.id, self.proven_ticks)
                .is_ok_and(|members| members.iter().any(|member| member.id.pid == pid))
    }

    /// Kills it and its tree. It is stopped first and dies last, so that its descendants are
    /// still known by it; its end is noticed as always.
    pub(crate) fn kill_tree(&mut self) {
        if self.end.is_some() {
            return;
        }
        let _ = pidfd_send_signal(&self.pidfd, Signal::STOP);
        for _ in 0..KILL_ROUNDS_MAX {
            if self.kill_rest() == 0 {
                break;
            }
        }
        // It may have left its group, and if not, be gone by now.
        let outcome = self.signal(Signal::KILL);
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Err(error) = outcome {
            note!("cannot kill process {}: {error}", self.id.pid);
        }
    }

    /// One round of killing all but the worker itself; how many were alive.
    fn kill_rest(&mut self) -> u32 {
        let family = self.members().unwrap_or_else(|error| {
            note!("cannot see all of the process tree: {error}");
            Family::default()
        });
        let mut alive = 0;
        for member in family.members.iter().filter(|member| member.id != self.id && member.stat.is_alive()) {
            alive += 1;
            if family::signal(member.id, Signal::KILL).unwrap_or(false) {
                self.strays.insert(member.id);
            }
        }
        alive
    }

    /// When [`Adopted::advance`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        match self.end {
            Some(end) => Some(end.due),
            None => self.output.as_ref().and_then(Output::next_deadline),
        }
    }

    /// Keeps the output within its cap; after the end, kills what is left. How it ended, when
    /// nothing is left and all that can be learnt is known.
    pub(crate) fn advance(&mut self, now: Millis) -> Option<Exit> {
        let Some(end) = self.end else {
            if let Some(output) = &mut self.output {
                output.advance(now);
            }
            return None;
        };
        if now < end.due {
            return None;
        }
        let alive = self.kill_rest();
        // The group, which may reach somebody who left the session; nobody being left is fine,
        // and on an older kernel nobody can be meant safely any more.
        let _ = identity::signal_group(self.pidfd.as_fd(), Signal::KILL);
        let status = self.status();
        // A kernel that tells does so from before it lets go of the number.
        let is_known = status.is_some() || !family::exists(self.id);
        if (alive > 0 || !is_known) && now < end.deadline {
            let wait = (end.wait * 2).min(LOOK_MS.1);
            self.end = Some(End { wait, due: now + end.wait, ..end });
            return None;
        }
        if let Some(output) = &mut self.output {
            output.finish();
        }
        Some(exit(status, end.unix_ms, self.strays.len(), alive))
    }

    fn status(&self) -> Option<ExitStatus> {
        identity::exit_status(self.pidfd.as_fd()).unwrap_or_else(|error| {
            note!("cannot learn how process {} ended: {error}", self.id.pid);
            None
        })
    }
}

/// The evidence of an end that somebody else reaped: what it used is known to nobody, and on
/// older kernels neither is how it ended.
fn exit(status: Option<ExitStatus>, unix_ms: u64, strays: usize, unkillable: u32) -> Exit {
    Exit {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        core_dumped: status.is_some_and(|status| status.core_dumped()),
        user_ms: 0,
        sys_ms: 0,
        max_rss_bytes: 0,
        unix_ms,
        strays_killed: u32::try_from(strays).unwrap_or(u32::MAX),
        unkillable,
    }
}
