//! Single events over a snapshot: what is taken, and what it does.

use crate::state::Daemon;
use crate::support::*;
use resus_core::ids::Attempt;
use resus_core::pulse::state::{Applied, StateSnapshot};
use resus_core::pulse::v2::Status;
use serde_json::{Value, json};

/// A snapshot after `names`, and the events that came after those.
fn after(names: &[&str], then: &[&str]) -> (StateSnapshot, Vec<Value>) {
    let mut daemon = Daemon::new(false);
    let go = |daemon: &mut Daemon, names: &[&str]| {
        for name in names {
            let next = input(name, run(&daemon.fleet).attempt, run(&daemon.fleet).upto);
            let step = daemon.fleet.step(&run_id(), &next, at(100_000)).unwrap();
            daemon.wire.extend(step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap()));
        }
    };
    go(&mut daemon, names);
    daemon.keep();
    let (said, snapshot) = daemon.snapshots.pop().unwrap();
    go(&mut daemon, then);
    (snapshot, daemon.wire.split_off(said))
}

const RUNNING: [&str; 3] = ["picked none", "started", "sign of life"];

#[test]
fn a_missing_event_is_a_gap_and_changes_nothing() {
    let (mut late, events) = after(&RUNNING, &["said oom-survived", "said stage", "said loading"]);
    let kept = late.clone();
    let gap = Applied::Gap { expected: kept.told.seq + 1, got: kept.told.seq + 3 };
    assert_eq!((late.apply(&events[2]), &late), (gap, &kept));
    for event in &events {
        assert_eq!(late.apply(event), Applied::Taken);
    }
    let error = late.told.last_error.unwrap();
    assert_eq!((error.error_code.as_str(), error.seq, error.fatal), ("CUDA_OOM", kept.told.seq + 1, false));
    assert_eq!((late.told.message.as_str(), late.told.status), ("loading", Status::Running));
}

#[test]
fn an_event_of_an_attempt_that_is_over_is_fenced_and_one_of_another_run_is_none() {
    let (mut late, events) = after(&["picked none", "started", "killed", "retry"], &["picked none"]);
    let mut fenced = events[0].clone();
    fenced["attempt"] = json!(1);
    assert_eq!(late.apply(&fenced), Applied::Old);
    let mut other = events[0].clone();
    other["training_id"] = json!("run-2");
    assert_eq!(late.apply(&other), Applied::Other);
    assert_eq!(late.apply(&events[0]), Applied::Taken);
}

#[test]
fn a_type_that_nobody_knows_counts_for_the_order_only() {
    let (mut late, events) = after(&RUNNING, &["said loading", "said oom"]);
    let mut unknown = events[0].clone();
    unknown["event_type"] = json!("of_tomorrow");
    let before = late.told.message.clone();
    assert_eq!((late.apply(&unknown), late.apply(&events[1])), (Applied::Taken, Applied::Taken));
    assert_eq!(late.told.message, before);
    let telemetry = json!({"v": 2, "event_type": "of_tomorrow", "training_id": "run-1", "attempt": 1,
        "after_seq": 1, "tick": 7, "payload": {}});
    assert_eq!(late.apply(&telemetry), Applied::Other);
}

#[test]
fn the_newest_checkpoint_is_the_one_that_was_read_back() {
    let then = ["said saved", "checkpoint good", "killed", "retry", "picked older"];
    let (mut late, events) = after(&RUNNING, &then);
    let of = |late: &StateSnapshot| late.told.last_checkpoint.as_ref().map(|c| c.checkpoint_id.clone());
    late.apply(&events[0]);
    assert_eq!(of(&late), None, "announced only");
    late.apply(&events[1]);
    assert_eq!(of(&late).as_deref(), Some("ck-5"));
    for event in &events[2..] {
        late.apply(event);
    }
    assert_eq!((of(&late), late.told.attempt), (None, Attempt(2)), "it has turned out to be corrupt");
}

#[test]
fn a_checkpoint_that_is_not_trusted_is_not_the_newest() {
    let then = ["said saved earlier", "earlier good", "said saved", "checkpoint good", "said nan", "exit 1"];
    let (mut late, events) = after(&RUNNING, &then);
    let mut seen = Vec::new();
    for event in &events {
        late.apply(event);
        seen.push(late.told.last_checkpoint.is_some());
    }
    assert_eq!((seen.contains(&true), seen.last()), (true, Some(&false)));
    let mut poisoned = events[1].clone();
    assert_eq!(poisoned["payload"]["action"], "verified");
    poisoned["payload"]["health"] = json!("not_finite");
    poisoned["seq"] = json!(late.told.seq + 1);
    assert_eq!((late.apply(&poisoned), late.told.last_checkpoint), (Applied::Taken, None));
}

#[test]
fn whoever_has_the_state_of_a_run_hears_that_it_is_gone() {
    let (mut late, events) = after(&["picked none", "started", "exit 125"], &["drop output", "remove"]);
    assert_eq!((late.apply(&events[0]), late.is_removed()), (Applied::Taken, false));
    assert_eq!((late.apply(&events[1]), late.is_removed()), (Applied::Taken, true));
    assert_eq!((late.told.status, late.told.previous), (Status::Error, Some(Status::Error)));
    let read: StateSnapshot = serde_json::from_value(serde_json::to_value(&late).unwrap()).unwrap();
    assert!(read.is_removed());
}

#[test]
fn the_document_has_the_keys_of_the_page() {
    let (late, _) = after(&RUNNING, &[]);
    let document = serde_json::to_value(&late).unwrap();
    for key in [
        "v",
        "training_id",
        "name",
        "workload",
        "node",
        "attempt",
        "seq",
        "status",
        "previous",
        "reason",
        "message",
        "timestamp",
        "pid",
        "telemetry_attempt",
        "after_seq",
        "tick",
        "health",
        "progress",
        "metrics",
        "last_error",
        "last_checkpoint",
        "v1",
    ] {
        assert!(document.get(key).is_some(), "{key}: {document}");
    }
    assert_eq!(
        (&document["status"], &document["tick"], &document["v"]),
        (&json!("running"), &json!(0), &json!(2))
    );
    assert_eq!(document["v1"].as_object().unwrap().len(), 6);
}
