//! Killing what a worker leaves behind. The shim is a subreaper, so every descendant stays
//! one, whatever sessions and groups it hides in: the tree below us is all there is.

use std::collections::BTreeSet;
use std::io;

use rustix::process::Signal;

use crate::family;
use crate::identity::ProcessId;
use crate::proc;
use crate::sys::{self, Patience};

/// What one pass over a tree found.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Processes that were alive, the worker included.
    pub(crate) alive: u32,
    /// Those of them that were sent SIGKILL, except the worker.
    pub(crate) strays: BTreeSet<ProcessId>,
    /// Another pass may find more: somebody died or moved meanwhile, and children of theirs
    /// may have moved to where this pass had been already.
    pub(crate) unsettled: bool,
}

/// Sends SIGKILL to every living descendant of `shim`. One pass may miss what is being
/// forked at this moment; passes are repeated until one finds nobody.
pub(crate) fn kill_descendants(shim: ProcessId, worker: Option<ProcessId>) -> io::Result<Pass> {
    let family = family::descendants(shim)?;
    let mut pass = Pass { unsettled: family.moved, ..Pass::default() };
    for member in family.members {
        let is_worker = worker == Some(member.id);
        if !member.stat.is_alive() {
            // The worker stays a zombie until all is over; its children moved before its end
            // was noticed.
            pass.unsettled |= !is_worker;
            continue;
        }
        pass.alive += 1;
        let was_sent = family::signal(member.id, Signal::KILL).unwrap_or(false);
        if was_sent && !is_worker {
            pass.strays.insert(member.id);
        }
    }
    Ok(pass)
}

/// Reaps dead children other than the worker: orphans of its tree that became ours.
pub(crate) fn reap_orphans(shim: u32, worker: Option<u32>) -> io::Result<()> {
    for pid in proc::children(shim)? {
        if worker != Some(pid) {
            sys::reap(pid, Patience::None)?;
        }
    }
    Ok(())
}
