//! Programs that are asked something: found in `PATH`, and ended when they do not answer.

use rustix::process::{Pid, Signal, kill_process_group};
use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest time for an answer: less than that of the look in which it is asked, which can so tell
/// who did not answer.
const DEADLINE: Duration = Duration::from_millis(2200);
/// Wait between two looks whether it has answered.
const LOOK: Duration = Duration::from_millis(5);
/// Most bytes of an answer that are read; a pipe holds as many, so that nobody waits for us.
const BYTES_MAX: u64 = 64 << 10;

/// Why a program said nothing that helps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// It can't be started.
    #[error("it can't be started: {0}")]
    Start(#[from] io::Error),
    /// It goes on and on.
    #[error("it does not answer")]
    Silent,
    /// It says that it failed.
    #[error("it failed: {0}")]
    Failed(String),
}

/// The first program of the name in `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_in(name, &env::split_paths(&env::var_os("PATH")?).collect::<Vec<_>>())
}

/// The first program of the name in `folders`.
pub(crate) fn find_in(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    folders.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(is_program)
}

/// What `program` prints with `args`, if it succeeds in time. It and all it started are ended then.
///
/// # Errors
/// [`ToolError`].
pub(crate) fn ask(program: &Path, args: &[&str]) -> Result<String, ToolError> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => break None,
            None => sleep(LOOK),
        }
    };
    // What it left behind would hold the pipes open.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _gone = kill_process_group(group, Signal::KILL);
    }
    let Some(status) = status else {
        child.wait()?;
        return Err(ToolError::Silent);
    };
    let answer = text(child.stdout.take())?;
    if status.success() {
        return Ok(answer);
    }
    let complaint = text(child.stderr.take())?;
    let said = complaint.lines().chain(answer.lines()).find(|line| !line.trim().is_empty());
    Err(ToolError::Failed(said.map_or_else(|| status.to_string(), str::to_owned)))
}

fn text(stream: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first two numbers of the first version in `text`, e.g. of `Python 3.11.4`.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split_whitespace().find_map(|word| {
        let (major, rest) = word.trim_start_matches('v').split_once('.')?;
        Some((major.parse().ok()?, number(rest)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_tests::write_program;

    #[test]
    fn a_program_is_found_and_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        fs::write(&path, "not executable").unwrap();
        let folders = ["relative".into(), folder.path().join("none"), folder.path().to_owned()];
        assert_eq!(find_in("tool", &folders), None);
        write_program(&path, b"#!/bin/sh\nsleep 1000 &\necho \"$1 is 3.11.4\"\n");
        assert_eq!(find_in("tool", &folders), Some(path.clone()));
        assert_eq!(ask(&path, &["Python"]).unwrap(), "Python is 3.11.4\n", "what it left behind is ended");
        write_program(&path, b"#!/bin/sh\necho >&2; echo 'no driver' >&2; exit 9\n");
        assert_eq!(ask(&path, &[]).unwrap_err().to_string(), "it failed: no driver");
        assert!(matches!(ask(&folder.path().join("none"), &[]), Err(ToolError::Start(_))));
    }

    #[test]
    fn a_program_that_does_not_answer_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let mark = folder.path().join("pid");
        let script = format!("#!/bin/sh\necho $$ > {}\nsleep 1000\n", mark.display());
        write_program(&path, script.as_bytes());
        assert!(matches!(ask(&path, &[]), Err(ToolError::Silent)));
        let pid = fs::read_to_string(mark).unwrap().trim().parse().unwrap();
        assert!(!resus_tests::alive(pid));
    }

    #[test]
    fn versions_are_read_where_they_stand() {
        assert_eq!(version("Python 3.11.4\n"), Some((3, 11)));
        assert_eq!(version("nats-server: v2.9.10"), Some((2, 9)));
        assert_eq!(version("py-spy 0.4.0rc1"), Some((0, 4)));
        assert_eq!(version("hello. world"), None);
    }
}
