//! What a worker says, as its supervisor finds it in the file.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use resus_sdk::{
    CheckpointSaved, Environment, ErrorReport, Health, Outcome, Progress, Pulse, RunComplete, Status,
    TargetComplete, TargetOutcome, Unit,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any machine needs; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Worker {
    folder: TempDir,
    pulse: Pulse,
}

impl Worker {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let pulse = Pulse::new(Environment { events: Some(events(folder.path())), ..Environment::default() });
        Self { folder, pulse }
    }

    fn lines(&self) -> Vec<Value> {
        read(&events(self.folder.path()))
    }

    /// What is in the file once the last handle is gone.
    fn end(self) -> Vec<Value> {
        drop(self.pulse);
        read(&events(self.folder.path()))
    }
}

fn events(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut off: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event_type"].as_str().unwrap()).collect()
}

fn step(step: u64) -> Progress {
    Progress { step: Some(step), ..Progress::of(Unit::Step) }
}

#[test]
fn each_kind_of_word_is_one_line_of_the_contract() {
    let worker = Worker::new();
    let pulse = &worker.pulse;
    pulse.status(Status::CoolingDown, "last epoch");
    pulse.stage_change(Some("features"), "models");
    pulse.target_start("eurusd", 0, 7);
    pulse.target_complete(&TargetComplete {
        target: "eurusd",
        target_index: 0,
        total_targets: 7,
        status: TargetOutcome::Skipped,
        best_auc: Some(0.75),
        models_trained: Some(3),
        duration_seconds: Some(1.5),
        metrics: &[("recall", 0.5)],
    });
    pulse.error(&ErrorReport {
        error_code: "CUDA_OOM",
        message: "out of memory",
        is_retryable: true,
        details: Some(json!({"rank": 1})),
        ..ErrorReport::default()
    });
    let path = Path::new("/r/ck-1.prsm");
    pulse.checkpoint_saved(&CheckpointSaved {
        step: Some(150),
        epoch: Some(1.5),
        size_bytes: Some(300),
        duration_s: Some(0.25),
        digest: Some("crc32:9a0b11c2"),
        health: Some(Health::Finite),
        loss: Some(0.5),
        metrics: &[("accuracy", 0.75)],
        ..CheckpointSaved::at("ck-1", path)
    });
    pulse.run_complete(&RunComplete {
        epochs_completed: Some(3.0),
        final_loss: Some(f64::INFINITY),
        metrics: &[("accuracy", f64::NAN)],
        ..RunComplete::with(Outcome::Cancelled)
    });
    let said: Vec<Value> =
        worker.lines().into_iter().map(|line| json!([line["event_type"], line["payload"]])).collect();
    assert_eq!(
        Value::from(said),
        json!([
            ["status", {"status": "cooling_down", "message": "last epoch"}],
            ["stage_change", {"previous_stage": "features", "new_stage": "models"}],
            ["target_start", {"target": "eurusd", "target_index": 0, "total_targets": 7}],
            ["target_complete", {"target": "eurusd", "target_index": 0, "total_targets": 7, "status": "skipped",
                "best_auc": 0.75, "models_trained": 3, "duration_seconds": 1.5, "metrics": {"recall": 0.5}}],
            ["error", {"error_code": "CUDA_OOM", "message": "out of memory", "is_retryable": true, "fatal": false,
                "details": {"rank": 1}}],
            ["checkpoint", {"action": "saved", "checkpoint_id": "ck-1", "path": "/r/ck-1.prsm", "step": 150,
                "epoch": 1.5, "size_bytes": 300, "duration_s": 0.25, "digest": "crc32:9a0b11c2",
                "health": "finite", "loss": 0.5, "metrics": {"accuracy": 0.75}}],
            ["run_complete", {"status": "cancelled", "epochs_completed": 3.0, "metrics": {"accuracy": null},
                "nonfinite": {"accuracy": "nan"}}],
        ])
    );
}

#[test]
fn nothing_said_after_a_progress_overtakes_it() {
    let worker = Worker::new();
    (1..=3).for_each(|n| worker.pulse.progress(step(n)));
    worker.pulse.heartbeat();
    worker.pulse.status(Status::Running, "");
    let lines = worker.lines();
    assert_eq!(types(&lines).last(), Some(&"status"));
    let steps: Vec<&Value> =
        lines.iter().filter(|l| l["event_type"] == "progress").map(|l| &l["payload"]["step"]).collect();
    assert_eq!(steps.last(), Some(&&json!(3)), "the newest progress comes before what was said after it");
    assert!(lines.is_sorted_by_key(|line| line["n"].as_u64()));
}

#[test]
fn the_last_handle_to_go_says_what_is_waiting() {
    let worker = Worker::new();
    (1..=50).for_each(|n| worker.pulse.progress(step(n)));
    worker.pulse.metrics(Some(50), &[("loss", f64::NEG_INFINITY)]);
    let lines = worker.end();
    assert_eq!(lines.last().unwrap()["payload"]["nonfinite"], json!({"loss": "-inf"}));
    assert!(lines.iter().any(|line| line["payload"]["step"] == 50 && line["event_type"] == "progress"));
}

#[test]
fn the_last_progress_of_a_burst_is_said_without_another_word() {
    let worker = Worker::new();
    (1..=5).for_each(|n| worker.pulse.progress(step(n)));
    let start = Instant::now();
    while worker.lines().last().is_none_or(|line| line["payload"]["step"] != 5) {
        assert!(start.elapsed() < PATIENCE, "still waiting: {:?}", worker.lines());
        std::thread::yield_now();
    }
}

#[test]
fn a_tight_loop_writes_at_most_ten_lines_a_second() {
    let worker = Worker::new();
    let start = Instant::now();
    (1..=20_000).for_each(|n| worker.pulse.progress(step(n)));
    let lines = worker.end();
    // One at once, one per finished interval, one at the end.
    let allowed = start.elapsed().as_millis() / 100 + 2;
    assert!(lines.len() as u128 <= allowed, "{} lines, {allowed} allowed", lines.len());
    assert_eq!(lines.last().unwrap()["payload"]["step"], 20_000);
}

#[test]
fn threads_and_clones_share_one_counter_and_never_mix_lines() {
    let worker = Worker::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let pulse = worker.pulse.clone();
            scope.spawn(move || {
                (0..100).for_each(|n| pulse.status(Status::Running, &format!("{thread}/{n}")))
            });
        }
    });
    assert_eq!(worker.pulse.dropped(), 0);
    let numbers: Vec<u64> = worker.end().iter().map(|line| line["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 800);
    assert!(numbers.is_sorted_by(|a, b| a < b), "one file, one order");
}

#[test]
fn the_longest_words_stay_within_the_limits() {
    let worker = Worker::new();
    let long = "\u{1}漢".repeat(40_000);
    worker.pulse.status(Status::Error, &long);
    worker.pulse.stage_change(Some(&long), &long);
    worker.pulse.checkpoint_saved(&CheckpointSaved::at(&long, Path::new(&long)));
    let details = Some(json!({"traceback_tail": long, "exception": [long, long, long]}));
    let report = ErrorReport { error_code: &long, message: &long, details, ..ErrorReport::default() };
    worker.pulse.error(&report);
    assert_eq!(worker.pulse.dropped(), 0);
    let bytes = fs::read(events(worker.folder.path())).unwrap();
    assert!(bytes.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() <= 64 * 1024));
    let lines = worker.lines();
    assert_eq!(types(&lines), ["status", "stage_change", "checkpoint", "error"]);
    assert!(lines[0]["payload"]["message"].as_str().unwrap().len() <= 256);
    assert!(lines[3]["payload"]["message"].as_str().unwrap().len() <= 1024);
}

#[test]
fn outside_resus_nothing_is_said_and_nothing_fails() {
    let pulse = Pulse::new(Environment::default());
    pulse.status(Status::Running, "");
    pulse.progress(step(1));
    pulse.run_complete(&RunComplete::with(Outcome::Success));
    assert!(!pulse.is_enabled() && !pulse.stop_requested() && pulse.take_command().is_none());
    assert_eq!(pulse.dropped(), 0);
}

#[test]
fn words_that_cannot_be_written_are_counted_and_the_file_is_tried_again() {
    let folder = TempDir::new().unwrap();
    let late = folder.path().join("late");
    let pulse = Pulse::new(Environment { events: Some(events(&late)), ..Environment::default() });
    pulse.status(Status::Running, "lost");
    pulse.progress(step(1));
    pulse.flush();
    assert_eq!(pulse.dropped(), 2);
    fs::create_dir(&late).unwrap();
    pulse.status(Status::Running, "written");
    let lines = read(&events(&late));
    assert_eq!((lines.len(), &lines[0]["payload"]["message"]), (1, &json!("written")));
    assert_eq!(pulse.dropped(), 2);
}
