//! Who a process is: a process id alone is reused, together with its start time and the
//! boot it belongs to it is not.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitStatus;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{proc, sys};

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

/// How the process of a pidfd ended, for those who are not its parent. The pidfd must have
/// been opened before the parent reaped the process.
///
/// `None` as long as it was not reaped, and always on kernels before 6.15, which do not tell.
///
/// # Errors
/// When the descriptor is no pidfd, or the kernel fails otherwise.
pub fn exit_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<ExitStatus>> {
    match sys::exit_of(pidfd) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::ESRCH)) => {
            Ok(None)
        }
        outcome => outcome,
    }
}

/// Signals everybody in the process group that was founded by the process of a pidfd, whether
/// or not that process itself still is. Never anybody else: a group's number can be given out
/// again, a pidfd cannot.
///
/// # Errors
/// `ESRCH` when nobody is in that group. `EINVAL` on kernels before 6.9, which cannot do this.
pub fn signal_group(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    sys::signal_group(pidfd, signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use rustix::process::{PidfdFlags, pidfd_open, test_kill_process_group};

    /// A shell that leads a group of its own, held by a pidfd.
    fn shell(script: &str) -> (Child, OwnedFd) {
        let child = Command::new("/bin/sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let pidfd = pidfd_open(crate::spawn::as_pid(child.id()).unwrap(), PidfdFlags::empty()).unwrap();
        (child, pidfd)
    }

    /// Whether this kernel is that new; says so, as the test goes another way if it is not.
    fn kernel_is_at_least(wanted: [u32; 2]) -> bool {
        let name = rustix::system::uname();
        let release = name.release().to_str().unwrap();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap());
        let is_newer = [numbers.next().unwrap(), numbers.next().unwrap()] >= wanted;
        println!("kernel {release} {} {wanted:?}", if is_newer { "is at least" } else { "is older than" });
        is_newer
    }

    #[test]
    fn this_process_lives_and_its_neighbours_in_time_do_not() {
        let me = ProcessId::of(std::process::id()).unwrap();
        let boot = boot_id().unwrap();
        assert!(is_alive(me, &boot));
        assert!(!is_alive(ProcessId { start_ticks: me.start_ticks + 1, ..me }, &boot));
        assert!(!is_alive(me, "another boot"));
    }

    #[test]
    fn how_a_process_ended_is_told_once_it_was_reaped() {
        for (script, code, signal) in [("exit 7", Some(7), None), ("kill -KILL $$", None, Some(9))] {
            let (mut child, pidfd) = shell(&format!("read _; {script}"));
            assert_eq!(exit_status(pidfd.as_fd()).unwrap(), None, "it lives");
            let reaped = child.wait().unwrap();
            let told = exit_status(pidfd.as_fd()).unwrap();
            if kernel_is_at_least([6, 15]) {
                use std::os::unix::process::ExitStatusExt;
                let told = told.unwrap();
                assert_eq!((told.code(), told.signal()), (code, signal));
                assert_eq!(told, reaped);
            } else {
                assert_eq!(told, None);
            }
        }
    }

    #[test]
    fn what_is_no_process_has_no_end() {
        let file = fs::File::open("/dev/null").unwrap();
        assert_eq!(exit_status(file.as_fd()).unwrap(), None);
    }

    #[test]
    fn a_group_is_signalled_also_without_its_leader_and_nobody_else_ever() {
        let (mut leader, pidfd) = shell("sleep 1000 & exit 0");
        let group = crate::spawn::as_pid(leader.id()).unwrap();
        leader.wait().unwrap();
        test_kill_process_group(group).unwrap();
        let outcome = signal_group(pidfd.as_fd(), Signal::KILL);
        if !kernel_is_at_least([6, 9]) {
            assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::EINVAL));
            return rustix::process::kill_process_group(group, Signal::KILL).unwrap();
        }
        outcome.unwrap();
        // The zombie is its new parent's to reap, and until then one of the group.
        while test_kill_process_group(group).is_ok() {
            std::thread::yield_now();
        }
        let error = signal_group(pidfd.as_fd(), Signal::KILL).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    }
}
