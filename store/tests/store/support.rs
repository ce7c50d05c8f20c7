//! What the tests share: rows, temporary ledgers, a second hand on the file, a child process.

use resus_store::{Ledger, ReplaySummary, Replayed, Row};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Environment variable that tells a test process which part it plays.
const CHILD: &str = "RESUS_STORE_TEST_CHILD";

/// A row whose content depends on its run and number.
pub fn row(run_id: &str, seq: u64) -> Row {
    Row {
        run_id: run_id.into(),
        seq,
        attempt: u32::try_from(seq / 3).expect("a small number"),
        unix_ms: 1_700_000_000_000 + seq * 17,
        kind: if seq.is_multiple_of(2) { "status".into() } else { "checkpoint".into() },
        body: format!(r#"{{"run":"{run_id}","n":{seq},"text":"grüße"}}"#),
    }
}

/// Rows `from..=to` of a run.
pub fn rows(run_id: &str, from: u64, to: u64) -> Vec<Row> {
    (from..=to).map(|seq| row(run_id, seq)).collect()
}

/// A new ledger in a folder of its own.
pub fn new_ledger() -> (TempDir, PathBuf, Ledger) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::create(&path).expect("a new ledger");
    (folder, path, ledger)
}

/// Three runs of four rows each, appended in turns.
pub fn three_runs(ledger: &mut Ledger) {
    for seq in 1..=4 {
        ledger.append(&[row("alpha", seq), row("beta", seq), row("gamma", seq)]).expect("append");
    }
}

/// Everything a replay says.
pub fn replay(ledger: &Ledger) -> (Vec<Replayed>, ReplaySummary) {
    let mut runs = Vec::new();
    let summary = ledger.replay(|run| runs.push(run)).expect("a replay");
    (runs, summary)
}

/// The rows of a run that must verify.
pub fn verified(ledger: &Ledger, run_id: &str) -> Vec<Row> {
    let found = replay(ledger).0.into_iter().find_map(|run| match run {
        Replayed::Verified { run_id: id, rows } if id == run_id => Some(rows),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("run {run_id} does not verify"))
}

/// A second, raw connection that may do anything to the file.
pub fn raw(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a raw connection");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;").expect("pragmas");
    connection.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout");
    connection
}

/// The argument given to this process if it is the child of a test, see [`child`].
pub fn child_argument() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// A command that runs the named test of this binary alone, as a child that gets `argument`.
pub fn child(test: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command.args(["--exact", test, "--nocapture"]).env(CHILD, argument);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// A running child that does not outlive its test, even if that fails.
pub struct Running(pub Child);

impl Running {
    /// Kills the child with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("reaped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the child is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
