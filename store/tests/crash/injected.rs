//! System calls of the ledger fail, each of them once, and the process is killed at each of them.

use crate::ledger::{example, rows_of, scratch};
use crate::recording::strace;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::NamedTempFile;

/// More calls than the workload makes.
const CALLS_MAX: usize = 500;
/// Three commits of two rows.
const WORKLOAD: [&str; 2] = ["3", "2"];

/// The workload, undisturbed. How many rows it told to be committed.
fn append(folder: &Path) -> u64 {
    let mut command = Command::new(example());
    told(command.arg(folder).args(WORKLOAD).output().expect("it starts"))
}

/// The same while `what` is done to the `n`-th of `calls`. Whether it was done as well.
fn append_disturbed(folder: &Path, calls: &str, what: &str, n: usize) -> (bool, u64) {
    let log = NamedTempFile::new().expect("a temporary file");
    let mut command = strace();
    command.args(["-f", "-qq", "-o"]).arg(log.path());
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{what}:when={n}")]);
    command.arg("--").arg(example()).arg(folder).args(WORKLOAD);
    let output = command.stdin(Stdio::null()).output().expect("strace starts");
    let log = std::fs::read_to_string(log.path()).expect("a recording");
    (log.contains("(INJECTED)") || log.contains("+++ killed by SIGKILL"), told(output))
}

fn told(output: Output) -> u64 {
    let said = String::from_utf8_lossy(&output.stdout);
    let told = said.lines().filter_map(|line| line.strip_prefix("committed ")?.parse().ok()).next_back();
    told.unwrap_or(0)
}

/// Does `what` to the first, second, … of `calls` until there are no more. How often.
fn each(calls: &str, what: &str) -> usize {
    for n in 1..CALLS_MAX {
        let folder = scratch();
        let before = append(folder.path());
        let (struck, told) = append_disturbed(folder.path(), calls, what, n);
        let told = told.max(before);
        let rows = rows_of(folder.path()).unwrap_or_else(|wrong| panic!("{what} at {calls} {n}: {wrong}"));
        assert!(
            rows >= told,
            "{what} at {calls} {n}: {told} rows were told to be committed, {rows} are found"
        );
        if !struck {
            return n - 1;
        }
        assert!(append(folder.path()) > rows, "{what} at {calls} {n}: it does not go on");
    }
    panic!("{calls} has no end");
}

#[test]
fn a_failed_system_call_costs_no_row_that_was_committed() {
    let mut trials = 0;
    for (calls, what) in [
        ("pwrite64", "error=ENOSPC"),
        ("pwrite64", "error=EIO"),
        ("fsync,fdatasync", "error=EIO"),
        ("ftruncate", "error=EIO"),
        ("openat", "error=EMFILE"),
        ("pwrite64,fsync,fdatasync,ftruncate,unlink,openat", "signal=KILL"),
    ] {
        let count = each(calls, what);
        println!("ledger, {what} at each of {count} {calls}: 0 violations");
        trials += count;
    }
    println!("D1 D2 D4 S1 S7, ledger: {trials} trials, 0 violations");
    assert!(trials > 50, "{trials}");
}
