//! Killing what a worker leaves behind. The shim is a subreaper, so every descendant stays
//! one, whatever sessions and groups it hides in: the tree below us is all there is.

use std::collections::BTreeSet;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::identity::ProcessId;
use crate::proc;
use crate::sys::{self, Patience};

/// What one pass over the tree found.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Descendants that were alive, the worker included.
    pub(crate) alive: u32,
    /// Those of them that were sent SIGKILL, except the worker.
    pub(crate) strays: BTreeSet<ProcessId>,
}

/// Sends SIGKILL to every living descendant of `shim`. One pass may miss what is being
/// forked at this moment; passes are repeated until one finds nothing alive.
pub(crate) fn kill_descendants(shim: u32, worker: Option<u32>) -> io::Result<Pass> {
    let mut pass = Pass::default();
    let mut parents = vec![shim];
    while let Some(parent) = parents.pop() {
        for pid in proc::children(parent)? {
            parents.push(pid);
            if !proc::stat(pid).is_ok_and(|stat| stat.is_alive()) {
                continue;
            }
            pass.alive += 1;
            if let Some(killed) = kill_child(pid, &[parent, shim]).filter(|_| worker != Some(pid)) {
                pass.strays.insert(killed);
            }
        }
    }
    Ok(pass)
}

/// Kills a process if it is still the child of one of `parents`. The handle is opened
/// before that is checked: if the id was reused in between, either the check fails or the
/// signal goes to a process that is gone.
fn kill_child(pid: u32, parents: &[u32]) -> Option<ProcessId> {
    let raw = i32::try_from(pid).ok()?;
    let handle = pidfd_open(Pid::from_raw(raw)?, PidfdFlags::empty()).ok()?;
    let stat = proc::stat(pid).ok().filter(|stat| parents.contains(&stat.parent))?;
    pidfd_send_signal(&handle, Signal::KILL).ok()?;
    Some(ProcessId { pid, start_ticks: stat.start_ticks })
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
