//! The commands that tell what is going on, and those that halt it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

fn fake(home: &Home, more: &[&str]) -> String {
    home.submit(&[&["fake", "--backoff", "100ms", "--set", "step_ms=20"], more].concat())
}

fn envelopes(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

/// Whether this tells that the run ended well.
fn is_done(event: &Value) -> bool {
    event["event_type"] == "status" && event["payload"]["status"] == "done"
}

fn from_one(last: usize) -> Vec<u64> {
    (1..=last as u64).collect()
}

#[test]
fn events_are_followed_across_killed_daemons_and_none_is_lost_or_doubled() {
    let home = Home::new();
    let id = fake(&home, &["--set", "steps=120", "--set", "checkpoint_every=4"]);
    let follower = home.start(&["events", "-f", &id, "--json"]);
    for done in [15.0, 40.0, 70.0] {
        let _so_far = home.until_done(&id, done);
        home.kill_daemon();
    }
    let said = home.finish(follower, "events -f").expect_code(0);
    let followed = envelopes(&said.stdout);
    assert_eq!(seqs(&followed), from_one(followed.len()));
    // A last checkpoint may be verified after the end, and nobody waits for that.
    let ledger = home.events(&id);
    assert_eq!(followed, ledger[..followed.len()], "the same as the ledger has");
    assert!(followed.iter().any(is_done), "{:?}", followed.last());
}

#[test]
fn events_are_told_to_people_with_their_reasons_from_where_they_ask() {
    let home = Home::new();
    let id = fake(&home, &["--retries", "0", "--set", "crash_at=3"]);
    home.resus(&["events", "-f", &id]).expect_code(20);
    let told = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(told.contains("the run was accepted"), "{told}");
    assert!(told.contains("attempt 1 failed: EXIT_NONZERO"), "{told}");
    assert!(told.contains("the retry budget of the window is used up"), "{told}");
    let errors = home.resus(&["events", &id, "--type", "error", "--json"]).expect_code(0);
    let errors = envelopes(&errors.stdout);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["payload"]["error_code"], "EXIT_NONZERO");
    let all = home.events(&id);
    let rest = home.resus(&["events", &id, "--after", "4", "--json"]).expect_code(0);
    assert_eq!(envelopes(&rest.stdout), all[4..]);
    home.resus(&["events", "nobody"]).expect_code(10);
}

#[test]
fn watch_shows_facts_and_telemetry_as_they_happen_across_a_killed_daemon() {
    let home = Home::new();
    let id = fake(&home, &["--set", "steps=150", "--set", "checkpoint_every=5"]);
    let _running = home.until_done(&id, 3.0);
    let watcher = home.start(&["watch", &id, "--json"]);
    let _so_far = home.until_done(&id, 40.0);
    home.kill_daemon();
    let said = home.finish(watcher, "watch").expect_code(0);
    let seen = envelopes(&said.stdout);
    let of = |kind: &str| seen.iter().filter(|event| event["event_type"] == kind).count();
    assert!(of("progress") > 0 && of("metric") > 0, "class B is there: {seen:?}");
    let facts = seqs(&seen);
    let first = facts[0];
    let whole: Vec<u64> = (first..first + facts.len() as u64).collect();
    assert_eq!(facts, whole, "facts are contiguous");
    assert!(seen.iter().any(is_done), "{:?}", seen.last());
    assert!(seen.iter().filter(|event| event["seq"].is_null()).all(|event| event["tick"].is_u64()));
}

#[test]
fn watching_everything_hears_of_runs_that_begin_later() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let mut watcher = home.start(&["watch", "--json"]);
    let out = BufReader::new(watcher.stdout.take().unwrap());
    let (sender, heard) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        // Whoever has heard enough is gone.
        out.lines().map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).count()
    });
    // Runs come and go until the watcher, which takes its time to start, has heard a whole one.
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let id = home.wait_for("a whole run", || {
        let id = home.submit(&["--", "true"]);
        home.resus(&["wait", &id]).expect_code(0);
        for event in heard.try_iter().flat_map(|line| envelopes(&line)) {
            seen.entry(event["training_id"].as_str().unwrap().to_owned()).or_default().push(event);
        }
        let is_whole = |events: &&Vec<Value>| events[0]["seq"] == 1 && events.iter().any(is_done);
        seen.iter().find(|(_, events)| is_whole(events)).map(|(id, _)| id.clone())
    });
    drop(heard);
    kill(watcher.id(), "KILL");
    watcher.wait().unwrap();
    reader.join().unwrap();
    assert_eq!(seen[&id], home.events(&id), "every one of its events");
}

#[test]
fn why_tells_a_crash_loop_from_symptom_to_the_next_command() {
    let home = Home::new();
    let id = fake(&home, &["--retries", "2", "--set", "crash_at=3", "--set", "crash_how=exit:7"]);
    home.resus(&["wait", &id]).expect_code(20);
    let told = home.resus(&["why", &id]).expect_code(0).stdout;
    assert_eq!(told.matches("failed: EXIT_NONZERO: exit code 7").count(), 2, "{told}");
    assert!(told.contains("CRASH_LOOP: EXIT_NONZERO came back 3 times in a row at step 2"), "{told}");
    let short = &id[id.len() - 8..];
    assert!(told.contains(&format!("resus logs {short}")), "{told}");
    assert!(told.contains(&format!("resus retry {short}")), "{told}");
    let document = home.resus(&["why", &id, "--json"]).expect_code(0).json();
    let chain = document["chain"].as_array().unwrap();
    assert_eq!(chain.iter().filter(|line| line["what"] == "failed").count(), 3, "{document}");
    assert_eq!(chain[0]["what"], "worker_ready", "it begins where the run was well: {document}");
    assert_eq!(document["run"]["phase"], "failed");
}

#[test]
fn why_tells_of_a_wait_how_long_it_is_and_how_to_cut_it_short() {
    let home = Home::new();
    let id = home.submit(&["--backoff", "60s", "--", "sh", "-c", "sleep 0.1; exit 7"]);
    let _waiting = home.until_phase(&id, "waiting");
    let document = home.resus(&["why", &id, "--json"]).expect_code(0).json();
    let left = document["next"]["in_s"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 60.0, "{document}");
    let told = home.resus(&["why", &id]).expect_code(0).stdout;
    assert!(told.contains("attempt 2 begins (retry 1/5)"), "{told}");
    home.resus(&["stop", &id]).expect_code(0);
}

#[test]
fn why_tells_a_hang_with_what_was_kept_of_it() {
    let home = Home::new();
    let args = ["--retries", "0", "--progress-timeout", "1s", "--set", "steps=1000", "--set", "stall_at=4"];
    let id = fake(&home, &args);
    home.resus(&["wait", &id]).expect_code(20);
    let told = home.resus(&["why", &id]).expect_code(0).stdout;
    assert!(told.contains("attempt 1 hangs: no progress for"), "{told}");
    let document = home.resus(&["why", &id, "--json"]).expect_code(0).json();
    let stacks = document["evidence"][0].as_str().unwrap_or_else(|| panic!("no evidence: {document}"));
    assert!(fs::read_to_string(stacks).is_ok_and(|text| !text.is_empty()), "{stacks}");
    assert!(told.contains("hang.txt"), "{told}");
}

#[test]
fn too_many_errors_halt_a_run_and_whoever_watches_it_is_told_why() {
    let home = Home::new();
    home.configure(
        "[errors]\nmin_sample = 1\nwindow = 100\nmax_share = '5%'\n[pause]\nhold_wait = '100ms'\n",
    );
    // It speaks, and does not listen: it is frozen.
    let script = r#"say() { printf '%s\n' "$1" >> "$PULSE_EVENTS"; }
        say '{"event_type":"progress","payload":{"unit":"step","done":0,"total":100}}'
        say '{"event_type":"progress","payload":{"unit":"step","done":10,"total":100}}'
        for code in APP_A APP_B; do
            say '{"event_type":"error","payload":{"error_code":"'$code'","message":"bad","is_retryable":true}}'
        done
        exec sleep 600"#;
    let attached = home.start(&["run", "--", "sh", "-c", script]);
    let run = home.wait_for("the pause", || {
        let runs = home.resus(&["ps", "--json"]).json();
        Some(runs["runs"][0].clone()).filter(|run| run["phase"] == "paused")
    });
    assert_eq!(run["pause"]["cause"], "error_rate");
    let id = run["run_id"].as_str().unwrap();
    assert!(home.resus(&["status", id]).stdout.contains("too much of the work failed"));
    let told = home.resus(&["why", id]).expect_code(0).stdout;
    assert!(told.contains("resus resume"), "{told}");
    home.resus(&["kill", id]).expect_code(0);
    let said = home.finish(attached, "run").expect_code(21);
    assert!(said.stderr.contains("! too much of the work failed (more than 5 %)"), "{said:?}");
    assert!(said.stderr.contains("‖ the run is paused"), "{said:?}");
    assert!(!said.stderr.contains("attempt 1 failed"), "{said:?}");
}

#[test]
fn a_worker_that_speaks_holds_for_a_pause_and_goes_on_at_once() {
    let home = Home::new();
    let id = fake(&home, &["--set", "steps=100000", "--set", "checkpoint_every=1000"]);
    let before = home.until_done(&id, 3.0);
    let said = home.resus(&["pause", &id]).expect_code(0);
    assert!(said.stderr.contains("paused after") && said.stderr.contains("holds"), "{said:?}");
    let paused = home.view(&id);
    assert_eq!((&paused["phase"], &paused["pause"]["step"]), (&json!("paused"), &json!("held")));
    assert!(home.resus(&["ps"]).stdout.contains("‖ paused"));
    let again = home.resus(&["pause", &id]).expect_code(0);
    assert!(again.stderr.contains("is paused already"), "{again:?}");
    home.resus(&["checkpoint", &id]).expect_code(11);
    let document = home.resus(&["why", &id, "--json"]).expect_code(0).json();
    assert!(document["next"]["commands"][0].as_str().unwrap().starts_with("resus resume"), "{document}");
    home.resus(&["resume", &id]).expect_code(0);
    let after = home.until_done(&id, paused["progress"]["done"].as_f64().unwrap() + 2.0);
    assert_eq!(
        (&after["phase"], &after["pid"], &after["attempt"]),
        (&json!("running"), &before["pid"], &json!(1))
    );
    let idle = home.resus(&["resume", &id]).expect_code(0);
    assert!(idle.stderr.contains("is not paused"), "{idle:?}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_released_worker_leaves_its_checkpoint_and_another_attempt_goes_on_from_it() {
    let home = Home::new();
    let id = fake(&home, &["--set", "steps=100000"]);
    let _running = home.until_done(&id, 3.0);
    let said = home.resus(&["pause", &id, "--release", "--json"]).expect_code(0).json();
    assert_eq!((&said["pause"]["step"], &said["pid"]), (&json!("released"), &Value::Null));
    let step = said["checkpoint"]["step"].as_f64().unwrap();
    assert_eq!(home.workers(&id).len(), 0);
    let resumed = home.resus(&["resume", &id, "--json"]).expect_code(0).json();
    assert_eq!((&resumed["attempt"], &resumed["resumed_from"]["step"]), (&json!(2), &json!(step)));
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn an_opaque_program_is_frozen_and_thawed() {
    let home = Home::new();
    let id = home.submit(&["--", "sleep", "600"]);
    let run = home.until_phase(&id, "running");
    let pid = u32::try_from(run["pid"].as_u64().unwrap()).unwrap();
    let said = home.resus(&["pause", &id]).expect_code(0);
    assert!(said.stderr.contains("frozen"), "{said:?}");
    let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(state().contains(") T "), "{}", state());
    home.resus(&["checkpoint", &id]).expect_code(11);
    home.resus(&["resume", &id]).expect_code(0);
    home.wait_for("the thaw", || (!state().contains(") T ")).then_some(()));
    assert!(alive(pid));
    let refused = home.resus(&["checkpoint", &id]).expect_code(11);
    assert!(refused.stderr.contains("does not speak PULSE"), "{refused:?}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_checkpoint_that_was_asked_for_is_there_and_verified() {
    let home = Home::new();
    let id = fake(&home, &["--set", "steps=100000"]);
    let _running = home.until_done(&id, 3.0);
    let first = home.resus(&["checkpoint", &id, "--json"]).expect_code(0).json();
    let second = home.resus(&["checkpoint", &id, "--json"]).expect_code(0).json();
    let step = |run: &Value| run["checkpoint"]["step"].as_f64().unwrap();
    assert!(step(&second) >= step(&first), "{second}");
    assert!(Path::new(second["checkpoint"]["path"].as_str().unwrap()).exists());
    let said = home.resus(&["checkpoint", &id]).expect_code(0);
    assert!(said.stderr.contains("and it verifies"), "{said:?}");
    home.resus(&["kill", &id]).expect_code(0);
    home.resus(&["checkpoint", &id]).expect_code(11);
    home.resus(&["pause", &id]).expect_code(11);
    home.resus(&["resume", &id]).expect_code(11);
}

/// A v1 file as a writer that knows nothing of us writes it.
struct Writer(std::path::PathBuf);

impl Writer {
    fn write(&self, status: &str, epoch: f64, message: &str, age_s: u64) {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - age_s;
        let text = json!({
            "status": status, "epoch": epoch, "total_epochs": 3.0, "loss": 0.5, "message": message,
            "timestamp": timestamp,
        });
        let part = self.0.with_extension("part");
        fs::write(&part, text.to_string()).unwrap();
        fs::rename(part, &self.0).unwrap();
    }
}

/// The run that waits for the next training, once there is one.
fn successor(home: &Home, of: &[&str]) -> String {
    home.wait_for("the successor", || {
        let runs = home.resus(&["ps", "--json"]).json();
        let ids = runs["runs"].as_array()?.iter().filter_map(|run| run["run_id"].as_str());
        ids.into_iter().find(|id| !of.contains(id)).map(str::to_owned)
    })
}

#[test]
fn an_adopted_v1_training_is_told_from_its_first_word_to_the_next_training() {
    let home = Home::new();
    let writer = Writer(home.path().join("work/training_status.json"));
    let said = home.resus(&["adopt", "--v1", "training_status.json", "--name", "llama"]).expect_code(0);
    let first = said.stdout.trim().to_owned();
    let waiting = home.until_phase(&first, "preparing");
    assert_eq!(waiting["name"], "llama");
    let again = home.resus(&["adopt", "--v1", "./training_status.json"]).expect_code(0);
    assert_eq!(again.stdout.trim(), first, "it is watched once: {again:?}");

    // It has been silent for long when it is first seen.
    writer.write("running", 0.5, "epoch 0.5/3", 120);
    let stale = home.until(&first, "the stale pulse", |run| {
        let said = run["message"].as_str().unwrap_or_default();
        run["phase"] == "running" && said.contains("Process unresponsive (stale pulse)")
    });
    assert_eq!(stale["progress"]["done"], 0.5, "other fields are kept");
    writer.write("running", 1.5, "epoch 1.5/3", 0);
    let run = home.until_done(&first, 1.5);
    assert_eq!((&run["phase"], &run["progress"]["total"]), (&json!("running"), &json!(3.0)));

    let before = fs::read(&writer.0).unwrap();
    writer.write("done", 3.0, "trained", 0);
    home.resus(&["wait", &first]).expect_code(0);
    let errors = home.resus(&["events", &first, "--type", "error", "--json"]).expect_code(0);
    assert_eq!(envelopes(&errors.stdout).len(), 1, "{errors:?}");
    assert_ne!(fs::read(&writer.0).unwrap(), before);

    let second = successor(&home, &[&first]);
    assert_eq!(home.until_phase(&second, "preparing")["name"], "llama");
    writer.write("running", 0.1, "again", 0);
    let _running = home.until_phase(&second, "running");
    writer.write("error", 0.2, "CUDA is gone", 0);
    home.resus(&["wait", &second]).expect_code(20);
    let failed = home.view(&second);
    assert_eq!((&failed["attempt"], &failed["last_failure"]["message"]), (&json!(1), &json!("CUDA is gone")));

    let third = successor(&home, &[&first, &second]);
    let _waiting = home.until_phase(&third, "preparing");
    let untouched = fs::read(&writer.0).unwrap();
    home.resus(&["stop", &third]).expect_code(0);
    assert_eq!(home.view(&third)["phase"], "cancelled");
    assert_eq!(fs::read(&writer.0).unwrap(), untouched, "the file is only read");
    let live = home.resus(&["ps", "--json"]).json();
    let live = live["runs"].as_array().unwrap().iter().filter(|run| run["ended_at"].is_null()).count();
    assert_eq!(live, 0, "a stop leaves no successor");
}
