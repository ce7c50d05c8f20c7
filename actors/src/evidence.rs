//! What can be known of a hung worker before it is killed: written beside its output, for whoever
//! asks on Monday why it stood still.

use resus_core::secret::mask_argv;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processes and threads that are looked at: enough for a data loader's children, and a bound on
/// the time and the file.
const PROCESSES_MAX: usize = 32;
const THREADS_MAX: usize = 64;
const FILES_MAX: usize = 64;
/// A dump of Python's stack may take this long; the worker is killed thereafter.
const PY_SPY_DEADLINE: Duration = Duration::from_millis(600);
/// How often it is looked whether the dump is there.
const PY_SPY_LOOK: Duration = Duration::from_millis(10);

/// Looks at the process `pid` and its descendants. Blocking; takes milliseconds, or up to
/// 0.6 s where `py-spy` is there to dump a Python worker's stack.
pub(crate) fn gather(pid: u32) -> String {
    let mut report = String::new();
    for pid in family(pid).into_iter().take(PROCESSES_MAX) {
        process(&mut report, pid);
    }
    if let Some(dump) = python_stack(pid) {
        let _ = writeln!(report, "== Python stack of {pid} (py-spy)\n{dump}");
    }
    report
}

fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The arguments of a process, with what is secret among them masked.
fn command_line(folder: &Path) -> Option<String> {
    let bytes = fs::read(folder.join("cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let argv: Vec<_> = text.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
    Some(mask_argv(&argv).join(" ").trim().to_owned()).filter(|line| !line.is_empty())
}

fn process(report: &mut String, pid: u32) {
    let folder = Path::new("/proc").join(pid.to_string());
    let command = command_line(&folder).unwrap_or_else(|| "?".to_owned());
    let _ = writeln!(report, "== process {pid}: {command}");
    let wanted = ["State:", "VmRSS:", "VmSwap:", "Threads:", "SigBlk:", "SigIgn:", "SigCgt:"];
    let status = read(&folder.join("status")).unwrap_or_default();
    for line in status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name))) {
        let _ = writeln!(report, "{line}");
    }
    for thread in numbers(&folder.join("task")).into_iter().take(THREADS_MAX) {
        thread_of(report, &folder.join("task").join(thread.to_string()), thread);
    }
    let files = numbers(&folder.join("fd"));
    for fd in files.iter().take(FILES_MAX) {
        if let Ok(target) = fs::read_link(folder.join("fd").join(fd.to_string())) {
            let _ = writeln!(report, "file {fd}: {}", target.display());
        }
    }
    if files.len() > FILES_MAX {
        let _ = writeln!(report, "… {} files in all", files.len());
    }
}

fn thread_of(report: &mut String, folder: &Path, thread: u32) {
    let field = |name: &str| read(&folder.join(name)).unwrap_or_else(|| "?".to_owned());
    // Field 3 of stat(5), behind the name in brackets.
    let state = field("stat").rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?');
    let (name, waits, call) = (field("comm"), field("wchan"), field("syscall"));
    let _ = writeln!(report, "thread {thread} {name}: state {state}, waits in {waits}, system call {call}");
    // Needs privileges; where it is missing, the names above must do.
    if let Some(stack) = read(&folder.join("stack")) {
        let _ = writeln!(report, "{stack}");
    }
}

fn numbers(folder: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut numbers: Vec<u32> =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in numbers(Path::new("/proc")) {
        let stat = read(&Path::new("/proc").join(process.to_string()).join("stat")).unwrap_or_default();
        // Field 4 of stat(5).
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(process) = family.get(next) {
        let found = children.remove(process).unwrap_or_default();
        family.extend(found);
        next += 1;
    }
    family
}

/// The stack of a Python program, if `py-spy` is installed and may look.
fn python_stack(pid: u32) -> Option<String> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    program.file_name()?.to_str()?.starts_with("python").then_some(())?;
    let mut child = Command::new("py-spy")
        .args(["dump", "--nonblocking", "--pid", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + PY_SPY_DEADLINE;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(PY_SPY_LOOK),
            Ok(Some(_)) => break,
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_its_children_its_threads_and_its_files_are_described() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held-open");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec 7>\"$0\" 8<&0; echo ready >&7; cat <&8 & wait"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while family(child.id()).len() < 2 || fs::read(&path).map_or(true, |said| said.is_empty()) {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let report = gather(child.id());
        drop(child.stdin.take());
        child.kill().unwrap();
        child.wait().unwrap();
        for expected in
            [&format!("== process {}: /bin/sh", child.id()), "State:", "thread ", "held-open", ": cat"]
        {
            assert!(report.contains(expected), "{expected} is missing in\n{report}");
        }
    }

    #[test]
    fn of_a_process_that_is_gone_nothing_is_said_and_nothing_fails() {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        child.wait().unwrap();
        let report = gather(child.id());
        assert!(report.lines().count() <= 1, "{report}");
    }
}
