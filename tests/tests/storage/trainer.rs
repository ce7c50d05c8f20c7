//! The process that saves: alone, or with system calls that fail.

use crate::mounts::tool;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The program, not started yet.
pub fn trainer(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// Beside `$RESUS_BIN` if that is set, as `cargo xtask test` does; else built here once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("RESUS_BIN") {
        Some(path) => Path::new(&path).with_file_name("examples").join("trainer"),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "resus-tests", "--example", "trainer"]);
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/trainer")
}

/// What came of a trainer whose system calls were tampered with.
#[derive(Debug)]
pub struct Ended {
    /// How often they were.
    pub injected: usize,
    /// Whether it said that all went well.
    pub well: bool,
    /// What else it said.
    pub said: String,
}

/// Runs the trainer with `what` done to the `n`-th (from 1) of its system calls `calls`: an
/// expression of `strace`, as `error=EIO`.
pub fn with_injection(folder: &Path, arguments: &[&str], calls: &str, what: &str, n: usize) -> Ended {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = tool("strace");
    command.args(["-f", "-qq", "-o"]).arg(log.path());
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{what}:when={n}")]);
    command.arg("--").arg(program()).arg(folder).args(arguments);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    let text = std::fs::read_to_string(log.path()).unwrap();
    let signals = what.starts_with("signal=");
    let strikes = text.lines().filter(|line| match signals {
        true => line.contains("+++ killed by SIGKILL"),
        false => line.contains("(INJECTED)"),
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ended { injected: strikes.count(), well: output.status.success(), said }
}
