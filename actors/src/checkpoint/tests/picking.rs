//! Which checkpoint an attempt begins from.

use super::super::pick::{Asked, pick};
use super::support::{Run, announced, flip, picked, poisoned, save, zip};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::input::Fact;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn the_newest_that_verifies_is_chosen_and_newer_damaged_ones_are_moved_aside() {
    let run = Run::new();
    let [_, whole, torn, headless] = [1, 2, 3, 4].map(|games| run.saved(games));
    flip(&torn.path);
    fs::write(&headless.path, "PR").unwrap();
    let (chosen, refused) = picked(pick(&run.files, &Asked::default()));
    assert_eq!(chosen.unwrap().path, whole.path);
    let moved: Vec<_> = refused.iter().map(|refusal| refusal.moved_to.clone().unwrap()).collect();
    let to = |name: &str| run.own("damaged").join(name).to_str().unwrap().to_owned();
    assert_eq!(moved, [to("ck-000004.prsm"), to("ck-000003.prsm")]);
    assert_eq!(run.damaged(), ["ck-000003.prsm", "ck-000004.prsm"]);
    let (again, refused) = picked(pick(&run.files, &Asked::default()));
    assert_eq!((again.unwrap().path, refused.len()), (whole.path, 0), "they are out of the way");
}

#[test]
fn a_name_that_is_damaged_again_does_not_write_over_the_first() {
    let run = Run::new();
    for _ in 0..3 {
        flip(&run.saved(7).path);
        assert_eq!(picked(pick(&run.files, &Asked::default())).1.len(), 1);
    }
    assert_eq!(run.damaged(), ["ck-000007.prsm", "ck-000007.prsm.1", "ck-000007.prsm.2"]);
}

#[test]
fn nothing_is_chosen_where_all_are_refused() {
    let run = Run::new();
    let [one, two] = [1, 2].map(|games| run.saved(games));
    let other = run.foreign(&run.own("ck-3.pt"), 3);
    for checkpoint in [&one, &two, &other] {
        flip(&checkpoint.path);
    }
    let from = announced(&run.elsewhere("base.pt"), 0);
    fs::write(&from.path, zip(b"base")).unwrap();
    let (chosen, refused) =
        picked(pick(&run.files, &Asked { known: &[other], from: Some(&from), ..Asked::default() }));
    assert_eq!((chosen, refused.len()), (None, 3), "its own work is not silently begun anew");
    assert_eq!(run.damaged(), ["ck-000001.prsm", "ck-000002.prsm", "ck-3.pt"]);
}

#[test]
fn what_was_left_behind_is_not_looked_at() {
    let run = Run::new();
    let [one, two] = [1, 2].map(|games| run.saved(games));
    let three = run.foreign(&run.elsewhere("three.pt"), 3);
    let aside = [two.path.clone(), three.path.clone()];
    let (chosen, refused) =
        picked(pick(&run.files, &Asked { set_aside: &aside, known: &[two, three], ..Asked::default() }));
    assert_eq!((chosen.unwrap().path, refused.len()), (one.path, 0));
}

#[test]
fn files_of_other_frameworks_take_their_place_by_their_step() {
    let run = Run::new();
    let own = run.saved(5);
    let older = run.foreign(&run.own("step-4.pt"), 4);
    let newer = run.foreign(&run.elsewhere("step-6.pt"), 6);
    let known = [own.clone(), older.clone(), newer.clone()];
    let (chosen, refused) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!((chosen, refused.len()), (Some(newer.clone()), 0));
    flip(&newer.path);
    let (chosen, refused) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!(chosen.unwrap().path, own.path);
    assert_eq!((refused[0].checkpoint.path.clone(), refused[0].moved_to.clone()), (newer.path.clone(), None));
    assert!(refused[0].reason.starts_with("step-6.pt was changed: its BLAKE3 is"), "{}", refused[0].reason);
    assert!(fs::exists(&newer.path).unwrap(), "what lies elsewhere is not touched");
}

#[test]
fn a_damaged_folder_of_its_own_is_moved_aside_whole() {
    let run = Run::new();
    let root = run.own("step-6");
    fs::create_dir(&root).unwrap();
    let file = run.foreign(&root.join("model.pt"), 6);
    let known =
        super::super::foreign::register_now(&run.files, &announced(&root, 6), std::time::Duration::ZERO);
    let known = [known.unwrap()];
    let (chosen, _) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!(chosen, Some(known[0].clone()));
    flip(&file.path);
    let (chosen, refused) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!((chosen, refused.len()), (None, 1));
    assert!(run.own("damaged/step-6/model.pt").exists() && !root.exists());
}

#[test]
fn a_damaged_or_missing_manifest_refuses_and_moves_nothing() {
    let run = Run::new();
    let own = run.saved(1);
    let known = [run.foreign(&run.own("step-6.pt"), 6)];
    let manifest = fs::read_dir(&run.files.manifests).unwrap().next().unwrap().unwrap().path();
    flip(manifest.to_str().unwrap());
    let (chosen, refused) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!(chosen.unwrap().path, own.path);
    assert!(refused[0].reason.contains("its manifest") && refused[0].moved_to.is_none(), "{refused:?}");
    fs::remove_file(manifest).unwrap();
    let (_, refused) = picked(pick(&run.files, &Asked { known: &known, ..Asked::default() }));
    assert_eq!(refused[0].reason, "its manifest is gone");
    assert!(run.own("step-6.pt").exists());
}

#[test]
fn what_the_catalogue_knows_and_is_gone_is_told() {
    let run = Run::new();
    let own = run.saved(1);
    let [gone, foreign] = [run.saved(2), run.foreign(&run.elsewhere("a.pt"), 3)];
    fs::remove_file(&gone.path).unwrap();
    fs::remove_file(&foreign.path).unwrap();
    let (chosen, refused) =
        picked(pick(&run.files, &Asked { known: &[own.clone(), gone, foreign], ..Asked::default() }));
    assert_eq!(chosen.unwrap().path, own.path);
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|refusal| refusal.reason == "its file is gone"), "{refused:?}");
}

#[test]
fn a_poisoned_one_is_found_as_such_and_passed_over_when_it_is_set_aside() {
    let run = Run::new();
    let [healthy, own] = [1, 2].map(|games| run.saved(games));
    let foreign = run.foreign(&run.own("step-3.pt"), 3);
    let known = [healthy.clone(), poisoned(own.clone()), poisoned(foreign.clone())];
    let mut aside = Vec::new();
    for expected in [&foreign, &own] {
        let asked = Asked { known: &known, set_aside: &aside, ..Asked::default() };
        let (chosen, refused) = picked(pick(&run.files, &asked));
        let chosen = chosen.unwrap();
        assert_eq!((&chosen.path, chosen.is_poisoned(), refused.len()), (&expected.path, true, 0));
        aside.push(chosen.path);
    }
    let asked = Asked { known: &known, set_aside: &aside, ..Asked::default() };
    assert_eq!(picked(pick(&run.files, &asked)).0.unwrap().path, healthy.path);
    assert!(fs::exists(own.path).unwrap() && fs::exists(foreign.path).unwrap());
}

#[test]
fn what_is_no_file_or_of_a_newer_version_is_refused_and_left_alone() {
    let run = Run::new();
    let own = run.saved(1);
    fs::create_dir(run.own("folder.prsm")).unwrap();
    symlink(&own.path, run.own("link.prsm")).unwrap();
    let mut bytes = fs::read(&own.path).unwrap();
    bytes[4] = 200;
    fs::write(run.own("newer.prsm"), bytes).unwrap();
    let (chosen, refused) = picked(pick(&run.files, &Asked::default()));
    assert_eq!(chosen.unwrap().path, own.path);
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|refusal| refusal.moved_to.is_none()) && run.damaged().is_empty());
}

#[test]
fn one_whose_check_was_cut_short_is_checked_now() {
    let run = Run::new();
    run.saved(1);
    let candidate = announced(&run.elsewhere("a.npy"), 2);
    fs::write(&candidate.path, "a format without an end").unwrap();
    let (chosen, _) =
        picked(pick(&run.files, &Asked { known: std::slice::from_ref(&candidate), ..Asked::default() }));
    let chosen = chosen.unwrap();
    assert_eq!((chosen.path, chosen.format), (candidate.path.clone(), CheckpointFormat::Manifest));
    let bytes = zip(b"weights");
    fs::write(&candidate.path, &bytes[..bytes.len() - 1]).unwrap();
    let (chosen, refused) = picked(pick(&run.files, &Asked { known: &[candidate], ..Asked::default() }));
    assert_eq!(chosen.unwrap().step, Some(1.0));
    assert_eq!(refused[0].reason, "it is not complete: its zip archive has no end yet");
}

#[test]
fn a_run_without_any_begins_from_what_was_named() {
    let run = Run::new();
    let other = Run::new();
    let prsm = other.saved(9);
    let foreign = other.foreign(&other.own("base.pt"), 4);
    // A run that never had an attempt has only what the actor makes before it looks.
    fs::remove_dir_all(run.folder.path()).unwrap();
    fs::create_dir_all(&run.files.checkpoints).unwrap();
    for from in [&prsm, &foreign] {
        let (chosen, refused) = picked(pick(&run.files, &Asked { from: Some(from), ..Asked::default() }));
        assert_eq!((chosen.unwrap().path, refused.len()), (from.path.clone(), 0));
    }
    fs::write(&foreign.path, zip(b"other weights")).unwrap();
    let (chosen, refused) = picked(pick(&run.files, &Asked { from: Some(&foreign), ..Asked::default() }));
    assert_eq!(chosen, None);
    assert_eq!(refused[0].reason, "it is not what it was when it was catalogued");
    flip(&prsm.path);
    let (chosen, refused) = picked(pick(&run.files, &Asked { from: Some(&prsm), ..Asked::default() }));
    assert_eq!((chosen, refused.len()), (None, 1), "{refused:?}");
    assert!(other.damaged().is_empty(), "another run's files are not ours to move");
    fs::create_dir_all(&run.files.checkpoints).unwrap();
    save(&run.files.checkpoints, "own.prsm", 1);
    let (chosen, _) = picked(pick(&run.files, &Asked { from: Some(&foreign), ..Asked::default() }));
    assert_eq!(chosen.unwrap().checkpoint_id, "own", "it has one of its own");
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_an_empty_one() {
    let run = Run::new();
    fs::remove_dir(&run.files.checkpoints).unwrap();
    assert_eq!(picked(pick(&run.files, &Asked::default())).0, None, "it was never made");
    fs::write(&run.files.checkpoints, "no folder").unwrap();
    assert!(matches!(pick(&run.files, &Asked::default()), Fact::CheckpointsUnknown { .. }));
}

#[test]
fn a_file_that_nobody_announced_does_not_undo_a_new_beginning() {
    let run = Run::new();
    let one = run.saved(1);
    let since = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let since = since.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let asked = Asked { anew_since_unix_ms: Some(since), ..Asked::default() };
    assert_eq!(picked(pick(&run.files, &asked)), (None, vec![]));
    let earlier = Asked { anew_since_unix_ms: Some(1), ..Asked::default() };
    assert_eq!(picked(pick(&run.files, &earlier)).0.unwrap().path, one.path);
    let known = Asked { known: std::slice::from_ref(&one), ..asked };
    assert_eq!(picked(pick(&run.files, &known)).0.unwrap().path, one.path, "it was saved by its attempts");
}
