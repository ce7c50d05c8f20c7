//! A worker whose shim died: watched and signalled through a pidfd, which can never mean
//! another process, whatever becomes of the number.

use resus_shim::identity::{ProcessId, is_alive};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// A living worker without a shim. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Adopted {
    process: Pid,
    pidfd: Arc<AsyncFd<OwnedFd>>,
}

impl Adopted {
    /// Takes hold of the process, if it still is the one that was recorded.
    pub(crate) fn take(worker: ProcessId, boot_id: &str) -> io::Result<Option<Self>> {
        let Some(process) = i32::try_from(worker.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(process, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Checked after the pidfd is held: from here on the number can't change hands.
        if !is_alive(worker, boot_id) {
            return Ok(None);
        }
        Ok(Some(Self { process, pidfd: Arc::new(crate::readiness::watch(pidfd)?) }))
    }

    /// Waits for its end. How it ended is known only to its parent, which is gone.
    pub(crate) async fn gone(&self) -> io::Result<()> {
        self.pidfd.readable().await.map(|_| ())
    }

    /// SIGTERM, then SIGCONT so that a stopped process can act on it.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        pidfd_send_signal(self.pidfd.get_ref(), Signal::TERM)?;
        Ok(pidfd_send_signal(self.pidfd.get_ref(), Signal::CONT)?)
    }

    /// SIGKILL to its group. The worker leads its group, and a group's number is not given out
    /// again while its leader exists, which the pidfd proves just before.
    pub(crate) fn kill(&self) -> io::Result<()> {
        pidfd_send_signal(self.pidfd.get_ref(), Signal::CONT)?;
        Ok(kill_process_group(self.process, Signal::KILL)?)
    }
}
