//! One daemon per state folder.

use crate::support::{Running, child, child_argument};
use resus_store::{LockError, StateDir, StateLock};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use tempfile::TempDir;

fn state() -> (TempDir, StateDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let state = StateDir::open(&folder.path().join("state")).expect("a state folder");
    (folder, state)
}

#[test]
fn a_second_lock_in_the_same_process_is_refused_by_name() {
    let (_folder, state) = state();
    let lock = state.lock("1.2.3").expect("free");
    let refused = state.lock("1.2.4").expect_err("taken");
    let LockError::Held { holder: Some(holder), .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(&**holder, lock.holder());
    assert_eq!(holder.version, "1.2.3");
    let text = refused.to_string();
    let pid = std::process::id();
    assert!(text.contains(&format!("pid {pid}")) && text.contains("resus daemon stop"), "{text}");
    assert!(text.contains(state.path().to_str().expect("text")), "{text}");
    drop(lock);
    state.lock("1.2.4").expect("free again");
}

#[test]
fn a_lock_held_by_another_process_is_refused_until_that_dies() {
    if let Some(path) = child_argument() {
        let _lock = StateDir::open(Path::new(&path)).expect("a state folder").lock("child").expect("free");
        println!("\nheld");
        loop {
            std::thread::park();
        }
    }
    let (_folder, state) = state();
    let test = "lock::a_lock_held_by_another_process_is_refused_until_that_dies";
    let spawned = child(test, state.path().to_str().expect("text")).spawn();
    let mut child = Running(spawned.expect("a child"));
    let lines = BufReader::new(child.0.stdout.take().expect("piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"), "the child took the lock");
    match state.lock("second") {
        Err(LockError::Held { holder: Some(holder), .. }) => {
            assert_eq!((holder.identity.pid, holder.version.as_str()), (child.0.id(), "child"));
        }
        other => panic!("{other:?}"),
    }
    child.kill();
    let lock = state.lock("second").expect("the kernel released it");
    assert_eq!(lock.holder().identity.pid, std::process::id());
}

#[test]
fn whatever_a_dead_daemon_left_in_the_file_is_no_obstacle() {
    let (_folder, state) = state();
    for left in [
        &b""[..],
        b"pid 1\n",
        b"pid 1\nstart_ticks 1\nboot_id x\nversion y\nsince_unix_ms 1\n",
        &[0xff; 9000],
    ] {
        fs::write(state.lock_file(), left).expect("left behind");
        let lock = StateLock::take(&state, "v").expect("nobody holds it");
        let text = fs::read_to_string(state.lock_file()).expect("text");
        assert_eq!(text, lock.holder().to_string());
    }
}

#[test]
fn of_many_that_start_at_once_exactly_one_wins() {
    let (_folder, state) = state();
    let start = std::sync::Barrier::new(8);
    let locks: Vec<_> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    state.lock("v")
                })
            })
            .collect();
        takers.into_iter().map(|taker| taker.join().expect("no panic")).collect()
    });
    assert_eq!(locks.iter().filter(|lock| lock.is_ok()).count(), 1);
    assert!(locks.iter().filter_map(|lock| lock.as_ref().err()).all(|e| matches!(e, LockError::Held { .. })));
}

#[test]
fn a_link_in_place_of_the_lock_file_is_not_followed() {
    let (folder, state) = state();
    let target = folder.path().join("target");
    fs::write(&target, "precious").expect("a file");
    std::os::unix::fs::symlink(&target, state.lock_file()).expect("a link");
    assert!(matches!(state.lock("v"), Err(LockError::Io { .. })));
    assert_eq!(fs::read_to_string(&target).expect("untouched"), "precious");
}
