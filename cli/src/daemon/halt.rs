//! The end of a daemon that somebody wants gone: by a request, by SIGTERM where it does not
//! understand us. Its workers go on.

use crate::client::ClientError;
use crate::daemon::serve::VERSION;
use crate::daemon::start::locate;
use crate::error::CliError;
use resus_store::{LockError, StateDir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// A daemon has this long to end: its actors write what is queued, leaf to root.
pub(crate) const END_DEADLINE: Duration = Duration::from_secs(30);

/// A daemon that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its process id.
    pub pid: u32,
    /// Runs that go on without it; `None` if its answer could not be read.
    pub runs_live: Option<usize>,
}

/// Ends the daemon of `state` and waits until it is gone; `None` if there was none. From the
/// moment it is asked the mark of [`forbid_starts`] is there: neither a shim nor a command
/// that follows a run starts another one meanwhile.
///
/// # Errors
/// [`CliError`]: it hangs, or does not end in time.
pub(crate) async fn halt(state: &StateDir) -> Result<Option<Ended>, CliError> {
    let client = locate(state);
    let pid = match client.daemon().await {
        Ok(view) => view.pid,
        // Not there, or there and not able to answer yet, any more, or in words we know.
        Err(ClientError::Nobody { .. } | ClientError::Broken { .. } | ClientError::Foreign { .. }) => {
            let Some(pid) = holder(state)? else { return Ok(None) };
            let process = open(pid)?;
            forbid_starts(state)?;
            terminate(pid, process.as_ref())?;
            return gone(pid, process, None).await.map(Some);
        }
        Err(error) => return Err(error.into()),
    };
    let process = open(pid)?;
    forbid_starts(state)?;
    let runs_live = match client.stop_daemon().await {
        Ok(view) => Some(view.runs_live),
        Err(ClientError::Foreign { .. }) => {
            terminate(pid, process.as_ref())?;
            None
        }
        // Somebody else was faster.
        Err(ClientError::Nobody { .. } | ClientError::Broken { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    gone(pid, process, runs_live).await.map(Some)
}

/// From now on only somebody who types a command starts a daemon. Shims look for this mark.
///
/// # Errors
/// [`CliError::Io`].
pub(crate) fn forbid_starts(state: &StateDir) -> Result<(), CliError> {
    let path = state.stopped();
    let created = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    created.map(drop).map_err(|source| CliError::Io { what: "create", path, source })
}

/// Takes the mark of [`forbid_starts`] away.
///
/// # Errors
/// [`CliError::Io`].
pub(crate) fn allow_starts(state: &StateDir) -> Result<(), CliError> {
    let path = state.stopped();
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(CliError::Io { what: "remove", path, source })
        }
        _ => Ok(()),
    }
}

/// Who holds the state folder, whether it answers or not.
fn holder(state: &StateDir) -> Result<Option<u32>, CliError> {
    match state.lock(VERSION) {
        Ok(_free) => Ok(None),
        Err(LockError::Held { holder: Some(holder), .. }) => Ok(Some(holder.identity.pid)),
        Err(error) => Err(error.into()),
    }
}

/// A handle on a process, which no other process can be mistaken for; `None` if it has ended.
fn open(pid: u32) -> Result<Option<OwnedFd>, CliError> {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(process, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(errno) => Err(failed("watch", pid, errno.into())),
    }
}

fn terminate(pid: u32, process: Option<&OwnedFd>) -> Result<(), CliError> {
    match process.map(|process| pidfd_send_signal(process, Signal::TERM)) {
        Some(Err(errno)) if errno != rustix::io::Errno::SRCH => Err(failed("signal", pid, errno.into())),
        _ => Ok(()),
    }
}

async fn gone(pid: u32, process: Option<OwnedFd>, runs_live: Option<usize>) -> Result<Ended, CliError> {
    if let Some(process) = process
        && !ends(pid, process).await?
    {
        return Err(CliError::StillThere { pid, waited: END_DEADLINE });
    }
    Ok(Ended { pid, runs_live })
}

/// Waits for the end of a process; `false` if it is still there after [`END_DEADLINE`].
async fn ends(pid: u32, process: OwnedFd) -> Result<bool, CliError> {
    let failed = |source| failed("wait for", pid, source);
    let limit = Timespec::try_from(END_DEADLINE).map_err(|error| failed(io::Error::other(error)))?;
    // A handle on a process becomes readable when the process has ended.
    let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit));
    let waited = tokio::task::spawn_blocking(wait).await.map_err(|error| failed(error.into()))?;
    waited.map(|ready| ready > 0).map_err(|errno| failed(errno.into()))
}

fn failed(what: &'static str, pid: u32, source: io::Error) -> CliError {
    CliError::Io { what, path: format!("/proc/{pid}").into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_nobody_is_nothing_ends_and_nothing_is_marked() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        assert_eq!(halt(&state).await.unwrap(), None);
        assert!(!state.stopped().exists());
        forbid_starts(&state).unwrap();
        forbid_starts(&state).unwrap();
        assert!(state.stopped().exists());
        allow_starts(&state).unwrap();
        allow_starts(&state).unwrap();
        assert!(!state.stopped().exists());
    }
}
