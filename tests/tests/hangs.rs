//! Silence is noticed, told apart, written down and ended; a pause of our own is not held against
//! anybody.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill};
use serde_json::{Value, json};
use std::fs;

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

/// Timeouts of a test: short, and long enough for a busy machine.
fn impatient(heartbeat: &str, progress: &str) -> Home {
    let home = Home::new();
    home.configure(&format!(
        "[watchdog]\nheartbeat_timeout = \"{heartbeat}\"\nprogress_timeout = \"{progress}\"\n[retry]\nbackoff = \"0s\"\n"
    ));
    home
}

fn trains(home: &Home, more: &[&str]) -> String {
    let mut args =
        vec!["fake", "--set", "steps=100000", "--set", "step_ms=20", "--set", "checkpoint_every=5"];
    args.extend(more);
    home.submit(&args)
}

fn hung(home: &Home, id: &str) -> Vec<Value> {
    let events = home.events(id);
    let hung = events.into_iter().filter(|e| e["event_type"] == "worker" && e["payload"]["action"] == "hung");
    hung.map(|event| event["payload"].clone()).collect()
}

fn end(home: &Home, id: &str) {
    home.resus(&["kill", id]).expect_code(0);
    let _run = home.until_phase(id, "cancelled");
}

#[test]
fn a_frozen_worker_is_found_written_down_killed_and_retried_from_its_checkpoint() {
    let home = impatient("2s", "1h");
    let id = trains(&home, &[]);
    // It says a sign of life by itself when it has nothing else to say: a pause makes it beat.
    let run = home.until(&id, "a checkpoint", |run| run["checkpoint"].is_object());
    let beat = json!({"event_type": "heartbeat", "payload": {}});
    let events = home.run_dir(&id).join("attempts/0001/events.jsonl");
    let mut file = fs::OpenOptions::new().append(true).open(&events).unwrap();
    std::io::Write::write_all(&mut file, format!("{beat}\n").as_bytes()).unwrap();
    kill(pid_of(&run), "STOP");
    let again = home.until(&id, "attempt 2", |run| run["attempt"] == 2 && run["pid"].is_u64());
    assert!(!alive(pid_of(&run)));
    assert_eq!(again["last_failure"]["code"], "HUNG");
    let told = hung(&home, &id);
    assert_eq!((told.len(), &told[0]["what"]), (1, &json!("heartbeat")));
    assert!(told[0]["silent_for_s"].as_f64().unwrap() >= 2.0);
    let evidence = fs::read_to_string(home.run_dir(&id).join("attempts/0001/hang.txt")).unwrap();
    assert!(evidence.contains("State:\tT (stopped)") && evidence.contains("worker fake"), "{evidence}");
    assert!(again["resumed_from"].is_object());
    end(&home, &id);
}

#[test]
fn a_worker_that_beats_but_does_not_get_on_is_found() {
    let home = impatient("1h", "2s");
    let id = trains(&home, &["--set", "stall_at=10", "--set", "stall_times=1"]);
    let run = home.until(&id, "progress of attempt 2", |run| {
        run["attempt"] == 2 && run["progress"]["done"].as_f64().is_some_and(|done| done >= 12.0)
    });
    assert_eq!(run["last_failure"]["code"], "HUNG");
    let told = hung(&home, &id);
    assert_eq!((told.len(), &told[0]["what"]), (1, &json!("progress")));
    end(&home, &id);
}

#[test]
fn a_daemon_that_stood_still_accuses_nobody() {
    // Longer than what counts as a busy machine (three seconds), or every hiccup would tell.
    let home = impatient("5s", "5s");
    let ids: Vec<String> = (0..4).map(|_| trains(&home, &[])).collect();
    for id in &ids {
        let _run = home.until_done(id, 3.0);
    }
    let daemon = home.daemon_pid();
    kill(daemon, "STOP");
    // Longer than the limit: the workers go on, and nobody hears them.
    let mark = home.run_dir(&ids[0]).join("attempts/0001/events.jsonl");
    let length = || fs::metadata(&mark).unwrap().len();
    let since = std::time::Instant::now();
    let before = length();
    home.wait_for("the workers to go on", || {
        (since.elapsed().as_secs() >= 8 && length() > before).then_some(())
    });
    kill(daemon, "CONT");
    for id in &ids {
        let now = home.view(id)["progress"]["done"].as_f64().unwrap();
        let run = home.until_done(id, now + 20.0);
        assert_eq!((&run["attempt"], hung(&home, id).len()), (&json!(1), 0));
        end(&home, id);
    }
}

#[test]
fn a_slow_start_and_a_pause_are_no_hang() {
    let home = impatient("1s", "1s");
    let id = trains(&home, &["--set", "slow_start=3000"]);
    let _run = home.until_done(&id, 2.0);
    home.resus(&["pause", &id]).expect_code(0);
    let paused = home.until_phase(&id, "paused");
    let since = std::time::Instant::now();
    home.wait_for("three limits", || (since.elapsed().as_secs() >= 3).then_some(()));
    home.resus(&["resume", &id]).expect_code(0);
    let done = paused["progress"]["done"].as_f64().unwrap();
    let run = home.until_done(&id, done + 2.0);
    assert_eq!((&run["attempt"], hung(&home, &id).len()), (&json!(1), 0));
    end(&home, &id);
}
