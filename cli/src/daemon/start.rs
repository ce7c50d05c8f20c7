//! From the client's side: finding the daemon, and starting it when there is none.

use crate::client::{Client, ClientError};
use crate::daemon::handshake::OWN_PROGRAM;
use crate::daemon::journal::open_log;
use crate::daemon::journal_line::readable;
use crate::daemon::record::Record;
use crate::daemon::serve::{MANAGER_VARS, VERSION};
use crate::error::CliError;
use crate::place::{self, Place};
use crate::settings::Settings;
use crate::target::Target;
use resus_core::exit::ExitCode;
use resus_core::secret::is_secret_name;
use resus_store::{LockError, StateDir};
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// A daemon that was started answers within this, unless its ledger is very long.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// First wait between two looks whether it is there; each is twice as long as the last.
const LOOK_FIRST: Duration = Duration::from_millis(3);
/// Longest wait between two looks.
const LOOK_MAX: Duration = Duration::from_millis(100);
/// First wait before another daemon is started because the first one found the place taken.
const AGAIN_FIRST: Duration = Duration::from_millis(20);
/// Longest wait before that.
const AGAIN_MAX: Duration = Duration::from_secs(1);
/// Most daemons that a question is put to, should one after the other end; and how often one is
/// started again that a signal has ended.
const TRIES: u32 = 3;
/// Wait before a question that was lost on its way through a server is put again: the connection
/// comes back by itself, or it takes longer than somebody wants to wait.
const LOST_WAIT: Duration = Duration::from_secs(1);
/// Lines of the log shown when a daemon can't be started.
const LOG_LINES: usize = 5;
/// Most bytes of the log looked at for them.
const LOG_BYTES: u64 = 8 * 1024;

/// Why no daemon could be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its process could not be created.
    #[error("failed to start the daemon")]
    Spawn {
        /// The reason.
        source: io::Error,
    },
    /// It ended at once.
    #[error("the daemon ended right after its start ({status})")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it had to say.
        log_tail: Vec<String>,
    },
    /// It is not there in time.
    #[error("the daemon does not answer {} s after its start", START_DEADLINE.as_secs())]
    Slow {
        /// What it had to say.
        log_tail: Vec<String>,
    },
}

impl StartError {
    /// The end of what the daemon wrote to its log.
    pub(crate) fn log_tail(&self) -> &[String] {
        match self {
            Self::Spawn { .. } => &[],
            Self::Ended { log_tail, .. } | Self::Slow { log_tail } => log_tail,
        }
    }
}

/// The client of the daemon that was last known, or that would be found at the usual place.
/// Whether somebody is there shows when it is asked.
pub(crate) fn locate(state: &StateDir) -> Client {
    let record = Record::read(state);
    let usable =
        |record: &Record| record.socket.parent().is_some_and(|folder| Place::existing(folder).is_ok());
    match record.filter(usable) {
        Some(record) => Client::new(record.socket, Some(record.pid)),
        None => Client::new(place::usual_path(state).join("daemon.sock"), None),
    }
}

/// A daemon that answers. On this machine it is started if there is none; another machine's is
/// left to that machine.
///
/// # Errors
/// [`CliError`]: it hangs, or can't be started, or the configuration is not valid.
pub(crate) async fn ensure(target: &Target) -> Result<Client, CliError> {
    match target {
        Target::Here(state) => ensure_here(state).await,
        Target::There(_) => Ok(target.client()),
    }
}

/// A daemon of this machine that answers; it is started if there is none.
///
/// Several clients may do this at once: the lock of the state folder decides whose daemon
/// lives, and all of them are served by that one.
///
/// # Errors
/// [`CliError`]: it hangs, or can't be started, or the configuration is not valid.
pub(crate) async fn ensure_here(state: &StateDir) -> Result<Client, CliError> {
    let client = locate(state);
    match client.health().await {
        Ok(()) => Ok(client),
        Err(ClientError::Nobody { .. } | ClientError::Broken { .. }) => start(state).await,
        Err(other) => Err(other.into()),
    }
}

/// Puts a question to a daemon, which is started if there is none; again if it ends before it
/// has answered, as one does that somebody is just stopping, or if question or answer was lost on
/// the way to another machine. So a question must be one that may be heard twice: a read, or a
/// command with an id.
///
/// # Errors
/// As [`ensure`], and the answer's own.
pub(crate) async fn ask<T, F>(target: &Target, question: impl Fn(Client) -> F) -> Result<T, CliError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut tries = 1;
    loop {
        match question(ensure(target).await?).await {
            Err(ClientError::Nobody { .. } | ClientError::Broken { .. }) if tries < TRIES => tries += 1,
            Err(ClientError::Far(error)) if tries < TRIES && error.is_loss() && target.was_reached() => {
                tries += 1;
                sleep(LOST_WAIT).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// Starts a daemon and waits until one answers, be it another.
async fn start(state: &StateDir) -> Result<Client, CliError> {
    // The daemon would refuse it too, but nobody would see its reasons.
    Settings::load()?;
    let deadline = Instant::now() + START_DEADLINE;
    let log_from = File::open(state.daemon_log()).and_then(|log| log.metadata()).map_or(0, |meta| meta.len());
    let begun = Instant::now();
    let mut ended = spawn(state)?;
    let (mut wait, mut again, mut signals) = (LOOK_FIRST, AGAIN_FIRST, 0);
    loop {
        let client = locate(state);
        match client.health().await {
            Ok(()) => return Ok(client),
            Err(ClientError::Nobody { .. } | ClientError::Broken { .. }) => {}
            Err(other) => return Err(other.into()),
        }
        match ended.try_recv() {
            // Another one holds the lock. It is about to answer, or about to end, unless it hangs.
            Ok(Ok(status)) if status.code() == Some(i32::from(ExitCode::Refused.code())) => {
                if let Some(pid) = stopped_holder(state) {
                    return Err(ClientError::Silent { pid: Some(pid), waited: begun.elapsed() }.into());
                }
                sleep(again).await;
                again = (again * 2).min(AGAIN_MAX);
                ended = spawn(state)?;
            }
            // A key pressed before it had left our session was meant for us; or somebody killed it.
            Ok(Ok(status)) if status.signal().is_some() && signals < TRIES => {
                signals += 1;
                ended = spawn(state)?;
            }
            Ok(Ok(status)) => {
                return Err(StartError::Ended { status, log_tail: log_tail(state, log_from) }.into());
            }
            Ok(Err(source)) => return Err(StartError::Spawn { source }.into()),
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(StartError::Slow { log_tail: log_tail(state, log_from) }.into());
        }
        sleep(wait).await;
        wait = (wait * 2).min(LOOK_MAX);
    }
}

/// The daemon that holds the state folder, if somebody has stopped its process (SIGSTOP, or a
/// debugger): it neither answers nor ends. One that only starts slowly is not that.
fn stopped_holder(state: &StateDir) -> Option<u32> {
    let Err(LockError::Held { holder: Some(holder), .. }) = state.lock(VERSION) else { return None };
    let pid = holder.identity.pid;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    is_stopped(&stat).then_some(pid)
}

/// Whether a process is stopped, from its `/proc/PID/stat`. Its name may contain anything.
fn is_stopped(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

/// Starts a daemon process apart from this one. Its end is reported; it is waited for on a
/// thread of its own, so that it never stays behind as a zombie while this command lives.
fn spawn(state: &StateDir) -> Result<oneshot::Receiver<io::Result<ExitStatus>>, StartError> {
    let failed = |source| StartError::Spawn { source };
    // What it says before it can log, or when it dies, goes where somebody will look.
    let log = open_log(&state.daemon_log()).map_err(failed)?;
    let mut command = Command::new(OWN_PROGRAM);
    // A command may run within somebody's service, whose readiness is none of our business.
    for name in MANAGER_VARS {
        command.env_remove(name);
    }
    // Secrets of whoever happened to start it: workers get theirs with their runs.
    for (name, _) in env::vars_os() {
        if is_secret_name(&name.to_string_lossy()) && !name.to_string_lossy().starts_with("RESUS_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(["daemon", "run", "--detached", "--state-dir"])
        .arg(state.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let (report, ended) = oneshot::channel();
    thread::spawn(move || {
        // Nobody listens any more when the command has got what it wanted.
        let _ = report.send(child.wait());
    });
    Ok(ended)
}

/// The last lines of the log from byte `from` on.
fn log_tail(state: &StateDir, from: u64) -> Vec<String> {
    let text = read_tail(state, from).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).map(|line| readable(line)).collect()
}

fn read_tail(state: &StateDir, from: u64) -> io::Result<String> {
    let mut log = File::open(state.daemon_log())?;
    let length = log.metadata()?.len();
    // A log that was set aside meanwhile starts at 0 again.
    let from = if from <= length { from } else { 0 };
    log.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_BYTES))))?;
    let mut bytes = Vec::new();
    log.take(LOG_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_process_is_known_whatever_it_is_called() {
        assert!(is_stopped("7 (resus) T 1 7") && is_stopped("7 (a) R b) t 1"));
        assert!(!is_stopped("7 (resus) S 1") && !is_stopped("7 (T) R 1") && !is_stopped(""));
    }

    #[test]
    fn only_what_the_new_daemon_said_is_shown() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        assert!(log_tail(&state, 0).is_empty());
        fs::write(state.daemon_log(), "old\n1\n2\n3\n4\n5\n6\n").unwrap();
        assert_eq!(log_tail(&state, 4), ["2", "3", "4", "5", "6"]);
        assert_eq!(log_tail(&state, 14), ["6"]);
        assert_eq!(log_tail(&state, 999), ["2", "3", "4", "5", "6"], "the log was set aside");
    }

    #[tokio::test]
    async fn nobody_is_found_in_a_fresh_state_folder() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        assert!(matches!(locate(&state).health().await, Err(ClientError::Nobody { .. })));
    }

    #[tokio::test]
    async fn a_daemon_that_was_killed_counts_as_none_and_one_that_hangs_does_not() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        let socket = temp.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let record = Record {
            pid: 4242,
            version: String::new(),
            build_id: String::new(),
            socket,
            started_at: String::new(),
        };
        record.write(&state).unwrap();
        tokio::time::pause();
        let silent = locate(&state).health().await;
        assert!(matches!(silent, Err(ClientError::Silent { pid: Some(4242), .. })), "{silent:?}");
        // From here on an answer of the kernel is waited for, which a paused clock outruns.
        tokio::time::resume();
        drop(listener);
        let nobody = locate(&state).health().await;
        assert!(matches!(nobody, Err(ClientError::Nobody { .. })), "{nobody:?}");
    }
}
