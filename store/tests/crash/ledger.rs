//! The ledger under power cuts.

use crate::recording::{Act, record};
use crate::replaying::{FOLDER, Replayed, Without, replay};
use resus_disk::faulty::{Crash, Effort};
use resus_store::{Ledger, OpenError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A folder in memory where there is one: thousands of ledgers are opened in it, each synced.
pub fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder")
}

/// Creates a ledger and appends to it, begins again on the log that a killed process left, overwrites
/// that log from its beginning, and closes it, which moves the log into the file and removes it.
fn workload(folder: &Path) -> Vec<Vec<Act>> {
    let folder = folder.to_str().expect("text");
    let program = example();
    [&["3", "2", "abandon"][..], &["3", "1", "abandon"], &["2", "3"]]
        .into_iter()
        .map(|arguments| record(&program, &[&[folder], arguments].concat()))
        .collect()
}

/// Beside `$RESUS_BIN` if that is set, as `cargo xtask test` does; else built here once.
pub fn example() -> PathBuf {
    const NAME: &str = "append_to_ledger";
    static BUILT: Once = Once::new();
    if let Some(path) = std::env::var_os("RESUS_BIN") {
        return Path::new(&path).with_file_name("examples").join(NAME);
    }
    BUILT.call_once(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "--package", "resus-store", "--example", NAME];
        assert!(Command::new(cargo).args(arguments).status().expect("cargo starts").success());
    });
    let here = std::env::current_exe().expect("a path");
    here.ancestors().nth(2).expect("the folder of the profile").join("examples").join(NAME)
}

/// What is wrong with the ledger that is found, if anything is.
fn wrong(crash: &Crash, told: u64) -> Option<String> {
    let folder = scratch();
    crash.disk.copy_out(Path::new(FOLDER), folder.path()).expect("copied");
    let path = folder.path().join("ledger.db");
    if !path.exists() && told == 0 {
        return Ledger::create(&path).err().map(|error| format!("it can't be created: {error}"));
    }
    let rows = match rows_of(folder.path()) {
        Ok(rows) => rows,
        Err(wrong) => return Some(wrong),
    };
    if rows < told {
        return Some(format!("{told} rows were told to be committed, {rows} are found"));
    }
    let next = resus_store::Row { seq: rows + 1, ..row() };
    let appended = Ledger::open(&path).expect("it was opened before").append(&[next]);
    appended.err().map(|error| format!("it does not go on: {error}"))
}

/// The rows in the ledger of a folder, if all that it has are whole. None is 0.
pub fn rows_of(folder: &Path) -> Result<u64, String> {
    let ledger = match Ledger::open(&folder.join("ledger.db")) {
        Err(OpenError::Missing { .. }) => return Ok(0),
        ledger => ledger.map_err(|error| format!("{error} {:?}", std::error::Error::source(&error)))?,
    };
    let mut rows = 0;
    let summary = ledger.replay(|run| match run {
        resus_store::Replayed::Verified { rows: found, .. } => rows = found.len() as u64,
        resus_store::Replayed::Damaged { .. } => {}
    });
    let summary = summary.map_err(|error| error.to_string())?;
    match (summary.runs_damaged, summary.rows_missing) {
        (0, 0) => Ok(rows),
        (damaged, missing) => Err(format!("{damaged} runs damaged, {missing} rows missing")),
    }
}

fn row() -> resus_store::Row {
    let (run_id, kind, body) = ("a".into(), "status".into(), "{}".into());
    resus_store::Row { run_id, seq: 1, attempt: 1, unix_ms: 1, kind, body }
}

/// Tries what may be found after every operation, on all cores. States tried, and the first that is
/// wrong.
fn explore(replayed: &Replayed, effort: Effort) -> (usize, Option<String>) {
    let (next, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let end = replayed.disk.operations();
    let work = || {
        loop {
            let after = next.fetch_add(1, Ordering::Relaxed);
            if after > end {
                return None;
            }
            let told = replayed.told.iter().rev().find(|(operations, _)| *operations <= after);
            let told = told.map_or(0, |(_, rows)| *rows);
            for crash in replayed.disk.crashes(after, effort) {
                tried.fetch_add(1, Ordering::Relaxed);
                if let Some(what) = wrong(&crash, told) {
                    next.store(end + 1, Ordering::Relaxed);
                    return Some(format!("after operation {after}: {what}\nlost: {:?}", crash.lost));
                }
            }
        }
    };
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("it ends")).next()
    });
    (tried.into_inner(), found)
}

#[test]
fn what_was_committed_survives_a_power_cut_at_any_operation() {
    let folder = scratch();
    let recordings = workload(folder.path());
    let replayed = replay(&recordings, folder.path(), Without::Nothing);
    let last = replayed.told.last().map(|(_, rows)| *rows);
    assert_eq!(last, Some(3 * 2 + 3 + 2 * 3), "the workload was recorded whole");
    let effort = Effort { all_up_to: 4, singles: 6, samples: 8, seed: 1 };
    let (states, wrong) = explore(&replayed, effort);
    println!("ledger: {} operations, {states} states after a power cut", replayed.disk.operations());
    assert_eq!(wrong, None);
    assert!(states > 1000, "{states} states");
}

/// The same without the syncs that make it so.
#[test]
fn a_ledger_that_does_not_sync_is_found_out() {
    let folder = scratch();
    let recordings = workload(folder.path());
    let effort = Effort { all_up_to: 4, singles: 6, samples: 8, seed: 1 };
    println!("planted bug | caught after states | as");
    for without in [Without::SyncOfFiles, Without::SyncOfFolders] {
        let replayed = replay(&recordings, folder.path(), without);
        let (states, wrong) = explore(&replayed, effort);
        let wrong = wrong.unwrap_or_else(|| panic!("{without:?} went uncaught in {states} states"));
        println!("{without:?} | {states} | {}", wrong.lines().next().unwrap_or_default());
    }
}
