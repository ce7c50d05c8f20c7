//! Starting one worker: checks, the run's lock, the process, the evidence, and only then the
//! program. A worker without evidence could be started a second time by the next shim.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, Mode};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::evidence::{self, EvidenceError, Spawn};
use crate::identity::ProcessId;
use crate::protocol::{RefusalCode, Refused, SpawnOrder};
use crate::sys::{self, Patience};
use crate::{lock, log};

/// A started worker.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) id: ProcessId,
    /// Becomes readable when the worker has ended.
    pub(crate) pidfd: OwnedFd,
    /// What it prints to.
    pub(crate) output: File,
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("run lock is held by an earlier worker or something it left behind")]
    LockHeld,
    #[error("{0}")]
    BadOrder(String),
    #[error("enter {}: {source}", path.display())]
    Cwd { path: PathBuf, source: io::Error },
    #[error("execute {program}: {source}{hint}")]
    Execute { program: String, source: io::Error, hint: &'static str },
    #[error("{what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("watch process {pid}: {source}")]
    Watch { pid: u32, source: io::Error },
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

impl SpawnError {
    /// As the protocol says it.
    pub(crate) fn refusal(&self, attempt: u32) -> Refused {
        let refused = Refused::new("spawn", Some(attempt), self.code(), self.to_string());
        Refused { errno: self.errno(), ..refused }
    }

    fn code(&self) -> RefusalCode {
        match self {
            Self::LockHeld => RefusalCode::Locked,
            Self::BadOrder(_) => RefusalCode::BadRequest,
            Self::Cwd { .. } => RefusalCode::CwdNotFound,
            Self::Execute { source, .. } => match source.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => RefusalCode::CommandNotFound,
                Some(libc::EACCES | libc::ENOEXEC) => RefusalCode::CommandNotExecutable,
                _ => RefusalCode::SpawnFailed,
            },
            Self::File { .. } | Self::Watch { .. } => RefusalCode::SpawnFailed,
            Self::Evidence(_) => RefusalCode::EvidenceFailed,
        }
    }

    fn errno(&self) -> Option<i32> {
        match self {
            Self::LockHeld | Self::BadOrder(_) => None,
            Self::Cwd { source, .. }
            | Self::Execute { source, .. }
            | Self::File { source, .. }
            | Self::Watch { source, .. } => source.raw_os_error(),
            Self::Evidence(error) => error.errno(),
        }
    }
}

/// Starts the worker of an attempt, its new files under `umask`. On an error no worker is left running.
pub(crate) fn spawn(
    run_dir: &Path,
    boot_id: &str,
    umask: Mode,
    order: &SpawnOrder,
) -> Result<Spawned, SpawnError> {
    check_order(order)?;
    check_attempt_dir(run_dir, order)?;
    check_cwd(Path::new(&order.cwd))?;
    // Held until the child is the program or gone: from then on only the worker keeps it.
    let lock = take_run_lock(run_dir)?;
    let (output, to, errors) = output(order)?;
    lock::pass_on(&lock).map_err(|source| SpawnError::File {
        what: "pass on the lock",
        path: run_lock(run_dir),
        source,
    })?;
    let held =
        sys::hold(|| command(order, to, errors), umask).map_err(|source| execute_error(order, source))?;
    let pid = held.pid();
    let (id, pidfd) = record(boot_id, order, pid).inspect_err(|_| discard(pid))?;
    if let Err(source) = held.release() {
        discard(pid);
        evidence::remove_spawn(Path::new(&order.dir))?;
        return Err(execute_error(order, source));
    }
    Ok(Spawned { id, pidfd, output })
}

/// Path of the lock that everything of a run's process tree holds.
pub(crate) fn run_lock(run_dir: &Path) -> PathBuf {
    run_dir.join(evidence::RUN_LOCK)
}

fn take_run_lock(run_dir: &Path) -> Result<File, SpawnError> {
    let path = run_lock(run_dir);
    match lock::take(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(SpawnError::LockHeld),
        Err(source) => Err(SpawnError::File { what: "lock", path, source }),
    }
}

fn check_order(order: &SpawnOrder) -> Result<(), SpawnError> {
    let mut strings = order.argv.iter().chain([&order.cwd]).chain(order.env.iter().map(|(_, value)| value));
    let bad_key = |key: &String| key.is_empty() || key.contains(['=', '\0']);
    if order.argv.first().is_none_or(String::is_empty) {
        Err(SpawnError::BadOrder("argv names no program".to_owned()))
    } else if strings.any(|text| text.contains('\0')) {
        Err(SpawnError::BadOrder("a NUL byte in argv, cwd or env".to_owned()))
    } else if let Some((key, _)) = order.env.iter().find(|(key, _)| bad_key(key)) {
        Err(SpawnError::BadOrder(format!("{key:?} cannot name an environment variable")))
    } else if let Some(events) = order.events.as_ref().filter(|path| !path.starts_with('/')) {
        Err(SpawnError::BadOrder(format!("events {events:?} is not an absolute path")))
    } else {
        Ok(())
    }
}

/// Evidence outside `<run folder>/attempts/<attempt>` would not be found by the next shim.
fn check_attempt_dir(run_dir: &Path, order: &SpawnOrder) -> Result<(), SpawnError> {
    let dir = Path::new(&order.dir);
    let attempts = run_dir.join(evidence::ATTEMPTS);
    let same = |a: &Path, b: &Path| match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    };
    let in_place = dir.is_dir() && dir.parent().is_some_and(|parent| same(parent, &attempts));
    if in_place && evidence::attempt_of(dir) == Some(order.attempt) {
        return Ok(());
    }
    let expected = evidence::attempt_dir(run_dir, order.attempt);
    Err(SpawnError::BadOrder(format!("attempt folder {} is not {}", dir.display(), expected.display())))
}

/// A missing folder and a missing program are both ENOENT to exec, so the folder goes first.
fn check_cwd(cwd: &Path) -> Result<(), SpawnError> {
    let fault = |source| SpawnError::Cwd { path: cwd.to_owned(), source };
    if !fs::metadata(cwd).map_err(fault)?.is_dir() {
        return Err(fault(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    rustix::fs::access(cwd, Access::EXEC_OK).map_err(|error| fault(error.into()))
}

/// The file a worker prints to, once for us and twice for it.
fn output(order: &SpawnOrder) -> Result<(File, File, File), SpawnError> {
    let path = Path::new(&order.dir).join(evidence::OUTPUT_LOG);
    let fault = |source| SpawnError::File { what: "open", path: path.clone(), source };
    let output = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(fault)?;
    let (to, errors) = (output.try_clone().map_err(fault)?, output.try_clone().map_err(fault)?);
    Ok((output, to, errors))
}

/// The command of a worker. Put together in the child: the copies it takes cost us no memory.
fn command(order: &SpawnOrder, to: File, errors: File) -> Command {
    let mut command = Command::new(&order.argv[0]);
    command
        .args(&order.argv[1..])
        .env_clear()
        .envs(order.env.iter().map(|(key, value)| (key, value)).collect::<BTreeMap<_, _>>())
        .current_dir(&order.cwd)
        .stdin(Stdio::null())
        .stdout(to)
        .stderr(errors);
    command
}

fn execute_error(order: &SpawnOrder, source: io::Error) -> SpawnError {
    let program = order.argv[0].clone();
    // Also ENOENT: a script whose first line names an interpreter that is not there.
    let is_there = program.contains('/') && Path::new(&order.cwd).join(&program).exists();
    let missing = source.raw_os_error() == Some(libc::ENOENT);
    let hint = if is_there && missing { " (the file is there, its interpreter is not)" } else { "" };
    SpawnError::Execute { program, source, hint }
}

/// Our child is not reaped yet, so its id cannot have been reused, even if it has ended.
fn record(boot_id: &str, order: &SpawnOrder, pid: u32) -> Result<(ProcessId, OwnedFd), SpawnError> {
    let watch = |source| SpawnError::Watch { pid, source };
    let id = ProcessId::of(pid).map_err(watch)?;
    let pidfd = open_pidfd(pid).map_err(watch)?;
    let spawn = Spawn {
        pid,
        start_ticks: id.start_ticks,
        boot_id: boot_id.to_owned(),
        argv0: order.argv[0].clone(),
        events: order.events.clone(),
        unix_ms: log::unix_ms(),
    };
    evidence::write_spawn(Path::new(&order.dir), &spawn)?;
    Ok((id, pidfd))
}

fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    Ok(pidfd_open(as_pid(pid)?, PidfdFlags::empty())?)
}

/// The id of one of our children as rustix wants it.
pub(crate) fn as_pid(pid: u32) -> io::Result<Pid> {
    let positive = i32::try_from(pid).ok().and_then(Pid::from_raw);
    positive.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "process id out of range"))
}

/// Ends a child that did not become the program.
fn discard(pid: u32) {
    let killed = as_pid(pid).and_then(|pid| Ok(kill_process(pid, Signal::KILL)?));
    if let Err(error) = killed.and_then(|()| sys::reap(pid, Patience::UntilItEnds)) {
        log::note!("cannot take back process {pid}: {error}");
    }
}
