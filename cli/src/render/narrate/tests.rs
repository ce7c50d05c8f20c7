use super::*;
use crate::render::sample::page;
use serde_json::json;

fn story(events: &[Value]) -> Vec<String> {
    let mut narrator = Narrator::default();
    narrator.counts("game");
    narrator.counts("");
    events
        .iter()
        .map(|event| StoryLine {
            // What the ledger calls the others matters to nobody here.
            what: text(event, "what").unwrap_or_default().to_owned(),
            why: "REQUESTED".to_owned(),
            sentence: "it happened\u{1b}".to_owned(),
            event: event.clone(),
        })
        .filter_map(|line| narrator.hear(&line))
        .map(|told| told.line(&page(80)))
        .collect()
}

fn event(kind: &str, attempt: u32, payload: Value) -> Value {
    json!({
        "v": 2, "event_type": kind, "attempt": attempt, "timestamp": 1_700_000_000, "source": "supervisor",
        "payload": payload,
    })
}

#[test]
fn a_crash_and_its_recovery_are_a_story() {
    let told = story(&[
        event("status", 0, json!({"status": "idle", "previous": "idle"})),
        event("worker", 1, json!({"action": "ordered", "from_checkpoint": null, "lost_steps": null})),
        event("worker", 1, json!({"action": "started", "pid": 7})),
        event("status", 1, json!({"status": "running", "previous": "preparing"})),
        event("checkpoint", 1, json!({"action": "verified", "checkpoint_id": "ck-150", "step": 1500})),
        event("error", 1, json!({"error_code": "WORKER_CRASHED", "message": "ended by SIGKILL after 3.2 s"})),
        event(
            "status",
            1,
            json!({"status": "preparing", "retry_at": 1_700_000_001.9, "retries": 1, "retries_max": 5}),
        ),
        event("checkpoint", 2, json!({"action": "corrupt", "checkpoint_id": "ck-160", "reason": "bad CRC"})),
        event(
            "checkpoint",
            2,
            json!({"action": "corrupt", "checkpoint_id": "ck-155", "reason": "cut off", "moved_to": "/d/ck-155"}),
        ),
        event("worker", 2, json!({"action": "retried", "from_checkpoint": "ck-150", "lost_steps": 12.0})),
        event("worker", 2, json!({"action": "started", "pid": 8})),
        event("status", 2, json!({"status": "running", "previous": "preparing"})),
        event("status", 2, json!({"status": "done", "previous": "running"})),
    ]);
    let expected = [
        "● training",
        "✗ attempt 1 failed: WORKER_CRASHED: ended by SIGKILL after 3.2 s",
        "↻ retry 1/5 in 2s",
        "! checkpoint ck-160 refused: bad CRC",
        "! checkpoint ck-155 refused: cut off; it lies in /d/ck-155 now",
        "↻ attempt 2 resumes from checkpoint ck-150 (at 1,500 games), 12 games lost",
        "● training again (pid 8)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn that_no_checkpoint_can_be_used_is_left_to_the_end_of_the_run() {
    let failed = |fatal: bool| {
        let payload = json!({"error_code": "CHECKPOINT_CORRUPT", "message": "none is left", "fatal": fatal});
        story(&[event("error", 2, payload)])
    };
    assert_eq!(failed(false), ["✗ attempt 2 failed: CHECKPOINT_CORRUPT: none is left"]);
    assert!(failed(true).is_empty());
}

#[test]
fn what_is_lost_is_told_where_there_is_no_checkpoint() {
    let begun = |lost: f64| {
        let payload = json!({"action": "retried", "from_checkpoint": null, "lost_steps": lost});
        story(&[event("worker", 2, payload)])
    };
    assert_eq!(
        begun(54_272.0),
        ["↻ attempt 2, no checkpoint yet: starts from the beginning, 54,272 games lost"]
    );
    assert_eq!(begun(1.0), ["↻ attempt 2, no checkpoint yet: starts from the beginning, 1 game lost"]);
}

#[test]
fn what_is_past_has_its_time_and_an_end_that_was_taken_back_is_in_it() {
    let line = StoryLine {
        what: "ended".to_owned(),
        why: "REQUESTED".to_owned(),
        sentence: "the run was cancelled: cli asked for it".to_owned(),
        event: json!({
            "event_type": "status", "attempt": 1, "timestamp": "2023-11-14T22:13:20Z", "source": "supervisor",
            "payload": {"status": "cancelled", "previous": "running"},
        }),
    };
    let mut narrator = Narrator::default();
    assert_eq!(narrator.hear(&line), None, "whoever watches is told the outcome");
    let told = narrator.hear_past(&line).unwrap().past_line(&line, &page(80));
    let of_day = time_of_day(&line, &page(80));
    assert_eq!(told, format!("■ {of_day} the run was cancelled: cli asked for it"));
    assert_eq!(of_day.len(), "22:13:20".len());
}

#[test]
fn every_rung_of_a_stop_is_told() {
    let told = story(&[
        event("worker", 1, json!({"action": "stopping", "cause": "user", "signal_sent": null})),
        event("worker", 1, json!({"action": "signalled", "signal_sent": "SIGTERM"})),
        event("worker", 1, json!({"action": "killed", "signal_sent": "SIGKILL"})),
        event("worker", 1, json!({"action": "unkillable"})),
        event(
            "worker",
            1,
            json!({"action": "stopping", "cause": "startup_timeout", "signal_sent": "SIGKILL"}),
        ),
    ]);
    let expected = [
        "■ stopping: asked the worker to save a checkpoint and leave",
        "■ sent SIGTERM to the worker",
        "■ sent SIGKILL to everything the worker started",
        "! the worker survives SIGKILL: it hangs in the kernel",
        "■ the worker did not get ready in time: killing it at once",
    ];
    assert_eq!(told, expected);
}

#[test]
fn pauses_hangs_and_too_many_errors_are_told_as_the_ledger_explains_them() {
    let called = |what: &str, payload: Value| {
        let mut event = event("error", 1, payload);
        event["what"] = json!(what);
        event
    };
    let too_many = json!({"error_code": "ERROR_RATE_EXCEEDED", "message": "12 of 1000"});
    let told = story(&[
        called("error_rate_exceeded", too_many),
        called("pause_begun", json!({"status": "running", "requested_by": "cli"})),
        called("paused", json!({"status": "paused"})),
        called("resumed", json!({"status": "running"})),
        called("hung", json!({"action": "hung"})),
        called("checkpoints_doubted", json!({"action": "doubted"})),
        called("checkpoint_pinned", json!({"action": "pinned"})),
    ]);
    let happened = |glyph: &str| format!("{glyph} it happened\\u{{1b}}");
    assert_eq!(told, ["!", "‖", "‖", "●", "!", "↻", "→"].map(happened));
}

#[test]
fn a_workers_words_are_harmless_and_odd_events_are_silent() {
    let mut reported = event("error", 1, json!({"error_code": "APP_X", "message": "\u{1b}[2Jboo"}));
    reported["source"] = json!("worker");
    assert_eq!(story(&[reported]), ["! the worker reports APP_X: \\u{1b}[2Jboo"]);
    let stage = event("stage_change", 1, json!({"new_stage": "eval\u{202e}"}));
    assert_eq!(story(&[stage]), ["→ stage: eval\\u{202e}"]);
    for odd in
        [json!(null), json!([]), json!({}), event("status", 1, json!([])), event("new_kind", 1, json!({}))]
    {
        assert!(story(std::slice::from_ref(&odd)).is_empty(), "{odd}");
    }
}
