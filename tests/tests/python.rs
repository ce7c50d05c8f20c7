//! A trainer in plain Python is supervised like any other; the Python code passes its own tests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn unittest(folder: &str) {
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", folder])
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("python3 can't be started ({error}): apt-get install python3"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "no tests in {folder}");
}

#[test]
fn the_python_sdk_passes_its_own_tests() {
    unittest("sdk/python/tests");
}

#[test]
fn the_trainer_in_plain_python_passes_its_own_tests() {
    unittest("workloads/zones/tests");
}

fn trains(home: &Home, more: &[&str]) -> String {
    let trainer = root().join("workloads/zones/train.py");
    let mut args = vec!["--backoff", "0s", "--", "python3", "-B", trainer.to_str().unwrap()];
    args.extend(more);
    home.submit(&args)
}

fn asked(home: &Home, id: &str, verb: &str) {
    let body = json!({ "verb": verb, "by": "test" });
    let (status, reply) = home.http("POST", &format!("/v2/runs/{id}/command"), Some(&body));
    assert!((200..300).contains(&status), "{verb}: {status} {reply}");
}

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

/// What the whole run came to: the same, bit for bit, whatever happened on the way.
fn result(home: &Home, id: &str) -> Value {
    home.resus(&["wait", id]).expect_code(0);
    home.view(id)["metrics"].clone()
}

#[test]
fn a_python_trainer_that_is_killed_paused_and_released_ends_with_the_same_numbers() {
    let home = Home::new();
    let quiet = trains(&home, &["--epochs", "12"]);
    let id = trains(&home, &["--epochs", "12", "--step-ms", "2"]);
    // Its worker dies …
    let run =
        home.until(&id, "an epoch", |run| run["progress"]["done"].as_f64().is_some_and(|done| done >= 1.0));
    kill(pid_of(&run), "KILL");
    let run = home.until(&id, "attempt 2", |run| run["attempt"] == 2 && run["health"] == "ok");
    // … it is asked to hold, and goes on in the same process …
    asked(&home, &id, "pause");
    let held = home.until_phase(&id, "paused");
    assert_eq!((&held["pause"]["step"], &held["pid"]), (&json!("held"), &run["pid"]));
    asked(&home, &id, "resume");
    let _run = home.until_phase(&id, "running");
    // … and it leaves the place free and comes back.
    asked(&home, &id, "release");
    let released = home.until(&id, "the release", |run| run["phase"] == "paused" && run["pid"].is_null());
    assert_eq!(released["attempt"], 2);
    assert!(!alive(pid_of(&held)));
    asked(&home, &id, "resume");
    let _run = home.until(&id, "attempt 3", |run| run["attempt"] == 3);
    assert_eq!(result(&home, &id), result(&home, &quiet));
    assert_eq!(home.view(&id)["refused_lines"], 0);
}

#[test]
fn a_python_trainer_that_crashes_is_told_with_its_exception() {
    let home = Home::new();
    let id = trains(&home, &["--epochs", "6", "--crash-at-epoch", "3"]);
    let run = home.until(&id, "the failure", |run| run["last_failure"].is_object());
    let message = run["last_failure"]["message"].as_str().unwrap().to_owned();
    let events = home.events(&id);
    let error = events.iter().find(|e| e["event_type"] == "error" && e["source"] == "worker").unwrap();
    assert!(error["payload"]["details"].is_object(), "{error}");
    assert!(!message.is_empty());
    asked(&home, &id, "kill");
}
