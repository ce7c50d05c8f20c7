//! Going on from a checkpoint of a user's choice.

use super::super::files::Files;
use super::super::pick::{Asked, pick};
use super::super::restore::restore;
use super::support::{Run, flip, ids, picked};
use resus_core::input::{CheckpointRef, Fact};
use std::fs;

fn restored(files: &Files, chosen: &CheckpointRef) -> (CheckpointRef, Vec<CheckpointRef>) {
    match restore(files, chosen) {
        Fact::RestoreChecked { checkpoint, refusal: None, newer } => (checkpoint, newer),
        other => panic!("{other:?}"),
    }
}

fn refused(files: &Files, chosen: &CheckpointRef) -> String {
    match restore(files, chosen) {
        Fact::RestoreChecked { refusal: Some((code, _)), .. } => code.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restore_names_what_it_leaves_behind_and_a_pick_leaves_it_aside() {
    let run = Run::new();
    let [_, chosen, newer, newest] = [1, 2, 3, 4].map(|games| run.saved(games));
    let (checkpoint, left) = restored(&run.files, &chosen);
    assert_eq!((checkpoint.checkpoint_id.as_str(), checkpoint.step), ("ck-000002", Some(2.0)));
    assert_eq!(ids(&left), ["ck-000003", "ck-000004"]);
    let aside = [newer.path, newest.path];
    assert_eq!(
        picked(pick(&run.files, &Asked { set_aside: &aside, ..Asked::default() })).0.unwrap().path,
        chosen.path
    );
}

#[test]
fn one_of_another_framework_is_compared_with_its_manifest() {
    let run = Run::new();
    let [_, newer] = [1, 3].map(|games| run.saved(games));
    let chosen = run.foreign(&run.elsewhere("a.pt"), 2);
    let (checkpoint, left) = restored(&run.files, &chosen);
    assert_eq!((checkpoint, ids(&left)), (chosen.clone(), vec![newer.checkpoint_id.as_str()]));
    flip(&chosen.path);
    assert_eq!(refused(&run.files, &chosen), "CHECKPOINT_CORRUPT");
    fs::remove_file(&chosen.path).unwrap();
    assert_eq!(refused(&run.files, &chosen), "CHECKPOINT_NOT_FOUND");
}

#[test]
fn a_chosen_checkpoint_that_is_gone_torn_or_somewhere_else_is_refused() {
    let (run, other) = (Run::new(), Run::new());
    let chosen = run.saved(1);
    assert_eq!(refused(&other.files, &chosen), "CHECKPOINT_NOT_FOUND");
    fs::write(&chosen.path, "PRSM").unwrap();
    assert_eq!(refused(&run.files, &chosen), "CHECKPOINT_CORRUPT");
    fs::remove_file(&chosen.path).unwrap();
    assert_eq!(refused(&run.files, &chosen), "CHECKPOINT_NOT_FOUND");
}
