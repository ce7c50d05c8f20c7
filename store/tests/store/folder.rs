//! The state folder: its permissions, its owner, its names.

use crate::support::{child, child_argument, row};
use resus_store::{Ledger, LostHistory, StateDir, StateError};
use rustix::fs::Mode;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it exists").permissions().mode() & 0o7777
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        visit(&path);
        if path.is_dir() {
            walk(&path, visit);
        }
    }
}

/// The umask belongs to the process, so the part that changes it runs in a child.
#[test]
fn everything_is_private_whatever_the_umask() {
    if let Some(path) = child_argument() {
        rustix::process::umask(Mode::empty());
        let state = StateDir::open(Path::new(&path)).expect("a state folder");
        let _lock = state.lock("test").expect("the lock");
        let mut ledger = Ledger::open_in(&state, LostHistory::Refuse).expect("a ledger");
        ledger.append(&[row("a", 1)]).expect("append");
        state.make_attempt("a", 1).expect("a folder");
        state.make_checkpoints("a").expect("a folder");
        let mut seen = Vec::new();
        walk(state.path(), &mut |path| {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(path), expected, "{}", path.display());
            seen.push(path.file_name().expect("a name").to_owned());
        });
        assert_eq!(mode(state.path()), 0o700);
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "lock", "0001", "checkpoints"] {
            assert!(seen.iter().any(|found| found == name), "{name} is not among {seen:?}");
        }
        return;
    }
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("a/b/state");
    let test = "folder::everything_is_private_whatever_the_umask";
    let output = child(test, path.to_str().expect("text")).output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(path.join("ledger.db").exists(), "the child did its part");
}

#[test]
fn a_state_folder_open_to_others_is_closed_to_them() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("state");
    let state = StateDir::open(&path).expect("made");
    assert_eq!(state.tightened_from(), None);
    drop(state.lock("test").expect("a lock"));
    for wide in [0o777, 0o755, 0o720, 0o701, 0o1777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).expect("chmod");
        assert_eq!(StateDir::open(&path).expect("opened").tightened_from(), Some(wide));
        assert_eq!(mode(&path), 0o700);
    }
    assert_eq!(StateDir::open(&path).expect("opened").tightened_from(), None);
}

#[test]
fn a_folder_that_serves_others_is_never_changed() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("shared");
    fs::create_dir(&path).expect("a folder");
    for (wide, usable) in [(0o1777, false), (0o777, false), (0o775, false), (0o755, true)] {
        fs::write(path.join("of somebody else"), "x").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).expect("chmod");
        let opened = StateDir::open(&path);
        assert_eq!(opened.is_ok(), usable, "{wide:o}: {opened:?}");
        assert!(opened.is_ok() || opened.is_err_and(|refused| refused.hint().is_some()));
        assert_eq!(mode(&path), wide);
    }
}

#[test]
fn a_relative_path_a_file_and_a_broken_link_are_refused() {
    assert!(matches!(StateDir::open(Path::new("state")), Err(StateError::NotAbsolute { .. })));
    let folder = TempDir::new().expect("a temporary folder");
    let (file, link, to_file) = (folder.path().join("f"), folder.path().join("l"), folder.path().join("m"));
    fs::write(&file, "x").expect("a file");
    symlink("nowhere", &link).expect("a link");
    symlink(&file, &to_file).expect("a link");
    assert!(matches!(StateDir::open(&file), Err(StateError::NotAFolder { .. })));
    assert!(matches!(StateDir::open(&link), Err(StateError::Io { .. })));
    assert!(matches!(StateDir::open(&to_file), Err(StateError::NotAFolder { .. })));
    assert_eq!(fs::read(&file).expect("still there"), b"x");
}

#[test]
fn a_link_of_ours_is_followed_once() {
    let folder = TempDir::new().expect("a temporary folder");
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).expect("a folder");
    symlink(&real, &link).expect("a link");
    let state = StateDir::open(&link).expect("ours");
    assert_eq!(state.path(), fs::canonicalize(&real).expect("real"));
    assert_eq!(mode(&real), 0o700);
}

/// Only a privileged user can give a folder away; elsewhere `/` stands in as somebody else's.
#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).expect("a folder");
    let (foreign, link) = match std::os::unix::fs::chown(&foreign, Some(12345), None) {
        Ok(()) => (foreign, folder.path().join("link")),
        Err(_) => ("/usr".into(), folder.path().join("link")),
    };
    let before = mode(&foreign);
    symlink(&foreign, &link).expect("a link");
    for path in [&foreign, &link] {
        let refused = StateDir::open(path).expect_err("not ours");
        assert!(matches!(refused, StateError::NotOurs { .. }), "{refused}");
    }
    assert_eq!(mode(&foreign), before);
}

#[test]
fn parts_have_their_names_and_ids_cannot_leave_the_folder() {
    let folder = TempDir::new().expect("a temporary folder");
    let state = StateDir::open(&folder.path().join("state")).expect("a state folder");
    let below =
        |path: &Path| path.strip_prefix(state.path()).expect("inside").to_str().expect("text").to_owned();
    assert_eq!(below(&state.ledger()), "ledger.db");
    assert_eq!(below(&state.lock_file()), "lock");
    assert_eq!(below(&state.daemon_record()), "daemon.json");
    assert_eq!(below(&state.daemon_log()), "daemon.log");
    assert_eq!(below(&state.stopped()), "stopped");
    assert_eq!(below(&state.attempt("r-1", 7).expect("an id")), "runs/r-1/attempts/0007");
    assert_eq!(below(&state.attempt("r-1", 12_345).expect("an id")), "runs/r-1/attempts/12345");
    assert_eq!(below(&state.checkpoints("r-1").expect("an id")), "runs/r-1/checkpoints");
    for id in ["", "..", ".", "a/../..", "/etc", "a\0"] {
        assert!(state.run(id).is_err() && state.attempt(id, 1).is_err(), "{id:?}");
        assert!(state.make_attempt(id, 1).is_err() && state.make_checkpoints(id).is_err(), "{id:?}");
    }
    assert_eq!(fs::read_dir(state.path()).expect("readable").count(), 0, "nothing was made");
}

#[test]
fn a_link_planted_in_place_of_a_run_folder_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    let state = StateDir::open(&folder.path().join("state")).expect("a state folder");
    fs::create_dir(state.path().join("runs")).expect("a folder");
    symlink(&elsewhere, state.run("r-1").expect("an id")).expect("a link");
    assert!(matches!(state.make_attempt("r-1", 1), Err(StateError::NotAFolder { .. })));
    assert_eq!(fs::read_dir(&elsewhere).expect("readable").count(), 0);
}

#[test]
fn runs_with_a_folder_are_listed() {
    let folder = TempDir::new().expect("a temporary folder");
    let state = StateDir::open(&folder.path().join("state")).expect("a state folder");
    assert_eq!(state.run_ids().expect("none yet"), Vec::<String>::new());
    for id in ["b", "a"] {
        let made = state.make_attempt(id, 1).expect("a folder");
        assert_eq!(state.make_attempt(id, 1).expect("again"), made);
    }
    fs::write(state.path().join("runs/file"), "x").expect("a file");
    fs::create_dir(state.path().join("runs/.hidden")).expect("a folder");
    assert_eq!(state.run_ids().expect("listed"), ["a", "b"]);
}
