//! Becoming a shim: a clean process of its own, the only one of its run, with its sockets.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid, umask};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::args::Args;
use crate::log::LOG_BYTES_MAX;
use crate::notify::Notify;
use crate::peers::Sockets;
use crate::{evidence, lock, sys};

/// A step of the start that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{step}: {source}")]
    Process { step: &'static str, source: io::Error },
    #[error("{step} {}: {source}", path.display())]
    File { step: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is in the way and not a socket", .0.display())]
    NotASocket(PathBuf),
}

/// What a shim stands on.
#[derive(Debug)]
pub(crate) struct Footing {
    pub(crate) place: Place,
    pub(crate) sockets: Sockets,
    pub(crate) notify: Option<Notify>,
    pub(crate) signals: OwnedFd,
    /// What this process was started with; its workers get it back.
    pub(crate) umask: Mode,
}

/// The place of a run's one shim, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sockets: Vec<PathBuf>,
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Before the lock is let go of, so that these are our sockets and not a successor's.
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
    }
}

/// Prepares this process and takes the run's place; `None` when another shim has it.
pub(crate) fn start(args: &Args) -> Result<Option<Footing>, StartError> {
    let umask = umask(Mode::from_raw_mode(0o077));
    let signals = become_clean()?;
    let path = args.run_dir.join(evidence::SHIM_LOCK);
    let taken = lock::take(&path).map_err(|source| StartError::File { step: "lock", path, source })?;
    let Some(lock) = taken else { return Ok(None) };
    settle_in(&args.run_dir)?;
    let sockets = Sockets { clients: listen(&args.socket)?, control: listen(&args.control)? };
    let notify = args.notify.as_deref().map(listen_for_notes).transpose()?;
    let paths = [Some(&args.socket), Some(&args.control), args.notify.as_ref()];
    let place = Place { sockets: paths.into_iter().flatten().cloned().collect(), _lock: lock };
    Ok(Some(Footing { place, sockets, notify, signals, umask }))
}

/// Sheds what came from the parent: files, signal settings, session, name.
fn become_clean() -> Result<OwnedFd, StartError> {
    let step = |step| move |source| StartError::Process { step, source };
    sys::close_inherited_files().map_err(step("close inherited files"))?;
    sys::reset_signals().map_err(step("reset signals"))?;
    match setsid() {
        // A group leader cannot change its session; it is out of the terminal's group already.
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(step("start a session")(error.into())),
    }
    set_child_subreaper(Some(getpid())).map_err(|error| step("become subreaper")(error.into()))?;
    fs::write("/proc/self/comm", "resus-shim").map_err(step("set the process name"))?;
    let watched = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
    sys::watch_signals(&watched).map_err(step("watch signals"))
}

/// Works in the run's folder, with its log as standard error.
fn settle_in(run_dir: &Path) -> Result<(), StartError> {
    let fault = |step, path: &Path| {
        let path = path.to_owned();
        move |source| StartError::File { step, path, source }
    };
    std::env::set_current_dir(run_dir).map_err(fault("enter", run_dir))?;
    let log_path = run_dir.join(evidence::SHIM_LOG);
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&log_path);
    let log = log.map_err(fault("open", &log_path))?;
    let length = log.metadata().map_err(fault("measure", &log_path))?.len();
    if length > LOG_BYTES_MAX as u64 {
        log.set_len(0).map_err(fault("begin anew", &log_path))?;
    }
    let null_path = Path::new("/dev/null");
    let null = OpenOptions::new().read(true).write(true).open(null_path).map_err(fault("open", null_path))?;
    dup2_stdin(&null).map_err(|error| fault("redirect stdin to", null_path)(error.into()))?;
    dup2_stdout(&null).map_err(|error| fault("redirect stdout to", null_path)(error.into()))?;
    dup2_stderr(&log).map_err(|error| fault("redirect stderr to", &log_path)(error.into()))
}

/// Binds a socket for connections. Its mode follows from the umask: this user only.
fn listen(path: &Path) -> Result<UnixListener, StartError> {
    make_way(path)?;
    let fault = |step| move |source| StartError::File { step, path: path.to_owned(), source };
    let listener = UnixListener::bind(path).map_err(fault("listen on"))?;
    listener.set_nonblocking(true).map_err(fault("set up"))?;
    Ok(listener)
}

/// The same for notifications.
fn listen_for_notes(path: &Path) -> Result<Notify, StartError> {
    make_way(path)?;
    let fault = |step| move |source| StartError::File { step, path: path.to_owned(), source };
    let socket = UnixDatagram::bind(path).map_err(fault("listen on"))?;
    Notify::new(socket).map_err(fault("set up"))
}

/// Removes a socket; one that is there belonged to a shim that died, since we hold the lock.
fn make_way(path: &Path) -> Result<(), StartError> {
    let fault = |step| move |source| StartError::File { step, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(fault("remove stale")),
        Ok(_) => Err(StartError::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fault("look at")(error)),
    }
}
