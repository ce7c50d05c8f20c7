//! What is told of announced checkpoints.

use super::super::check;
use super::super::foreign::{self, register_now};
use super::super::jobs::Outcome;
use super::super::patience::SETTLE;
use super::support::{Run, announced, flip, save, save_with, zip};
use resus_checkpoint::Meta;
use resus_core::checkpoint::{CheckpointFormat, Health};
use resus_core::input::{CheckpointRef, Fact, Refused};
use resus_core::pulse::word::Numbers;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What is told of one of our own format.
fn own(run: &Run, checkpoint: &CheckpointRef) -> Fact {
    match check::check(&run.files, checkpoint.clone()) {
        Outcome::Told(Some(fact)) => fact,
        Outcome::Told(None) => panic!("nothing is told"),
        Outcome::Foreign(_) => panic!("not taken for one of ours"),
    }
}

/// What is told of one of another framework.
async fn other(run: &Run, checkpoint: &CheckpointRef) -> Option<Fact> {
    assert!(matches!(check::check(&run.files, checkpoint.clone()), Outcome::Foreign(_)));
    let (reading, cancel) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicBool::new(false)));
    foreign::check(run.files.clone(), checkpoint.clone(), reading, cancel).await
}

fn whole(fact: Option<Fact>) -> CheckpointRef {
    match fact {
        Some(Fact::CheckpointChecked { checkpoint, refusal: None }) => checkpoint,
        other => panic!("{other:?}"),
    }
}

fn refused(fact: Option<Fact>) -> Refused {
    match fact {
        Some(Fact::CheckpointChecked { refusal: Some(refused), .. }) => refused,
        other => panic!("{other:?}"),
    }
}

fn not_moved(reason: &str) -> Refused {
    Refused { reason: reason.to_owned(), moved_to: None }
}

#[test]
fn one_of_ours_is_told_with_what_it_says_itself() {
    let run = Run::new();
    let saved = run.saved(7);
    let said = CheckpointRef { step: None, epoch: Some(0.5), health: Health::NotFinite, ..saved.clone() };
    let read = whole(Some(own(&run, &said)));
    assert_eq!((read.step, read.epoch, read.format), (Some(7.0), Some(0.5), CheckpointFormat::Prsm));
    assert_eq!(read.size_bytes, Some(fs::metadata(&saved.path).unwrap().len()));
    assert!(read.digest.is_some());
    assert_eq!(read.health, Health::NotFinite, "the worker's word counts as well");
}

#[test]
fn what_the_file_says_of_its_numbers_counts_more_than_the_worker_s_word() {
    let run = Run::new();
    let metrics = BTreeMap::from([("loss".to_owned(), f64::INFINITY), ("auc".to_owned(), 0.5)]);
    let health = resus_checkpoint::Health::NotFinite;
    let meta = Meta { step: 70, epoch: Some(2.0), health, metrics, writer: "test".to_owned() };
    save_with(&run.files.checkpoints, "a.prsm", &meta);
    let said = CheckpointRef { health: Health::Finite, ..announced(&run.own("a.prsm"), 9) };
    let read = whole(Some(own(&run, &said)));
    assert_eq!((read.step, read.epoch, read.health), (Some(70.0), Some(2.0), Health::NotFinite));
    let metrics = [("auc".to_owned(), Some(0.5)), ("loss".to_owned(), None)];
    assert_eq!(read.metrics, Numbers::from(metrics));
    assert!(read.digest.unwrap().starts_with("blake3:"));
}

#[test]
fn a_damaged_one_of_ours_is_moved_aside_whatever_is_damaged() {
    let run = Run::new();
    let [torn, magic] = [1, 2].map(|games| run.saved(games));
    flip(&torn.path);
    let mut bytes = fs::read(&magic.path).unwrap();
    bytes[0] ^= 1;
    fs::write(&magic.path, bytes).unwrap();
    for checkpoint in [&torn, &magic] {
        let to = refused(Some(own(&run, checkpoint))).moved_to.unwrap();
        assert!(Path::new(&to).exists() && !Path::new(&checkpoint.path).exists());
    }
}

#[test]
fn one_that_is_gone_is_told_as_such() {
    let run = Run::new();
    let saved = run.saved(1);
    fs::remove_file(&saved.path).unwrap();
    assert_eq!(refused(Some(own(&run, &saved))).reason, "its file is gone");
}

#[test]
fn one_that_begins_like_ours_is_ours_under_every_name() {
    let run = Run::new();
    save(&run.files.checkpoints, "weights.bin", 3);
    let read = whole(Some(own(&run, &announced(&run.own("weights.bin"), 3))));
    assert_eq!(read.format, CheckpointFormat::Prsm);
}

#[tokio::test(start_paused = true)]
async fn one_of_another_framework_gets_a_manifest() {
    let run = Run::new();
    let checkpoint = announced(&run.elsewhere("a.pt"), 5);
    fs::write(&checkpoint.path, zip(b"weights")).unwrap();
    let read = whole(other(&run, &checkpoint).await);
    assert_eq!((read.step, read.format), (Some(5.0), CheckpointFormat::Manifest));
    assert_eq!(read.size_bytes, Some(zip(b"weights").len() as u64));
    assert!(read.digest.as_ref().unwrap().starts_with("manifest:blake3:"));
    assert!(read.saved_unix_ms.is_some());
    assert_eq!(whole(other(&run, &read).await), read, "read back once more it is the same");
    assert_eq!(whole(other(&run, &checkpoint).await), read, "and so when it is announced again");
}

#[tokio::test(start_paused = true)]
async fn one_of_ours_at_another_place_keeps_what_it_says() {
    let run = Run::new();
    save(run.folder.path(), "far.prsm", 8);
    let checkpoint = CheckpointRef { step: None, ..announced(&run.elsewhere("far.prsm"), 0) };
    let read = whole(other(&run, &checkpoint).await);
    assert_eq!((read.step, read.format), (Some(8.0), CheckpointFormat::Manifest));
}

#[tokio::test(start_paused = true)]
async fn one_that_grows_is_waited_for() {
    let run = Run::new();
    let checkpoint = announced(&run.own("a.pt"), 5);
    let bytes = zip(&[7; 100]);
    let write = async {
        for length in [0, 10, 60, bytes.len()] {
            tokio::time::sleep(Duration::from_secs(20)).await;
            fs::write(&checkpoint.path, &bytes[..length]).unwrap();
        }
    };
    let (fact, ()) = tokio::join!(other(&run, &checkpoint), write);
    assert_eq!(whole(fact).size_bytes, Some(bytes.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_complete_is_refused_with_what_is_missing_and_left_alone() {
    let run = Run::new();
    let root = run.own("step-5");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("model.safetensors.index.json"), r#"{"weight_map":{"a":"model-1.safetensors"}}"#)
        .unwrap();
    let missing =
        "it is not complete: model.safetensors.index.json: model-1.safetensors, which it lists, is not there";
    assert_eq!(refused(other(&run, &announced(&root, 5)).await), not_moved(missing));
    assert!(root.exists());
}

#[tokio::test(start_paused = true)]
async fn links_out_of_the_folder_and_pipes_are_refused_at_once() {
    let run = Run::new();
    let root = run.own("step-5");
    fs::create_dir(&root).unwrap();
    symlink("../../secret", root.join("model.pt")).unwrap();
    let began = tokio::time::Instant::now();
    let reason = "link model.pt to ../../secret may lead out of the folder";
    assert_eq!(refused(other(&run, &announced(&root, 5)).await), not_moved(reason));
    let pipe = run.own("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let reason = format!("{} is neither a file nor a folder", pipe.display());
    assert_eq!(refused(other(&run, &announced(&pipe, 5)).await), not_moved(&reason));
    assert!(began.elapsed() < SETTLE);
}

#[tokio::test(start_paused = true)]
async fn one_that_its_worker_removes_meanwhile_is_gone() {
    let run = Run::new();
    let checkpoint = announced(&run.own("a.pt"), 5);
    fs::write(&checkpoint.path, "PK\x03\x04").unwrap();
    let remove = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        fs::remove_file(&checkpoint.path).unwrap();
    };
    let (fact, ()) = tokio::join!(other(&run, &checkpoint), remove);
    assert_eq!(refused(fact).reason, "its file is gone");
}

#[tokio::test(start_paused = true)]
async fn of_one_that_was_given_up_nothing_is_told() {
    let run = Run::new();
    let checkpoint = announced(&run.own("a.pt"), 5);
    fs::write(&checkpoint.path, "PK\x03\x04").unwrap();
    let (reading, cancel) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicBool::new(false)));
    let give_up = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let waiting = foreign::check(run.files.clone(), checkpoint, reading, Arc::clone(&cancel));
    assert_eq!(tokio::join!(waiting, give_up).0, None);
}

#[tokio::test(start_paused = true)]
async fn a_second_look_at_the_catalogue_finds_what_was_changed_or_is_gone() {
    let run = Run::new();
    let root = run.own("step-5");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("model.pt"), zip(b"weights")).unwrap();
    fs::write(root.join("vocab.txt"), "a b c").unwrap();
    let known = register_now(&run.files, &announced(&root, 5), Duration::ZERO).unwrap();
    assert_eq!(whole(other(&run, &known).await), known);
    fs::remove_file(root.join("vocab.txt")).unwrap();
    let missing = refused(other(&run, &known).await);
    assert_eq!(missing.reason, "vocab.txt is missing");
    assert_eq!(missing.moved_to.as_deref(), run.own("damaged/step-5").to_str());
    assert_eq!(refused(other(&run, &known).await).reason, "its file is gone");
}
