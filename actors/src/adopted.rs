//! A worker whose shim died: watched and signalled through a pidfd, which can never mean
//! another process, whatever becomes of the number.

use resus_shim::identity::{ProcessId, exit_status, is_alive, signal_group};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

/// How a worker ended is known when init, its new parent, has reaped it: at once where init is
/// one, within seconds where it looks now and then, never where it is no init at all.
const REAP_DEADLINE: Duration = Duration::from_secs(5);

/// First and longest wait between two looks whether it was reaped.
const REAP_LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// A worker without a shim. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Adopted {
    worker: ProcessId,
    process: Pid,
    pidfd: Arc<AsyncFd<OwnedFd>>,
}

impl Adopted {
    /// Takes hold of the process, if it still is the one that was recorded.
    pub(crate) fn take(worker: ProcessId, boot_id: &str) -> io::Result<Option<Self>> {
        let Some(process) = i32::try_from(worker.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(process, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Checked after the pidfd is held: from here on the number can't change hands.
        if !is_alive(worker, boot_id) {
            return Ok(None);
        }
        Ok(Some(Self { worker, process, pidfd: Arc::new(crate::readiness::watch(pidfd)?) }))
    }

    /// Waits for its end, and a little longer for [`Adopted::ending`].
    pub(crate) async fn gone(&self) -> io::Result<()> {
        drop(self.pidfd.readable().await?);
        let deadline = Instant::now() + REAP_DEADLINE;
        let (mut wait, wait_max) = REAP_LOOKS;
        // A kernel that tells does so from before it lets go of the number; one that never
        // tells is not waited for any longer than that.
        while matches!(self.ending(), Ok(None)) && self.has_its_number() && Instant::now() < deadline {
            sleep(wait).await;
            wait = (wait * 2).min(wait_max);
        }
        Ok(())
    }

    /// How it ended, if it did and the kernel tells those who are not its parent.
    pub(crate) fn ending(&self) -> io::Result<Option<ExitStatus>> {
        exit_status(self.pidfd.get_ref().as_fd())
    }

    /// SIGTERM to its group, then SIGCONT so that stopped processes can act on it.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)
    }

    /// SIGSTOP to its group. (What has left the group goes on.)
    pub(crate) fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT to its group.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL to its group.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// SIGKILL to what is left of its group after its end. (What has left the group keeps the
    /// run's lock, and so the next attempt out.)
    pub(crate) fn kill_rest(&self) -> io::Result<()> {
        match signal_group(self.pidfd.get_ref().as_fd(), Signal::KILL) {
            // Nobody is left; or an older kernel, where nobody can be meant safely any more.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::SRCH | Errno::INVAL)) => Ok(()),
            outcome => outcome,
        }
    }

    /// To the group it was started as the leader of; to itself alone if it has left that.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pidfd = self.pidfd.get_ref();
        let outcome = signal_group(pidfd.as_fd(), signal);
        match outcome.as_ref().err().and_then(Errno::from_io_error) {
            Some(Errno::SRCH) => Ok(pidfd_send_signal(pidfd, signal)?),
            Some(Errno::INVAL) => self.signal_by_number(signal),
            Some(_) | None => outcome,
        }
    }

    /// For kernels before 6.9. A group's number is not given out again while its leader has it,
    /// which the pidfd proves just before.
    fn signal_by_number(&self, signal: Signal) -> io::Result<()> {
        pidfd_send_signal(self.pidfd.get_ref(), Signal::CONT)?;
        Ok(kill_process_group(self.process, signal)?)
    }

    /// Whether it exists, be it as a zombie that nobody has reaped yet.
    fn has_its_number(&self) -> bool {
        ProcessId::of(self.worker.pid).is_ok_and(|now| now == self.worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_shim::identity::boot_id;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    /// A child that leads a group of its own, as a worker does, and goes on with `script` when
    /// its standard input is closed. It is adopted although we are its parent, so that it is
    /// reaped when the test says.
    fn worker(script: &str) -> (Child, Adopted) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("read _; {script}")]).process_group(0);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let adopted = Adopted::take(id, &boot_id().unwrap()).unwrap().unwrap();
        (child, adopted)
    }

    /// Whether this kernel tells how other people's processes end.
    fn kernel_tells() -> bool {
        let (mut child, adopted) = worker("exit 0");
        child.wait().unwrap();
        let tells = adopted.ending().unwrap().is_some();
        println!("the kernel tells how other people's processes end: {tells}");
        tells
    }

    #[tokio::test]
    async fn how_it_ended_is_known_when_its_new_parent_has_reaped_it() {
        let tells = kernel_tells();
        for (script, code, signal) in [("exit 7", Some(7), None), ("kill -SEGV $$", None, Some(11))] {
            let (mut child, adopted) = worker(script);
            let watched = adopted.clone();
            let gone = tokio::spawn(async move { watched.gone().await });
            drop(child.stdin.take());
            tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
            gone.await.unwrap().unwrap();
            let ending = adopted.ending().unwrap().map(|status| (status.code(), status.signal()));
            assert_eq!(ending, tells.then_some((code, signal)));
        }
    }

    #[tokio::test]
    async fn a_process_that_is_not_the_recorded_one_is_not_adopted() {
        let (mut child, adopted) = worker("true");
        let (id, boot_id) = (adopted.worker, boot_id().unwrap());
        assert!(
            Adopted::take(ProcessId { start_ticks: id.start_ticks + 1, ..id }, &boot_id).unwrap().is_none()
        );
        assert!(Adopted::take(id, "another boot").unwrap().is_none());
        adopted.kill().unwrap();
        child.wait().unwrap();
        assert!(Adopted::take(id, &boot_id).unwrap().is_none());
        assert!(adopted.kill().is_err() && adopted.terminate().is_err(), "there is nobody to signal");
    }

    #[tokio::test]
    async fn what_is_left_of_its_group_goes_after_it() {
        if !kernel_tells() {
            return;
        }
        let (mut child, adopted) = worker("sleep 1000 & true");
        child.wait().unwrap();
        let group = adopted.process;
        rustix::process::test_kill_process_group(group).unwrap();
        adopted.kill_rest().unwrap();
        while rustix::process::test_kill_process_group(group).is_ok() {
            tokio::task::yield_now().await;
        }
        adopted.kill_rest().unwrap();
    }

    /// Set where the test below has process ids for itself.
    const INSIDE: &str = "RESUS_TEST_INSIDE";

    /// Runs the test below again in a process namespace of its own, where nobody else takes ids.
    fn run_inside() {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let name = "adopted::tests::a_stranger_with_its_id_is_never_signalled";
        command.args(["--pid", "--fork", "--mount-proc"]).arg(std::env::current_exe().unwrap());
        let output = command.args([name, "--exact", "--nocapture"]).env(INSIDE, "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}\n{}\nif this is unshare(1): it needs root, or user namespaces for users",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A process with this id, which is free, as the leader of a group.
    fn stranger(id: u32) -> Child {
        loop {
            std::fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
            let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            if child.id() == id {
                return child;
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn a_stranger_with_its_id_is_never_signalled() {
        if std::env::var_os(INSIDE).is_none() {
            return run_inside();
        }
        for trial in 0..100 {
            let (mut child, adopted) = worker("true");
            child.wait().unwrap();
            let mut stranger = stranger(child.id());
            let refused = [adopted.terminate(), adopted.kill()];
            assert!(refused.iter().all(Result::is_err), "trial {trial}: {refused:?}");
            adopted.kill_rest().unwrap();
            adopted.gone().await.unwrap();
            assert_eq!(stranger.try_wait().unwrap(), None, "trial {trial}: the stranger was signalled");
            stranger.kill().unwrap();
            let ended = stranger.wait().unwrap();
            assert_eq!(ended.signal(), Some(9), "by us and by nobody before us");
        }
    }
}
