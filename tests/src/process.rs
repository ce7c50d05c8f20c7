//! Processes as `/proc` shows them.

use std::path::Path;

/// A living process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line, with spaces.
    pub command: String,
    /// Its environment at its start, with newlines.
    pub environment: String,
}

/// Living processes that carry the folder's path in their command line or environment.
/// (Zombies carry neither.)
#[must_use]
pub fn processes_of(folder: &Path) -> Vec<Process> {
    let mark = folder.to_string_lossy().into_owned();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
        .filter_map(read)
        .filter(|process| process.command.contains(&mark) || process.environment.contains(&mark))
        .collect()
}

fn read(pid: u32) -> Option<Process> {
    let text = |file: &str, joint: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', joint))
    };
    let (command, environment) = (text("cmdline", " ")?, text("environ", "\n").unwrap_or_default());
    alive(pid).then_some(Process { pid, command, environment })
}

/// Whether the process exists and is not a zombie.
#[must_use]
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Sends a signal by name, e.g. `KILL`. A process that is gone already is fine.
pub fn kill(pid: u32, signal: &str) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match signal {
        "KILL" => Signal::KILL,
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        "HUP" => Signal::HUP,
        other => panic!("no signal {other}"),
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone_already = kill_process(pid, signal);
    }
}
