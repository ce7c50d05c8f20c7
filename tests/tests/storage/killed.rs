//! A process that saves and retains in a loop is killed at one of its system calls, again and again, each
//! time going on from what the one before left.

use crate::keeper;
use crate::trainer::with_injection;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use tempfile::TempDir;

const TRIALS: usize = 100;
const BYTES: &str = "200000";
/// Every call that changes what is on disk, or says something. What one finds after a kill at another is
/// what one finds after a kill at the next of these.
const CALLS: &str = "pwrite64,fsync,rename,renameat,renameat2,unlink,unlinkat,write";
/// The kills come at the first so many of them, at each one in turn: two saves with their retention, and
/// more.
const WINDOW: usize = 16;

fn half_files(folder: &Path) -> BTreeSet<OsString> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(b".")).collect()
}

/// The kills come by the count, not by the clock: they hit the same calls on any machine.
#[test]
fn a_process_that_is_killed_while_it_saves_always_leaves_a_good_checkpoint() {
    let folder = TempDir::new().unwrap();
    keeper::save(folder.path(), 1, 200_000).unwrap();
    let first = keeper::newest(folder.path()).unwrap();
    let (mut saved, mut torn, mut most) = (first, 0, 0);
    for trial in 0..TRIALS {
        let n = trial % WINDOW + 1;
        let before = half_files(folder.path());
        let ended = with_injection(folder.path(), &["loop", BYTES], CALLS, "signal=KILL", n);
        assert!(
            ended.injected > 0 && !ended.well,
            "trial {trial}: a loop ends only when it is killed: {ended:?}"
        );
        let said = ended.said.lines().filter_map(|line| line.strip_prefix("saved ")?.parse().ok());
        let said: Vec<u64> = said.collect();
        most = most.max(said.len());
        saved = said.last().copied().unwrap_or(saved);
        torn += usize::from(half_files(folder.path()).difference(&before).next().is_some());
        let newest = keeper::newest(folder.path());
        assert!(newest >= Some(saved), "killed at call {n}: step {saved} was saved, {newest:?} is found");
        let good = keeper::good(folder.path()).len() as u64;
        assert!(good >= newest.unwrap_or(0).min(3), "killed at call {n}: {good} load, three are to be kept");
    }
    let steps = saved - first;
    println!("W1, {TRIALS} kills, {steps} steps said to be saved, {torn} times half a file: 0 violations");
    assert!(most >= 2, "the window is shorter than two saves");
    assert!(steps > 20 && torn > 20, "the kills came when nothing happened");
}
