//! Whole attempts, played in this process without pauses between the steps.

mod saving;

use super::*;
use crate::script::{ErrorAt, Stall};
use resus_checkpoint::newest_verified;
use resus_sdk::Environment;
use serde_json::Value;
use std::os::unix::net::UnixListener;
use std::path::Path;
use tempfile::TempDir;

/// Longer than any machine needs; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The line that asks a worker to leave.
const STOP: &str = "{\"cmd\":\"stop\"}\n";

/// A run folder, and what an attempt in it left behind.
struct Stage(TempDir);

struct Played {
    ending: Ending,
    said: Vec<Value>,
    printed: String,
}

impl Stage {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn environment(&self, attempt: u32) -> Environment {
        let resume_from = newest_verified(self.folder()).unwrap().chosen.map(|candidate| candidate.path);
        Environment {
            attempt,
            events: Some(self.folder().join(format!("{attempt}.jsonl"))),
            checkpoint_dir: Some(self.folder().to_owned()),
            resume_from,
            ..Environment::default()
        }
    }

    fn play(&self, attempt: u32, script: &Script) -> Played {
        play(self.environment(attempt), script)
    }

    /// Plays; each of `lines` is sent once the word before it has been said.
    fn play_commanded(&self, script: &Script, lines: &[(&str, &str)]) -> Played {
        let control = self.folder().join("control");
        let listener = UnixListener::bind(&control).unwrap();
        let environment = Environment { control: Some(control), ..self.environment(1) };
        let events = environment.events.clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut worker, _) = listener.accept().unwrap();
                for (word, line) in lines {
                    wait_for(&events, word);
                    worker.write_all(line.as_bytes()).unwrap();
                }
            });
            play(environment, script)
        })
    }
}

fn wait_for(events: &Path, word: &str) {
    let start = Instant::now();
    while !std::fs::read_to_string(events).unwrap_or_default().contains(word) {
        assert!(start.elapsed() < PATIENCE, "never said: {word}");
        std::thread::yield_now();
    }
}

fn play(environment: Environment, script: &Script) -> Played {
    let events = environment.events.clone().unwrap();
    let mut printed = Vec::new();
    let pulse = Pulse::new(environment);
    let ending = Run::new(script, &pulse, &mut printed).play();
    drop(pulse);
    let text = std::fs::read_to_string(events).unwrap();
    let said = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Played { ending, said, printed: String::from_utf8(printed).unwrap() }
}

impl Played {
    fn payloads(&self, event_type: &str) -> Vec<&Value> {
        self.said
            .iter()
            .filter(|line| line["event_type"] == event_type)
            .map(|line| &line["payload"])
            .collect()
    }

    fn last_step(&self) -> Option<u64> {
        self.payloads("progress").last().and_then(|payload| payload["step"].as_u64())
    }

    fn digest(&self) -> &Value {
        &self.payloads("run_complete")[0]["metrics"]["digest"]
    }
}

fn quick(steps: u64) -> Script {
    Script { steps, step_time: Duration::ZERO, ..Script::default() }
}

fn crashing(step: u64, corrupt_last: bool) -> Script {
    let crash = Crash { step, how: CrashHow::Exit(9), times: Some(1), corrupt_last, in_save: false };
    Script { crash: Some(crash), checkpoint_every: Some(5), ..quick(20) }
}

/// Slow enough that a command arrives long before the end; a test never waits for that end.
fn patient() -> Script {
    Script { steps: 1_000_000, step_time: Duration::from_millis(1), ..Script::default() }
}

#[test]
fn a_good_run_reports_its_last_step_and_says_done() {
    let played = Stage::new().play(1, &Script { print_lines: 2, ..quick(3) });
    assert_eq!((played.ending, played.last_step()), (Ending::Exit(0), Some(3)));
    assert_eq!(played.payloads("run_complete")[0]["status"], "success");
    assert_eq!(played.printed.lines().count(), 6);
    assert!(played.printed.starts_with("step 1 line 1 of 2\n"));
}

#[test]
fn a_crash_comes_before_its_step_is_reported_and_says_nothing() {
    let played = Stage::new().play(1, &crashing(8, false));
    assert_eq!((played.ending, played.last_step()), (Ending::Crash(CrashHow::Exit(9)), Some(7)));
    assert!(played.payloads("run_complete").is_empty() && played.payloads("error").is_empty());
}

#[test]
fn a_resumed_run_ends_exactly_like_one_that_never_crashed() {
    let stage = Stage::new();
    stage.play(1, &crashing(8, false));
    let resumed = stage.play(2, &crashing(8, false));
    assert_eq!(resumed.payloads("progress")[0]["session_start"], 5.0);
    assert_eq!(resumed.digest(), Stage::new().play(1, &quick(20)).digest());
}

#[test]
fn a_corrupted_last_checkpoint_leaves_the_one_before_it() {
    let stage = Stage::new();
    let played = stage.play(1, &crashing(13, true));
    assert_eq!(played.ending, Ending::Crash(CrashHow::Exit(9)));
    let picked = newest_verified(stage.folder()).unwrap();
    assert_eq!((picked.chosen.unwrap().header.games, picked.refused.len()), (5, 1));
}

#[test]
fn a_corrupt_checkpoint_is_not_resumed_from() {
    let stage = Stage::new();
    stage.play(1, &crashing(8, true));
    let environment =
        Environment { resume_from: Some(stage.folder().join("step-000005.prsm")), ..stage.environment(2) };
    let played = play(environment, &quick(20));
    assert_eq!((played.ending, played.last_step()), (Ending::Exit(1), None));
    assert_eq!(played.payloads("error")[0]["error_code"], "CHECKPOINT_CORRUPT");
}

#[test]
fn a_stop_ends_the_run_at_a_checkpoint() {
    let stage = Stage::new();
    let played = stage.play_commanded(&patient(), &[("running", STOP)]);
    assert_eq!(played.ending, Ending::Exit(0));
    assert_eq!(played.payloads("run_complete")[0]["status"], "cancelled");
    assert_eq!(played.payloads("checkpoint").len(), 1);
    assert!(newest_verified(stage.folder()).unwrap().chosen.is_some());
}

#[test]
fn a_pause_with_release_leaves_at_a_checkpoint_without_saying_done() {
    let played =
        Stage::new().play_commanded(&patient(), &[("running", "{\"cmd\":\"pause\",\"release\":true}\n")]);
    assert_eq!(played.ending, Ending::Exit(3));
    assert_eq!((played.payloads("checkpoint").len(), played.payloads("run_complete").len()), (1, 0));
}

#[test]
fn a_pause_holds_and_a_resume_goes_on() {
    let lines =
        [("running", "{\"cmd\":\"pause\"}\n"), ("paused", "{\"cmd\":\"resume\"}\n"), ("on from", STOP)];
    let played = Stage::new().play_commanded(&patient(), &lines);
    let statuses: Vec<&Value> = played.payloads("status").iter().map(|payload| &payload["status"]).collect();
    assert_eq!(statuses, ["running", "paused", "running"]);
    assert_eq!(played.payloads("run_complete")[0]["status"], "cancelled");
}

#[test]
fn a_stall_lives_without_progress_until_it_is_stopped() {
    let script = Script { stall: Some(Stall { step: 1, times: None }), ..quick(5) };
    let played = Stage::new().play_commanded(&script, &[("heartbeat", STOP)]);
    assert_eq!((played.ending, played.last_step()), (Ending::Exit(0), None));
    assert!(!played.payloads("heartbeat").is_empty());
}

#[test]
fn a_scripted_error_is_said_and_the_run_goes_on() {
    let error = ErrorAt { step: 2, every: 0, code: "APP_ODD".into(), fatal: false, is_retryable: true };
    let played = Stage::new().play(1, &Script { error: Some(error), ..quick(4) });
    let said = &played.payloads("error")[0];
    assert_eq!((&said["error_code"], &said["is_retryable"]), (&"APP_ODD".into(), &true.into()));
    assert_eq!(played.last_step(), Some(4));
}

#[test]
fn a_run_can_end_without_a_word_and_with_any_code() {
    let played = Stage::new().play(1, &Script { no_done: true, exit_code: 75, ..quick(1) });
    assert_eq!((played.ending, played.payloads("run_complete").len()), (Ending::Exit(75), 0));
}

#[test]
fn checkpoints_without_a_place_for_them_are_a_permanent_failure() {
    let stage = Stage::new();
    let environment = Environment { checkpoint_dir: None, ..stage.environment(1) };
    let played = play(environment, &Script { checkpoint_every: Some(1), ..quick(3) });
    assert_eq!(played.ending, Ending::Exit(125));
    assert_eq!(played.payloads("error")[0]["error_code"], "CONFIG_INVALID");
}
