//! Processes as `/proc` shows them.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::fault::Fault;

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line.
    pub argv: Vec<String>,
}

impl Process {
    /// Living processes that carry the text of a path in their command line or environment.
    ///
    /// # Errors
    /// [`Fault::Io`] when `/proc` can't be read.
    pub fn all_of(mark: &Path) -> Result<Vec<Self>, Fault> {
        let mark = mark.to_string_lossy().into_owned();
        let entries = fs::read_dir("/proc").map_err(Fault::io("list", "/proc"))?;
        let pids = entries.filter_map(Result::ok).filter_map(|e| e.file_name().to_str()?.parse().ok());
        Ok(pids.filter(|pid| *pid != std::process::id()).filter_map(|pid| Self::of(pid, &mark)).collect())
    }

    /// Processes come and go while they are looked at, so one that can't be read is not there.
    fn of(pid: u32, mark: &str) -> Option<Self> {
        let text = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let command = text("cmdline")?;
        let ours = command.contains(mark) || text("environ").is_some_and(|env| env.contains(mark));
        let argv = command.split_terminator('\0').map(str::to_owned).collect();
        (ours && alive(pid)).then_some(Self { pid, argv })
    }

    /// Whether it is a daemon.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.argv.get(1).is_some_and(|word| word == "daemon")
    }

    /// Whether it is a shim.
    #[must_use]
    pub fn is_shim(&self) -> bool {
        self.argv.get(1).is_some_and(|word| word == "shim")
    }
}

/// Whether the process exists and is not a zombie.
#[must_use]
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name stands in brackets and may contain anything.
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Sends SIGKILL. A process that is gone already is fine.
pub fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone_already = kill_process(pid, Signal::KILL);
    }
}

/// Proportional set size in bytes: memory shared with others counts by its share.
///
/// # Errors
/// [`Fault`] when the process is gone or the kernel does not tell.
pub fn pss_bytes(pid: u32) -> Result<u64, Fault> {
    kib_of(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Memory that a process has now, in bytes.
///
/// # Errors
/// [`Fault`] when the process is gone or the kernel does not tell.
pub fn rss_bytes(pid: u32) -> Result<u64, Fault> {
    kib_of(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The most memory that a process has ever had, in bytes.
///
/// # Errors
/// [`Fault`] when the process is gone or the kernel does not tell.
pub fn rss_peak_bytes(pid: u32) -> Result<u64, Fault> {
    kib_of(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// Bytes of a line `Name:   12 kB`.
fn kib_of(path: &str, name: &str) -> Result<u64, Fault> {
    let text = fs::read_to_string(path).map_err(Fault::io("read", path))?;
    let kib = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    kib.map(|kib: u64| kib * 1024).ok_or_else(|| Fault::wrong(format!("{path} has no line `{name}`")))
}

/// CPU time that the living threads of a process have used, in nanoseconds. (Clock ticks of
/// `stat` are ten milliseconds, too coarse for a process that sleeps.)
///
/// # Errors
/// [`Fault`] when the process is gone or the kernel does not tell.
pub fn cpu_ns(pid: u32) -> Result<u64, Fault> {
    let folder = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&folder).map_err(Fault::io("list", &folder))?;
    let mut sum = 0;
    for thread in threads {
        let path = thread.map_err(Fault::io("list", &folder))?.path().join("schedstat");
        // A thread may end meanwhile.
        match fs::read_to_string(&path) {
            Ok(text) => sum += on_cpu_ns(&text).ok_or_else(|| no_figure(&path))?,
            Err(_) if !path.exists() => {}
            Err(error) => return Err(Fault::io("read", &path)(error)),
        }
    }
    Ok(sum)
}

/// CPU time that a process has used, threads that have ended included, in milliseconds. In steps of
/// a clock tick (ten milliseconds): for figures over half a minute.
///
/// # Errors
/// [`Fault`] when the process is gone or the kernel does not tell.
pub fn cpu_ms_in_all(pid: u32) -> Result<u64, Fault> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(Fault::io("read", &path))?;
    // Fields 14 and 15 of proc_pid_stat(5), behind the name in brackets; a tick is 1/100 s for
    // user space on every Linux.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) * 10),
        (None, _) | (_, None) => Err(no_figure(Path::new(&path))),
    }
}

/// CPU time that this thread has used, in nanoseconds.
///
/// # Errors
/// [`Fault`] when the kernel does not tell.
pub fn cpu_ns_of_this_thread() -> Result<u64, Fault> {
    let path = Path::new("/proc/thread-self/schedstat");
    let text = fs::read_to_string(path).map_err(Fault::io("read", path))?;
    on_cpu_ns(&text).ok_or_else(|| no_figure(path))
}

/// The load average of the last minute: what else kept the machine busy.
///
/// # Errors
/// [`Fault`] when the kernel does not tell.
pub fn load() -> Result<f64, Fault> {
    let path = Path::new("/proc/loadavg");
    let text = fs::read_to_string(path).map_err(Fault::io("read", path))?;
    text.split(' ').next().and_then(|word| word.parse().ok()).ok_or_else(|| no_figure(path))
}

/// First figure of a `schedstat`: nanoseconds on a CPU.
fn on_cpu_ns(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

fn no_figure(path: &Path) -> Fault {
    Fault::wrong(format!("{} does not begin with a figure", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_figures_are_there() {
        let us = std::process::id();
        assert!(alive(us));
        assert!(pss_bytes(us).expect("our memory") > 100_000);
        assert!(rss_bytes(us).expect("our memory") > 100_000);
        assert!(rss_peak_bytes(us).expect("the most") > 100_000);
        assert!(cpu_ms_in_all(us).is_ok());
        assert!(cpu_ns(us).expect("our CPU time") >= cpu_ns_of_this_thread().expect("this thread's"));
        assert!(load().expect("the load") >= 0.0);
        assert!(!alive(0));
    }

    #[test]
    fn processes_are_told_apart_by_their_first_argument() {
        let process = |words: &str| Process { pid: 1, argv: words.split(' ').map(str::to_owned).collect() };
        assert!(process("resus daemon run").is_daemon() && !process("resus shim daemon").is_daemon());
        assert!(process("resus shim --run-id x").is_shim() && !process("shim").is_shim());
    }

    #[test]
    fn a_process_is_found_by_a_path_in_its_environment_or_command_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut by_environment = std::process::Command::new("sleep");
        by_environment.arg("60").env("PLACE", folder.path());
        let mut child = by_environment.spawn().expect("a process");
        let found = loop {
            let found = Process::all_of(folder.path()).expect("the processes");
            if found.iter().any(|process| process.argv == ["sleep", "60"]) {
                break found;
            }
        };
        assert_eq!(found.len(), 1);
        kill(child.id());
        child.wait().expect("its end");
        assert_eq!(Process::all_of(folder.path()).expect("the processes"), []);
    }
}
