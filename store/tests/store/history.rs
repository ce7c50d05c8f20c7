//! A ledger that is gone while its run folders are there is a loss, not a first start.

use crate::support::{replay, row, verified};
use resus_store::{Ledger, LostHistory, OpenError, OpenInError, StateDir};
use std::fs;
use tempfile::TempDir;

fn state() -> (TempDir, StateDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let state = StateDir::open(&folder.path().join("state")).expect("a state folder");
    (folder, state)
}

fn assert_lost(state: &StateDir, how: &str) {
    match Ledger::open_in(state, LostHistory::Refuse) {
        Err(OpenInError::Ledger(refused @ OpenError::Lost { .. })) => {
            let text = refused.to_string();
            assert!(text.contains(how) && text.contains("run r-1") && refused.hint().is_some(), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_start_creates_a_ledger_and_the_next_finds_it() {
    let (_folder, state) = state();
    let mut ledger = Ledger::open_in(&state, LostHistory::Refuse).expect("created");
    assert_eq!(ledger.path(), state.ledger());
    ledger.append(&[row("r-1", 1)]).expect("append");
    state.make_attempt("r-1", 1).expect("a run folder");
    drop(ledger);
    let ledger = Ledger::open_in(&state, LostHistory::Refuse).expect("found");
    assert_eq!(verified(&ledger, "r-1").len(), 1);
}

#[test]
fn a_ledger_missing_beside_run_folders_is_refused_unless_the_loss_is_accepted() {
    let (_folder, state) = state();
    state.make_attempt("r-1", 1).expect("a run folder");
    assert_lost(&state, "missing");
    assert!(!state.ledger().exists(), "nothing was created");
    let ledger = Ledger::open_in(&state, LostHistory::Accept).expect("created");
    assert_eq!(replay(&ledger).0, []);
}

/// What remains when the database survives a crash of the disk and its log does not.
#[test]
fn a_ledger_without_rows_beside_run_folders_is_refused_too() {
    let (_folder, state) = state();
    let mut ledger = Ledger::open_in(&state, LostHistory::Refuse).expect("created");
    ledger.append(&[row("r-1", 1)]).expect("append");
    state.make_attempt("r-1", 1).expect("a run folder");
    let without_log = fs::read(state.ledger()).expect("readable");
    drop(ledger);
    fs::write(state.ledger(), without_log).expect("written");
    assert_lost(&state, "empty");
    Ledger::open_in(&state, LostHistory::Accept).expect("accepted");
}

#[test]
fn a_damaged_ledger_is_refused_even_when_a_loss_is_accepted() {
    let (_folder, state) = state();
    drop(Ledger::open_in(&state, LostHistory::Refuse).expect("created"));
    fs::write(state.ledger(), b"").expect("cut to nothing");
    for lost in [LostHistory::Refuse, LostHistory::Accept] {
        let refused = Ledger::open_in(&state, lost);
        assert!(matches!(refused, Err(OpenInError::Ledger(OpenError::NotALedger { .. }))), "{refused:?}");
    }
    assert_eq!(fs::read(state.ledger()).expect("readable"), b"");
}
