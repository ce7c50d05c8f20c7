//! Only checkpoints that can be trusted are gone on from: those that are whole, of any framework, and
//! whose numbers are finite; and no work is thrown away silently.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, kill};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Starts the fake worker without a wait between its attempts.
fn submit(home: &Home, flags: &[&str], sets: &[&str]) -> String {
    let mut args = vec!["fake", "--backoff", "0s"];
    args.extend(flags);
    for set in sets {
        args.extend(["--set", set]);
    }
    home.submit(&args)
}

fn checkpoints(home: &Home, id: &str) -> Vec<Value> {
    let list = home.resus(&["checkpoints", id, "--json"]).expect_code(0).json();
    list["checkpoints"].as_array().unwrap().clone()
}

fn verified(home: &Home, id: &str) -> Vec<Value> {
    checkpoints(home, id).into_iter().filter(|checkpoint| checkpoint["state"] == "verified").collect()
}

fn path(checkpoint: &Value) -> PathBuf {
    checkpoint["checkpoint"]["path"].as_str().unwrap().into()
}

/// The `checkpoint` events of a run with this action.
fn told(home: &Home, id: &str, action: &str) -> Vec<Value> {
    let events = home.events(id);
    let payloads = events.iter().filter(|event| event["event_type"] == "checkpoint");
    payloads.map(|event| event["payload"].clone()).filter(|payload| payload["action"] == action).collect()
}

/// Checkpoints from which the attempts of a run began, in their order.
fn begun_from(home: &Home, id: &str) -> Vec<Value> {
    let events = home.events(id);
    let is_ordered =
        |event: &&Value| ["ordered", "retried"].contains(&event["payload"]["action"].as_str().unwrap_or(""));
    let ordered = events.iter().filter(is_ordered);
    ordered.map(|event| event["payload"]["from_checkpoint"].clone()).collect()
}

#[test]
fn checkpoints_of_other_frameworks_are_catalogued_and_handed_back() {
    for shape in ["torch", "safetensors", "folder"] {
        let home = Home::new();
        let shape = format!("checkpoint_as={shape}");
        let sets = ["steps=60", "step_ms=20", "checkpoint_every=10", &shape];
        let id = submit(&home, &["--keep", "3"], &sets);
        let first = home.wait_for("a verified checkpoint", || verified(&home, &id).pop());
        assert_eq!(first["checkpoint"]["format"], "manifest", "{first}");
        assert!(first["checkpoint"]["digest"].as_str().unwrap().starts_with("manifest:blake3:"), "{first}");
        let run = home.view(&id);
        kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
        let run = home.until_phase(&id, "done");
        assert_eq!(run["attempt"], 2, "{run}");
        // The fake worker compares every byte with what it saved, and fails where one differs.
        assert!(run["resumed_from"]["path"].is_string(), "{shape}: {run}");
        // The newest three, and the one that the last attempt began from.
        let from = run["resumed_from"]["step"].as_f64().unwrap();
        let mut expected = vec![from, 40.0, 50.0, 60.0];
        expected.sort_by(f64::total_cmp);
        expected.dedup();
        home.wait_for("retention", || {
            let steps: Vec<_> =
                verified(&home, &id).iter().map(|c| c["checkpoint"]["step"].as_f64().unwrap()).collect();
            (steps == expected).then_some(())
        });
    }
}

#[test]
fn one_that_is_announced_before_it_is_written_counts_when_it_is() {
    let home = Home::new();
    let sets = ["steps=6", "step_ms=20", "checkpoint_every=3", "checkpoint_as=folder", "save_ms=700"];
    let id = submit(&home, &[], &[&sets[..], &["announce_early=true"]].concat());
    let _done = home.until_phase(&id, "done");
    home.wait_for("both", || (verified(&home, &id).len() == 2).then_some(()));
    assert_eq!(told(&home, &id, "corrupt"), Vec::<Value>::new());
}

#[test]
fn a_damaged_checkpoint_of_another_framework_is_moved_aside_and_the_one_before_is_used() {
    let home = Home::new();
    let sets = ["steps=100000", "step_ms=20", "checkpoint_every=10", "checkpoint_as=torch"];
    let id = submit(&home, &["--keep", "100"], &sets);
    home.wait_for("checkpoints", || (verified(&home, &id).len() >= 3).then_some(()));
    home.resus(&["pause", "--release", &id]).expect_code(0);
    home.wait_for("the last", || {
        checkpoints(&home, &id).iter().all(|c| c["state"] == "verified").then_some(())
    });
    let all = verified(&home, &id);
    let [.., before, newest] = &all[..] else { panic!("{all:?}") };
    let mut bytes = std::fs::read(path(newest)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(path(newest), &bytes).unwrap();
    home.resus(&["resume", &id]).expect_code(0);
    let run = home.until(&id, "its worker", |run| run["attempt"] == 2 && run["phase"] == "running");
    assert_eq!(run["resumed_from"]["path"], before["checkpoint"]["path"], "{run}");
    let refused = told(&home, &id, "corrupt").pop().unwrap();
    let moved_to = refused["moved_to"].as_str().unwrap();
    assert!(moved_to.contains("/damaged/"), "{refused}");
    assert_eq!(std::fs::read(moved_to).unwrap(), bytes, "nothing of it is lost");
    assert!(!path(newest).exists());
    let why = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(why.contains(refused["reason"].as_str().unwrap()), "{why}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_run_whose_checkpoints_are_all_damaged_stands_still_and_says_what_can_be_done() {
    let home = Home::new();
    let id = submit(&home, &[], &["steps=100000", "step_ms=20", "checkpoint_every=5"]);
    home.wait_for("checkpoints", || (verified(&home, &id).len() >= 2).then_some(()));
    home.resus(&["pause", "--release", &id]).expect_code(0);
    let folder = home.run_dir(&id).join("checkpoints");
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let file = std::fs::OpenOptions::new().write(true).open(&entry).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }
    home.resus(&["resume", &id]).expect_code(11);
    let run = home.until_phase(&id, "failed");
    assert_eq!(run["last_failure"]["code"], "CHECKPOINT_CORRUPT", "{run}");
    let message = run["last_failure"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("resus restore {id} none")), "{message}");
    let why = home.resus(&["why", &id]).expect_code(0).stdout;
    assert!(why.contains("none"), "{why}");
    // Asking again does not change its mind; a person does.
    home.resus(&["retry", &id]).expect_code(0);
    let _failed = home.until(&id, "the same end", |run| run["phase"] == "failed" && run["attempt"] == 3);
    home.resus(&["restore", &id, "none"]).expect_code(0);
    let run = home.until(&id, "its worker", |run| run["phase"] == "running");
    assert_eq!(run["resumed_from"], Value::Null, "{run}");
    assert!(std::fs::read_dir(folder.join("damaged")).unwrap().count() >= 2);
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn numbers_that_are_not_finite_are_left_behind() {
    let home = Home::new();
    // In its first attempt the numbers break at step 22, and that is told at step 27: the checkpoint
    // between verifies, holds them, and does not say so itself.
    let sets = ["steps=60", "step_ms=10", "checkpoint_every=5", "nan_at=22:after=5:hidden", "nan_times=1"];
    let id = submit(&home, &["--keep", "100"], &sets);
    let run = home.until_phase(&id, "done");
    assert_eq!(run["last_failure"]["code"], "NAN_LOSS", "{run}");
    let begun: Vec<_> =
        begun_from(&home, &id).iter().map(|from| from.as_str().unwrap_or("none").to_owned()).collect();
    assert_eq!(begun, ["none", "step-000025", "step-000020"], "it goes back further where that did not help");
    let events = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(events.contains("not finite"), "{events}");
}

#[test]
fn poisoned_checkpoints_that_say_so_are_skipped_and_stay_where_they_are() {
    let home = Home::new();
    let sets = ["steps=60", "step_ms=10", "checkpoint_every=5", "nan_at=20:after=10", "nan_times=1"];
    let id = submit(&home, &["--keep", "100"], &sets);
    let run = home.until_phase(&id, "done");
    assert_eq!((&run["attempt"], &run["last_failure"]["code"]), (&json!(2), &json!("NAN_LOSS")), "{run}");
    assert_eq!(run["resumed_from"]["step"], 15.0, "{run}");
    assert!(home.run_dir(&id).join("checkpoints").exists());
}

#[test]
fn the_same_crash_at_the_same_step_goes_back_a_checkpoint_and_then_ends() {
    let home = Home::new();
    let sets = ["steps=60", "step_ms=10", "checkpoint_every=10", "crash_at=25", "crash_how=exit:9"];
    let id = submit(&home, &["--keep", "100", "--retries", "20"], &sets);
    let run = home.until_phase(&id, "failed");
    assert_eq!(run["last_failure"]["code"], "CRASH_LOOP", "{run}");
    let begun = begun_from(&home, &id);
    let from = |n: usize| begun[n].as_str().unwrap_or("none").to_owned();
    assert_eq!((from(1), from(2)), ("step-000020".to_owned(), "step-000020".to_owned()), "{begun:?}");
    assert_eq!(from(3), "step-000010", "{begun:?}");
    let events = home.resus(&["why", &id]).expect_code(0).stdout;
    assert!(events.contains("CRASH_LOOP"), "{events}");
}

#[test]
fn a_run_that_never_resumes_begins_anew_each_time() {
    let home = Home::new();
    let sets = ["steps=30", "step_ms=10", "checkpoint_every=5", "crash_at=12", "crash_times=1"];
    let id = submit(&home, &["--resume", "never"], &sets);
    let run = home.until_phase(&id, "done");
    assert_eq!((&run["attempt"], &run["resumed_from"]), (&json!(2), &Value::Null), "{run}");
    assert!(verified(&home, &id).len() >= 2);
}
