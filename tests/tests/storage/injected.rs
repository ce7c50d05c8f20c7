//! Every system call of a save fails once, and the process is killed at each of them.

use crate::keeper;
use crate::trainer::with_injection;
use std::path::Path;
use tempfile::TempDir;

const BYTES: usize = 20_000;
/// So much that a save takes several writes.
const LARGE_BYTES: usize = 9_000_000;
/// Steps that there are at most before a trial.
const STEPS: u64 = 7;
/// More calls than a save makes: a test that gets here does not end.
const CALLS_MAX: usize = 500;

/// Good checkpoints of some steps, saved once and copied for every trial: a save waits for the disk.
struct Template(TempDir);

impl Template {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        (1..=STEPS).for_each(|step| keeper::save(folder.path(), step, BYTES).unwrap());
        Self(folder)
    }

    /// A folder with the steps up to `last`.
    fn folder(&self, last: u64) -> TempDir {
        let folder = TempDir::new().unwrap();
        for step in 1..=last {
            let name = keeper::name(step);
            std::fs::copy(self.0.path().join(&name), folder.path().join(&name)).unwrap();
        }
        folder
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// Does `what` to the first, second, … of `calls` until there are no more. How often.
fn each(calls: &str, what: &str, bytes: usize) -> usize {
    let template = Template::new();
    for n in 1..CALLS_MAX {
        let folder = template.folder(2);
        let save = ["save", "3", &bytes.to_string()];
        let ended = with_injection(folder.path(), &save, calls, what, n);
        let context = format!("{what} at {calls} {n}: {ended:?}, {:?}", names(folder.path()));
        if ended.injected == 0 {
            assert!(ended.well, "{context}");
            return n - 1;
        }

        let good = keeper::good(folder.path());
        assert!(good.contains(&1) && good.contains(&2), "{context}: the old ones load");
        assert!(!ended.well || good.contains(&3), "{context}: it was said to be saved");
        let newest = keeper::newest(folder.path());
        assert_eq!(newest, good.last().copied(), "{context}: the newest good one is chosen");
        if !what.starts_with("signal=") {
            let temps = names(folder.path()).iter().filter(|name| name.starts_with('.')).count();
            assert_eq!(temps, 0, "{context}: nothing is left of a failed save");
        }
        // What a killed process left is in nobody's way, and goes.
        resus_checkpoint::remove_leftovers(folder.path()).unwrap();
        keeper::save(folder.path(), 4, BYTES).unwrap();
        assert_eq!(keeper::newest(folder.path()), Some(4), "{context}");
        assert!(names(folder.path()).iter().all(|name| name.ends_with(".prsm")), "{context}");
    }
    panic!("{calls} has no end");
}

#[test]
fn a_save_whose_writes_and_syncs_fail_costs_nothing() {
    let mut trials = 0;
    for (calls, what, bytes, at_least) in [
        ("pwrite64", "error=ENOSPC", LARGE_BYTES, 3),
        ("pwrite64", "error=EIO", LARGE_BYTES, 3),
        // It says that it took seven bytes, and took none.
        ("pwrite64", "retval=7", LARGE_BYTES, 3),
        ("pread64", "error=EIO", BYTES, 3),
        ("openat", "error=EMFILE", BYTES, 3),
        ("fsync", "error=EIO", BYTES, 2),
        ("fsync", "error=ENOSPC", BYTES, 2),
        ("rename,renameat,renameat2", "error=EIO", BYTES, 1),
        ("rename,renameat,renameat2", "error=EROFS", BYTES, 1),
    ] {
        let count = each(calls, what, bytes);
        println!("{what} at each of {count} {calls}");
        assert!(count >= at_least, "{calls} is not what a save does");
        trials += count;
    }
    println!("D1 D2 D4: {trials} trials, 0 violations");
}

#[test]
fn a_checkpoint_that_can_not_be_read_is_passed_over() {
    let (mut trials, mut older) = (0, 0);
    let template = Template::new();
    for n in 1..CALLS_MAX {
        let folder = template.folder(2);
        let ended = with_injection(folder.path(), &["newest"], "pread64,read", "error=EIO", n);
        if ended.injected == 0 {
            assert!(ended.said.contains("newest 2"), "{ended:?}");
            break;
        }
        // Where the program could be loaded at all, it either says so or goes on from one that loads.
        match ended.said.trim().strip_prefix("newest ") {
            Some(step) => {
                assert!(["1", "2"].contains(&step), "{ended:?}");
                older += usize::from(step == "1");
            }
            None => assert!(!ended.well, "{ended:?}"),
        }
        assert_eq!(keeper::good(folder.path()).len(), 2, "nothing is lost by reading");
        trials += 1;
    }
    println!("D2, read fails at each of {trials} reads: {older} times the older one, 0 violations");
    assert!(older > 0, "{trials}");
}

#[test]
fn a_save_killed_at_any_system_call_costs_nothing() {
    let count = each("openat,pwrite64,fsync,rename,renameat,renameat2,close,pread64", "signal=KILL", BYTES);
    println!("W1, save killed at each of {count} system calls: 0 violations");
    assert!(count > 10, "{count}");
}

#[test]
fn retention_killed_at_any_system_call_keeps_what_it_promises() {
    let mut trials = 0;
    let template = Template::new();
    for n in 1..CALLS_MAX {
        let folder = template.folder(STEPS);
        let calls = "unlink,unlinkat,openat,fsync,close";
        let ended = with_injection(folder.path(), &["retain", "3"], calls, "signal=KILL", n);
        let good = keeper::good(folder.path());
        assert!([5, 6, 7].iter().all(|step| good.contains(step)), "killed at {n}: {good:?}");
        if ended.injected == 0 {
            assert_eq!(good.len(), 3);
            break;
        }
        trials += 1;
    }
    println!("D14, retention killed at each of {trials} system calls: 0 violations");
    assert!(trials > 4, "{trials}");
}
