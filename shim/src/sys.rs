//! The raw process and signal calls, and with them all `unsafe` code of this crate.

use std::fs::{self, File};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;
use rustix::fs::Mode;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;

use crate::log::note;

/// Gives memory that is free back to the system, as far as the C library keeps it otherwise:
/// an order of many kilobytes is read once, and its pages would stay ours for days.
pub(crate) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a plain number, and touches nothing but memory that nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Whether the kernel counts its clock as kept in step (adjtimex(2) that changes nothing).
pub(crate) fn is_clock_synchronised() -> io::Result<bool> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: a `timex` is plain numbers, so all zero is one, and its `modes` then say that nothing
    // is to be set; the kernel writes within it.
    let (result, state) = unsafe {
        let result = libc::adjtimex(state.as_mut_ptr());
        (result, state.assume_init())
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state.status & libc::STA_UNSYNC == 0)
}

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

/// fork(2), with `flags` for clone(2) besides: `None` in the child, its id in the parent.
fn fork(flags: c_int) -> io::Result<Option<u32>> {
    // SAFETY: without CLONE_VM this is fork(2), which may be followed by any code in a
    // process of one thread, and the shim has one. No stack, no id pointers: all zero.
    let pid = unsafe { libc::syscall(libc::SYS_clone, (flags | libc::SIGCHLD) as libc::c_long, 0, 0, 0, 0) };
    match pid {
        0 => Ok(None),
        pid => u32::try_from(pid).map(Some).map_err(|_| io::Error::last_os_error()),
    }
}

/// Ends a copy of this process without running anything that belongs to the original.
fn leave_copy() -> ! {
    // SAFETY: always allowed; it does not return.
    unsafe { libc::_exit(127) }
}

/// A child between fork and exec. It leads a session, and so a process group, of its own,
/// has its files and locks, and waits for leave to become the program. When this value is
/// dropped or the shim dies, it ends instead: what can be recorded of it in the meantime is
/// on record before any of the program's code runs.
///
/// A group alone would not do: when the shim dies, a *stopped* group of the shim's session
/// becomes orphaned and the kernel sends it SIGHUP, which would end a paused worker.
#[derive(Debug)]
pub(crate) struct Held {
    pid: u32,
    leave: OwnedFd,
    /// The other end of it, so that giving leave to a child that was killed is no SIGPIPE.
    _wait: OwnedFd,
    /// Where the child says why it could not become the program.
    report: File,
}

/// Forks a child that will become `command` on [`Held::release`]. The child puts that together.
pub(crate) fn hold(command: impl FnOnce() -> Command, umask: Mode) -> io::Result<Held> {
    let (wait, leave) = pipe_with(PipeFlags::CLOEXEC)?;
    let (report, reporter) = pipe_with(PipeFlags::CLOEXEC)?;
    match fork(0)? {
        Some(pid) => Ok(Held { pid, leave, _wait: wait, report: report.into() }),
        None => {
            // Only the parent may have the writing end, or its end would never be seen.
            drop(leave);
            let error = wait_and_execute(&mut command(), umask, &wait);
            let number = error.raw_os_error().unwrap_or(libc::EINVAL);
            let _ = rustix::io::write(&reporter, &number.to_ne_bytes());
            leave_copy()
        }
    }
}

/// In the child. Returns only if it cannot become the program.
fn wait_and_execute(command: &mut Command, umask: Mode, wait: &OwnedFd) -> io::Error {
    // Our handlers would tell the shim of signals that were meant for this child.
    let prepared = reset_signals().and_then(|()| Ok(rustix::process::setsid()?));
    if let Err(error) = prepared {
        return error;
    }
    rustix::process::umask(umask);
    match rustix::io::retry_on_intr(|| rustix::io::read(wait, &mut [0_u8])) {
        Ok(1) => command.exec(),
        Ok(_) => leave_copy(),
        Err(error) => error.into(),
    }
}

impl Held {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the child become the program. On an error it has ended, and waits to be reaped.
    pub(crate) fn release(mut self) -> io::Result<()> {
        rustix::io::write(&self.leave, &[1])?;
        let mut number = Vec::new();
        // Nothing comes if it became the program, which closes the pipe; or if it was killed,
        // and then that is how the worker ended.
        self.report.read_to_end(&mut number)?;
        match <[u8; 4]>::try_from(number) {
            Ok(number) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number))),
            Err(_) => Ok(()),
        }
    }
}

/// Starts a program as a *sibling*: its parent is our parent, its session its own.
///
/// For what must not be one of our descendants, since all of those are killed with the
/// worker. Detaching by a double fork cannot escape a subreaper. Its end is for our
/// parent to notice; if it cannot be executed it says so on stderr and ends with 127.
pub(crate) fn start_sibling(command: &mut Command) -> io::Result<()> {
    if fork(libc::CLONE_PARENT)?.is_some() {
        return Ok(());
    }
    let error = match rustix::process::setsid() {
        Ok(_) => command.exec(),
        Err(error) => error.into(),
    };
    note!("cannot execute {:?}: {error}", command.get_program());
    leave_copy()
}

/// `struct pidfd_info` of `include/uapi/linux/pidfd.h` as first published (its
/// `PIDFD_INFO_SIZE_VER0`); later kernels still answer with it.
#[repr(C)]
#[derive(Debug, Default)]
struct PidfdInfo {
    /// What is asked for, and in the answer what is told.
    mask: u64,
    cgroup_id: u64,
    /// Ids and credentials: pid, tgid, ppid, then the four user and the four group ids.
    ids: [u32; 11],
    /// As wait(2) gives it.
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`.
const INFO_EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`.
const GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

/// How the process of a pidfd ended, which the kernel (6.15 or newer) tells whoever held the
/// pidfd before its parent reaped it; `None` if it was not reaped yet.
pub(crate) fn exit_of(pidfd: BorrowedFd<'_>) -> io::Result<Option<ExitStatus>> {
    let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the number says, by its size, that the kernel reads and writes a `PidfdInfo`;
    // every bit pattern is one. On anything but a pidfd it fails.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, PidfdInfo>::new(&mut info)) }?;
    Ok((info.mask & INFO_EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code)))
}

/// `PIDFD_SIGNAL_PROCESS_GROUP`.
const SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// Signals the process group that the process of a pidfd leads or led (Linux 6.9 or newer).
/// Once that group is empty it means nobody, also if its number was given out again.
pub(crate) fn signal_group(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    // SAFETY: all arguments are plain numbers, and no `siginfo_t` is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal.as_raw(),
            ptr::null_mut::<libc::siginfo_t>(),
            SIGNAL_PROCESS_GROUP,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
