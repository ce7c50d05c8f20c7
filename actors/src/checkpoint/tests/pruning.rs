//! What retention deletes, and what it leaves alone.

use super::super::foreign::register_now;
use super::super::jobs::Outcome;
use super::super::prune::{damage_of_newest, prune};
use super::support::{Run, announced, flip, zip};
use resus_core::input::{CheckpointRef, Fact};
use resus_core::policy::{Extreme, RetentionPolicy};
use resus_core::pulse::word::Numbers;
use resus_core::retention::RetentionEntry;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn keep(keep_last: u32) -> RetentionPolicy {
    RetentionPolicy {
        keep_last,
        keep_best: 0,
        best_metric: None,
        best_is: Extreme::Max,
        keep_every: 0,
        max_bytes: 0,
    }
}

fn verified(checkpoint: &CheckpointRef) -> RetentionEntry {
    RetentionEntry { checkpoint: checkpoint.clone(), verified: true, protected: false }
}

fn aside(checkpoint: &CheckpointRef) -> RetentionEntry {
    RetentionEntry { verified: false, ..verified(checkpoint) }
}

fn protected(checkpoint: &CheckpointRef) -> RetentionEntry {
    RetentionEntry { protected: true, ..verified(checkpoint) }
}

/// Paths that are told as gone, which they must be.
fn pruned(run: &Run, entries: &[RetentionEntry], rules: &RetentionPolicy) -> Vec<String> {
    match prune(&run.files, entries, rules) {
        None => Vec::new(),
        Some(Fact::CheckpointsPruned { paths }) => {
            assert!(paths.iter().all(|path| !Path::new(path).exists()), "{paths:?}");
            paths
        }
        Some(other) => panic!("{other:?}"),
    }
}

fn manifests(run: &Run) -> usize {
    fs::read_dir(&run.files.manifests).map_or(0, Iterator::count)
}

#[test]
fn what_is_set_aside_takes_no_place_and_goes_when_the_run_has_passed_it() {
    let run = Run::new();
    let [one, two, eight] = [1, 2, 8].map(|games| run.saved(games));
    let left = pruned(&run, &[verified(&one), verified(&two), aside(&eight)], &keep(2));
    assert_eq!(left, [""; 0], "two are kept, whatever was left behind");
    let [nine, ten] = [9, 10].map(|games| run.saved(games));
    let entries = [verified(&one), verified(&two), verified(&nine), verified(&ten), aside(&eight)];
    assert_eq!(pruned(&run, &entries, &keep(2)), [one.path, two.path, eight.path]);
}

#[test]
fn protected_ones_stay_beside_those_that_are_kept() {
    let run = Run::new();
    let [one, two, three] = [1, 2, 3].map(|games| run.saved(games));
    let entries = [protected(&one), verified(&two), verified(&three)];
    assert_eq!(pruned(&run, &entries, &keep(1)), [two.path]);
    assert!(Path::new(&one.path).exists());
}

#[test]
fn the_best_by_the_named_metric_stay() {
    let run = Run::new();
    let scored = |games, loss| CheckpointRef {
        metrics: Numbers::from([("loss".to_owned(), loss), ("other".to_owned(), Some(9.0))]),
        ..run.saved(games)
    };
    let all = [scored(1, Some(0.5)), scored(2, Some(0.1)), scored(3, None), scored(4, Some(0.3))];
    let entries: Vec<_> = all.iter().map(verified).collect();
    let best =
        |best_is| RetentionPolicy { keep_best: 1, best_metric: Some("loss".to_owned()), best_is, ..keep(1) };
    assert_eq!(pruned(&run, &entries, &best(Extreme::Min)), [&*all[0].path, &*all[2].path]);
}

#[test]
fn folders_go_whole_and_their_manifests_with_them() {
    let run = Run::new();
    let folder = |step: u64| {
        let root = run.own(&format!("step-{step}"));
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/model.pt"), zip(&[7; 20])).unwrap();
        register_now(&run.files, &announced(&root, step), Duration::ZERO).unwrap()
    };
    let all = [1, 2, 3].map(folder);
    fs::create_dir(run.own(".resus-trash-5")).unwrap();
    fs::write(run.own(".resus-trash-5/half"), "x").unwrap();
    let entries: Vec<_> = all.iter().map(verified).collect();
    assert_eq!(pruned(&run, &entries, &keep(1)), [&*all[0].path, &*all[1].path]);
    assert_eq!(fs::read_dir(&run.files.checkpoints).unwrap().count(), 1, "no trash is left");
    assert_eq!(manifests(&run), 1);
}

#[test]
fn what_lies_elsewhere_is_never_deleted_takes_no_place_and_is_told_when_it_is_gone() {
    let run = Run::new();
    let [one, two] = [1, 2].map(|games| run.saved(games));
    let far = [3, 4].map(|step| run.foreign(&run.elsewhere(&format!("{step}.pt")), step));
    let entries: Vec<_> = [&one, &two, &far[0], &far[1]].map(verified).to_vec();
    assert_eq!(pruned(&run, &entries, &keep(1)), [one.path]);
    assert!(far.iter().all(|checkpoint| Path::new(&checkpoint.path).exists()));
    fs::remove_file(&far[0].path).unwrap();
    assert_eq!(pruned(&run, &entries[1..], &keep(1)), [&*far[0].path]);
    assert_eq!(manifests(&run), 1);
}

#[test]
fn manifests_that_a_later_one_has_replaced_go_and_those_of_a_check_under_way_stay() {
    let run = Run::new();
    let path = run.own("last.pt");
    let mut all: Vec<CheckpointRef> = Vec::new();
    for step in 1..=3 {
        all.push(run.foreign(&path, step));
        // Their files' times must differ.
        let hex = all[all.len() - 1].digest.as_ref().unwrap().rsplit(':').next().unwrap().to_owned();
        let file = fs::File::open(run.files.manifests.join(format!("{hex}.manifest"))).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(step)).unwrap();
    }
    assert_eq!(manifests(&run), 3);
    assert_eq!(pruned(&run, &[verified(&all[1])], &keep(5)), [""; 0]);
    assert_eq!(manifests(&run), 2, "the first is stale, the third may be catalogued any moment");
}

#[test]
fn what_is_gone_keeps_nobody_s_place() {
    let run = Run::new();
    let [one, two, three] = [1, 2, 3].map(|games| run.saved(games));
    fs::remove_file(&three.path).unwrap();
    let left = pruned(&run, &[verified(&one), verified(&two), verified(&three)], &keep(1));
    assert_eq!(left, [one.path], "the newest that is there stays");
}

#[test]
fn nothing_is_deleted_for_a_newest_one_that_is_not_whole() {
    let run = Run::new();
    let [one, two] = [1, 2].map(|games| run.saved(games));
    let entries = [verified(&one), verified(&two)];
    assert!(damage_of_newest(&run.files, &entries, &keep(1)).is_none());
    flip(&two.path);
    let Some(Outcome::Told(Some(Fact::CheckpointChecked { checkpoint, refusal: Some(refused) }))) =
        damage_of_newest(&run.files, &entries, &keep(1))
    else {
        panic!("it was not looked at")
    };
    assert_eq!(checkpoint.path, two.path);
    assert!(refused.moved_to.is_some(), "{refused:?}");
    assert!(Path::new(&one.path).exists());
}
