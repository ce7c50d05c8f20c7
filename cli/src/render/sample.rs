//! Views for the tests of the renderings.

use crate::render::page::Page;
use crate::text::paint::Paint;
use jiff::tz::TimeZone;
use resus_core::api::{Foretold, Plan, ReloadReply, StoryLine, Submission, WorkloadList};
use resus_core::view::RunView;
use serde_json::{Value, json};

/// Id of the sample run.
pub(crate) const RUN_ID: &str = "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77";

/// A page of `columns` without colours, in UTC.
pub(crate) fn page(columns: usize) -> Page {
    Page { paint: Paint(false), columns, home: None, zone: TimeZone::UTC }
}

/// A run in the middle of its training, with `changes` in place of its fields.
pub(crate) fn view(changes: Value) -> RunView {
    let mut view = json!({
        "run_id": RUN_ID, "name": "othello", "workload": "othello", "node": "gpu-a1",
        "phase": "running", "status": "running", "attempt": 1, "seq": 9, "failures": 0, "retries": 0, "retries_max": 5,
        "refused_lines": 0, "pid": 4242,
        "progress": {"unit": "game", "done": 12400.0, "total": 20000.0, "loss": 0.127, "rate": 812.0, "eta_s": 12.0},
        "metrics": {"games_per_second": 812.0}, "message": "self-play",
        "accepted_at": "2026-11-22T04:13:46.123Z", "age_s": 192.0, "duration_s": 192.0,
        "argv": ["resus", "worker", "othello"],
    });
    if let (Some(view), Value::Object(changes)) = (view.as_object_mut(), changes) {
        view.extend(changes);
    }
    serde_json::from_value(view).expect("a view")
}

/// An event of the sample run, `seq` minutes after its acceptance.
pub(crate) fn line(seq: u64, what: &str, payload: Value) -> StoryLine {
    let event = json!({
        "v": 2, "seq": seq, "training_id": RUN_ID, "attempt": 1, "event_type": "worker",
        "timestamp": format!("2026-11-22T05:{seq:02}:46.123Z"), "source": "supervisor", "payload": payload,
    });
    StoryLine {
        what: what.to_owned(),
        why: "REQUESTED".to_owned(),
        sentence: format!("{what} happened"),
        event,
    }
}

/// Two workloads: a built-in one, and one with every kind of parameter.
pub(crate) fn workloads() -> WorkloadList {
    let param = |more: Value| {
        let mut param = json!({"flag": "--x", "summary": "What it is."});
        param.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        param
    };
    let list = json!({"workloads": [
        {"name": "alpha", "origin": "built_in", "summary": "Learns.", "argv": ["{resus}"], "contract": "pulse"},
        {
            "name": "mine", "origin": "user", "folder": "/w/mine", "summary": "Learns, too.",
            "argv": ["python3", "{workload}/a b.py"], "contract": "opaque", "exit_codes": {"2": "CONFIG_INVALID"},
            "params": {
                "mode": param(json!({"type": "text", "choices": ["fast", "slow"], "default": "fast"})),
                "n": param(json!({"type": "integer", "min": 1.0, "max": 9.0})),
                "rate": param(json!({"type": "number", "min": 0.5})),
                "yes": param(json!({"type": "switch"})),
            },
        },
    ]});
    serde_json::from_value(list).unwrap()
}

/// What a command would lead to.
pub(crate) fn foretold() -> Foretold {
    let event = json!({"what": "stop_requested", "why": "REQUESTED", "sentence": "is asked to stop"});
    serde_json::from_value(json!({"events": [event], "phase": "stopping"})).unwrap()
}

/// What a daemon says that has read its settings again.
pub(crate) fn reloaded() -> ReloadReply {
    let reply = json!({
        "for_new_runs": ["retry.max"], "at_once": ["daemon.idle_exit"], "needs_restart": ["bus.url"],
        "settings": {
            "file": "/home/ann/.config/resus/config.toml", "stamp": "42@1.000000000",
            "read_at": "2026-11-22T04:16:58.123Z", "waiting": ["bus.url"],
        },
    });
    serde_json::from_value(reply).unwrap()
}

/// What `submission` comes to.
pub(crate) fn plan(submission: Submission) -> Plan {
    let workload = submission.workload.unwrap_or_else(|| "command".to_owned());
    let plan = json!({
        "workload": workload, "name": workload, "argv": submission.command.unwrap_or_default(),
        "cwd": submission.cwd, "env_count": submission.env.len(), "contract": "opaque", "settings": [],
    });
    serde_json::from_value(plan).unwrap()
}
