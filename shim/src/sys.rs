//! The raw process and signal calls, and with them all `unsafe` code of this crate.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::log::note;

/// The largest signal number of Linux.
const SIGNAL_MAX: c_int = 64;
/// Bytes of the kernel's signal set.
const KERNEL_SIGSET_BYTES: usize = 8;

/// Sets every signal to its default action and unblocks all of them, so that neither the
/// shim nor a worker suffers from what a careless ancestor ignored or blocked.
pub(crate) fn reset_signals() -> io::Result<()> {
    // A `struct sigaction` of the kernel, and more: all zero is SIG_DFL, no flags, no mask.
    let default = [0_u64; 8];
    for signal in 1..=SIGNAL_MAX {
        // The plain system call, since the C library hides two signals that can be inherited
        // ignored like any other. KILL and STOP refuse, and need no reset.
        // SAFETY: `default` outlives the call and is at least as large as the kernel reads.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                KERNEL_SIGSET_BYTES,
            )
        };
    }
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises `none` before sigprocmask reads it; the process has
    // one thread.
    let result = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes whatever the parent left open beyond stdio: a lock of the daemon's that lived on
/// in a shim or a worker would keep the next daemon out.
///
/// Must run before the process opens anything itself.
pub(crate) fn close_inherited_files() -> io::Result<()> {
    let mut inherited: Vec<c_int> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<c_int>().ok());
        inherited.extend(number.filter(|&number| number > libc::STDERR_FILENO));
    }
    for descriptor in inherited {
        // SAFETY: nothing in this process owns a descriptor yet. The one that listed the
        // folder is closed already: EBADF, and nothing else can have got its number.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// Write end of the pipe that [`watch_signals`] made, -1 before.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Tells of a signal through the pipe; only async-signal-safe calls.
extern "C" fn pass_on(signal: c_int) {
    let byte = signal as u8;
    // SAFETY: write(2) and errno are async-signal-safe; the byte outlives the call; the
    // descriptor is never closed. A full pipe already holds news enough.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(SIGNAL_PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *errno = before;
    }
}

/// From now on a caught signal is a byte, its number, in the returned pipe. Handlers, unlike
/// ignoring, do not pass on to what we execute.
pub(crate) fn watch_signals(signals: &[c_int]) -> io::Result<OwnedFd> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    SIGNAL_PIPE.store(write.into_raw_fd(), Ordering::Relaxed);
    for &signal in signals {
        // SAFETY: zeroed as above, then the fields we need; `pass_on` has the one-argument
        // signature that goes with the absence of SA_SIGINFO and is async-signal-safe.
        let result = unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = pass_on as extern "C" fn(c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
            libc::sigaction(signal, &raw const action, ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(read)
}

/// How a child ended and what it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) core_dumped: bool,
    pub(crate) user_ms: u64,
    pub(crate) sys_ms: u64,
    pub(crate) max_rss_bytes: u64,
}

/// Whether [`reap`] may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Look once.
    None,
    /// Until it ends; only for a child that was just sent SIGKILL.
    UntilItEnds,
}

/// wait4(2) for one child; `None` while it lives.
pub(crate) fn reap(pid: u32, patience: Patience) -> io::Result<Option<Reaped>> {
    let pid = c_int::try_from(pid).map_err(io::Error::other)?;
    let options = if patience == Patience::None { libc::WNOHANG } else { 0 };
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both out-parameters are valid for writes for the length of the call.
        let result = unsafe { libc::wait4(pid, &raw mut status, options, usage.as_mut_ptr()) };
        if result == 0 {
            return Ok(None);
        }
        if result > 0 {
            // SAFETY: zeroed above, and filled in by a wait4 that succeeded.
            let usage = unsafe { usage.assume_init() };
            return Ok(Some(Reaped::new(status, &usage)));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

impl Reaped {
    fn new(status: c_int, usage: &libc::rusage) -> Self {
        const KIBIBYTE: u64 = 1024;
        let signaled = libc::WIFSIGNALED(status);
        Self {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: signaled.then(|| libc::WTERMSIG(status)),
            core_dumped: signaled && libc::WCOREDUMP(status),
            user_ms: milliseconds(usage.ru_utime),
            sys_ms: milliseconds(usage.ru_stime),
            max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * KIBIBYTE,
        }
    }
}

fn milliseconds(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000).unwrap_or(0)
}

/// Starts a child that leads a session, and so a process group, of its own.
///
/// A group alone would not do: when the shim dies, a *stopped* group of the shim's session
/// becomes orphaned and the kernel sends it SIGHUP, which would end a paused worker.
pub(crate) fn spawn_in_own_session(command: &mut Command, umask: Mode) -> io::Result<Child> {
    let prepare = move || {
        rustix::process::umask(umask);
        rustix::process::setsid().map(drop).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only umask(2) and setsid(2) run, async-signal-safe both.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// Starts a program as a *sibling*: its parent is our parent, its session its own.
///
/// For what must not be one of our descendants, since all of those are killed with the
/// worker. Detaching by a double fork cannot escape a subreaper. Its end is for our
/// parent to notice; if it cannot be executed it says so on stderr and ends with 127.
pub(crate) fn start_sibling(command: &mut Command) -> io::Result<()> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is fork(2), which may be followed by any code in a
    // process of one thread, and the shim has one. No stack, no id pointers: all zero.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_long, 0, 0, 0, 0) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let error = match rustix::process::setsid() {
                Ok(_) => command.exec(),
                Err(error) => error.into(),
            };
            note!("cannot execute {:?}: {error}", command.get_program());
            // SAFETY: ends the copy without running anything that belongs to the original.
            unsafe { libc::_exit(127) }
        }
        _ => Ok(()),
    }
}
