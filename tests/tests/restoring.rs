//! Going back to an older checkpoint, and settings that change while a run lives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, kill};
use serde_json::{Value, json};

/// A fake worker that saves after every step of 100 ms, for longer than any test takes.
const LONG: [&str; 11] = [
    "fake",
    "--keep",
    "1000",
    "--backoff",
    "20s",
    "--set",
    "steps=100000",
    "--set",
    "step_ms=100",
    "--set",
    "checkpoint_every=1",
];

fn checkpoints(home: &Home, id: &str) -> Vec<Value> {
    let list = home.resus(&["checkpoints", id, "--json"]).expect_code(0).json();
    list["checkpoints"].as_array().unwrap().clone()
}

fn name(checkpoint: &Value) -> String {
    checkpoint["checkpoint"]["checkpoint_id"].as_str().unwrap().to_owned()
}

fn of_state<'a>(all: &'a [Value], state: &str) -> Vec<&'a Value> {
    all.iter().filter(|checkpoint| checkpoint["state"] == state).collect()
}

/// A run with at least `n` verified checkpoints.
fn saved(home: &Home, n: usize) -> String {
    let id = home.submit(&LONG);
    home.wait_for("checkpoints", || (of_state(&checkpoints(home, &id), "verified").len() >= n).then_some(()));
    id
}

fn told(home: &Home, id: &str) -> String {
    home.resus(&["events", id]).expect_code(0).stdout
}

#[test]
fn a_paused_run_goes_on_from_the_chosen_checkpoint_and_no_crash_brings_the_newer_ones_back() {
    let home = Home::new();
    let id = saved(&home, 30);
    let refused = home.resus(&["restore", &id, "latest"]).expect_code(11);
    assert!(refused.stderr.contains("resus pause --release "), "{refused:?}");
    home.resus(&["pause", "--release", &id]).expect_code(0);

    let before = checkpoints(&home, &id);
    let verified = of_state(&before, "verified");
    assert_eq!(before.iter().filter(|c| c["is_resume_point"] == true).count(), 1, "{before:?}");
    let (chosen, newest) = (verified[1].clone(), verified.last().copied().unwrap().clone());
    let ambiguous = home.resus(&["restore", &id, &name(&chosen)[..1]]).expect_code(10);
    assert!(ambiguous.stderr.contains("begin with"), "{ambiguous:?}");
    let unknown = home.resus(&["restore", &id, "nobody"]).expect_code(10);
    assert!(unknown.stderr.contains("resus checkpoints "), "{unknown:?}");

    let said = home.resus(&["restore", &id, &name(&chosen)]).expect_code(0);
    assert!(said.stderr.contains(&name(&chosen)), "{said:?}");
    let run = home.until(&id, "its worker", |run| run["phase"] == "running" && run["pid"].is_u64());
    assert_eq!((&run["attempt"], &run["resumed_from"]), (&json!(2), &chosen["checkpoint"]), "{run}");
    // Dies long before it can have come to where the newest one was taken.
    kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
    let _waiting = home.until_phase(&id, "waiting");
    let left = checkpoints(&home, &id);
    let aside: Vec<_> = of_state(&left, "set_aside").into_iter().map(name).collect();
    assert!(aside.contains(&name(&newest)), "{left:?}");
    home.resus(&["retry", &id]).expect_code(0);
    let run = home.until(&id, "attempt 3", |run| run["attempt"] == 3 && run["phase"] == "running");
    let from = run["resumed_from"]["checkpoint_id"].as_str().unwrap();
    assert!(!aside.iter().any(|aside| aside == from), "{run}");
    assert!(run["resumed_from"]["step"].as_f64() >= chosen["checkpoint"]["step"].as_f64(), "{run}");
    let pulse = home.http("GET", &format!("/v2/runs/{id}/events"), None).1;
    assert!(pulse.contains("\"action\":\"restored\""), "{pulse}");
    assert!(told(&home, &id).contains("set aside"), "{}", told(&home, &id));
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_checkpoint_that_does_not_verify_ends_the_restore_and_is_not_replaced() {
    let home = Home::new();
    let id = saved(&home, 3);
    home.resus(&["kill", &id]).expect_code(0);
    let all = checkpoints(&home, &id);
    let chosen = of_state(&all, "verified")[0].clone();
    let path = chosen["checkpoint"]["path"].as_str().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
    let said = home.resus(&["restore", &id, &name(&chosen)]).expect_code(11);
    assert!(said.stderr.contains("can't be restored"), "{said:?}");
    let run = home.view(&id);
    assert_eq!((&run["phase"], &run["pid"]), (&json!("failed"), &Value::Null), "{run}");
    assert_eq!(run["last_failure"]["code"], "CHECKPOINT_CORRUPT", "{run}");
    let left = checkpoints(&home, &id);
    let torn: Vec<_> = left.iter().filter(|c| name(c) == name(&chosen)).collect();
    assert!(torn.len() == 1 && torn[0]["state"] == "damaged" && torn[0]["reason"].is_string(), "{left:?}");
    // What verifies can still be gone on from.
    home.resus(&["restore", &id, "latest"]).expect_code(0);
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn one_command_restores_and_configures_once() {
    let home = Home::new();
    let id = saved(&home, 2);
    home.resus(&["kill", &id]).expect_code(0);
    let body = json!({"checkpoint": "latest", "by": "test", "command_id": "back-1"});
    let answers: Vec<_> =
        (0..3).map(|_| home.http("POST", &format!("/v2/runs/{id}/restore"), Some(&body))).collect();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let run = home.until(&id, "attempt 2", |run| run["phase"] == "running");
    assert_eq!(run["attempt"], 2, "{run}");

    home.resus(&["configure", &id, "--retries", "17", "--progress-timeout", "2h"]).expect_code(0);
    assert_eq!(home.view(&id)["retries_max"], 17);
    let again = home.resus(&["configure", &id, "--retries", "17"]).expect_code(0);
    assert!(again.stderr.contains("already"), "{again:?}");
    home.resus(&["configure", &id]).expect_code(2);
    home.resus(&["configure", &id, "--keep", "0"]).expect_code(2);
    // It is in the ledger: another daemon knows it too.
    home.kill_daemon();
    home.resus(&["daemon", "start"]).expect_code(0);
    assert_eq!(home.view(&id)["retries_max"], 17);
    let story = told(&home, &id);
    assert!(story.contains("cli changed settings: retries 17, progress timeout 7200 s"), "{story}");
    assert_eq!(story.matches("wants to go on from checkpoint").count(), 1, "{story}");
    home.resus(&["kill", &id]).expect_code(0);
    home.resus(&["configure", &id, "--retries", "3"]).expect_code(11);
}
