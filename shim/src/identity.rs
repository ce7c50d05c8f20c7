//! Who a process is: a process id alone is reused, together with its start time and the
//! boot it belongs to it is not.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::proc;

/// A process of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub start_ticks: u64,
}

impl ProcessId {
    /// The process that has this id now.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn of(pid: u32) -> io::Result<Self> {
        proc::stat(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }
}

/// The random id the kernel gave to this boot.
///
/// # Errors
/// When `/proc` is not there.
pub fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// Whether exactly this process, started in the boot `boot_id`, still lives.
///
/// A zombie does not. A process that cannot be read counts as gone: only `NotFound` and
/// "no such process" can happen for a process of this boot.
pub fn is_alive(process: ProcessId, boot_id: &str) -> bool {
    let this_boot = self::boot_id().is_ok_and(|current| current == boot_id);
    this_boot
        && proc::stat(process.pid)
            .is_ok_and(|stat| stat.start_ticks == process.start_ticks && stat.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_neighbours_in_time_do_not() {
        let me = ProcessId::of(std::process::id()).unwrap();
        let boot = boot_id().unwrap();
        assert!(is_alive(me, &boot));
        assert!(!is_alive(ProcessId { start_ticks: me.start_ticks + 1, ..me }, &boot));
        assert!(!is_alive(me, "another boot"));
    }
}
