//! Requests: the schema takes a document exactly when the daemon reads it.

use crate::validate::{Schemas, Unlisted};
use resus_core::api::control::{
    CheckpointsRequest, ConfigureRequest, CurvesRequest, DaemonRequest, HistoryRequest, ListRequest,
    LogsRequest, PauseRequest, PinRequest, PruneRequest, RecheckRequest, RemoveRequest, RerunRequest,
    RestoreRequest, RunRequest, StartRequest, StateRequest, WorkloadsRequest,
};
use resus_core::api::{Overrides, SweepBody};
use resus_core::policy::Policy;
use resus_core::spec::Resume;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Replaces every field by everything, leaves every field out, adds one: both judges agree.
fn agree<T: DeserializeOwned>(schemas: &mut Schemas, file: &str, whole: &Value) {
    let mut variants = vec![whole.clone(), json!({}), json!("x")];
    let fields: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
    let listed: BTreeSet<_> = fields.iter().map(|field| format!("{file}#.{field}")).collect();
    // Fields of documents within it are theirs.
    let is_own = |field: &String| field.split_once("#.").is_some_and(|(_, name)| !name.contains('.'));
    let own: BTreeSet<_> = schemas.fields_of(file).into_iter().filter(is_own).collect();
    assert_eq!(own, listed, "the sample has every field, and no other");
    for field in &fields {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(field);
        variants.push(without);
        for other in [
            json!(null),
            json!(true),
            json!(-1),
            json!(7),
            json!(1.5),
            json!(1u64 << 40),
            json!("text"),
            json!("not an id!"),
            json!([]),
            json!(["a", "b"]),
            json!([["a", "b"]]),
            json!([["a"]]),
            json!({}),
            json!({"a": "b"}),
            json!({"from": {"checkpoint_id": "a", "path": "/a"}}),
            json!({"from": {"checkpoint_id": "a"}}),
            json!({"retries": 3}),
        ] {
            // (serde also reads a list as an object's fields in their order.)
            if whole[field.as_str()].is_object() && other.is_array() {
                continue;
            }
            let mut variant = whole.clone();
            variant[field.as_str()] = other;
            variants.push(variant);
        }
    }
    let mut more = whole.clone();
    more["tomorrow"] = json!(1);
    variants.push(more);
    let mut taken = 0;
    for variant in &variants {
        let faults = schemas.check(file, variant);
        let read =
            serde_json::from_value::<T>(variant.clone()).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(faults.is_empty(), read.is_ok(), "{file}: {variant}: {faults:?}, {read:?}");
        taken += usize::from(read.is_ok());
    }
    assert!(taken > 0 && taken < variants.len(), "{file}");
}

#[test]
fn requests_are_taken_exactly_when_they_are_read() {
    let mut schemas = Schemas::new(Unlisted::Ignored);
    let schemas = &mut schemas;
    let overrides = serde_json::to_value(Overrides::of(&Policy::default(), |_| true)).unwrap();
    assert_eq!(overrides.as_object().unwrap().len(), Overrides::KEYS.len());
    agree::<Overrides>(schemas, "overrides.json", &overrides);
    let start = json!({
        "workload": "w", "workload_path": "/w", "params": {}, "command": ["x"], "name": "n", "cwd": "/", "env": [["A", "b"]],
        "overrides": overrides, "resume": "never", "command_id": "c",
    });
    agree::<StartRequest>(schemas, "start_request.json", &start);
    agree::<RunRequest>(
        schemas,
        "run_request.json",
        &json!({"run": "r", "by": "me", "command_id": "c", "dry_run": true}),
    );
    let rerun = json!({
        "run": "r", "name": "n", "params": {"games": "9"}, "fresh_env": true, "set_env": {"A": "b"},
        "unset_env": ["C"], "overrides": overrides, "command_id": "c", "dry_run": true,
    });
    agree::<RerunRequest>(schemas, "rerun_request.json", &rerun);
    let pause = json!({"run": "r", "by": "me", "command_id": "c", "release": true, "dry_run": true});
    agree::<PauseRequest>(schemas, "pause_request.json", &pause);
    let restore = json!({"run": "r", "checkpoint": "latest", "by": "me", "command_id": "c", "dry_run": true});
    agree::<RestoreRequest>(schemas, "restore_request.json", &restore);
    let from = json!({"from": {"checkpoint_id": "ck-1", "path": "/c/ck-1.prsm"}});
    agree::<Resume>(schemas, "resume.json", &from);
    for word in ["auto", "never", "always"] {
        let known = serde_json::from_value::<Resume>(json!(word)).is_ok();
        assert_eq!(schemas.check("resume.json", &json!(word)).is_empty(), known, "{word}");
    }
    let pin = json!({"run": "r", "checkpoint": "latest", "pinned": true, "by": "me", "command_id": "c"});
    agree::<PinRequest>(schemas, "pin_request.json", &pin);
    let prune = json!({"run": "r", "dry_run": true, "by": "me", "command_id": "c"});
    agree::<PruneRequest>(schemas, "prune_request.json", &prune);
    let remove = json!({"run": "r", "dry_run": true, "with_pinned": true, "by": "me", "command_id": "c"});
    agree::<RemoveRequest>(schemas, "remove_request.json", &remove);
    let sweep = json!({
        "kinds": ["logs"], "older_than_ms": 1, "keep": 1, "max_bytes": 1, "name": "n", "status": ["lost"],
        "only": [{"kind": "logs", "run_id": "r"}], "dry_run": true, "by": "me",
    });
    agree::<SweepBody>(schemas, "sweep_body.json", &sweep);
    let recheck = json!({"run": "r", "checkpoint": "latest", "by": "me", "command_id": "c"});
    agree::<RecheckRequest>(schemas, "recheck_request.json", &recheck);
    let configure = json!({"run": "r", "changes": overrides, "by": "me", "command_id": "c", "dry_run": true});
    agree::<ConfigureRequest>(schemas, "configure_request.json", &configure);
    agree::<CheckpointsRequest>(schemas, "checkpoints_request.json", &json!({"run": "r"}));
    agree::<StateRequest>(schemas, "state_request.json", &json!({"run": "r", "since": 1, "wait_ms": 1}));
    agree::<ListRequest>(schemas, "list_request.json", &json!({"after": "r", "limit": 1}));
    agree::<HistoryRequest>(schemas, "history_request.json", &json!({"run": "r", "after": 1, "limit": 1}));
    let logs = json!({"run": "r", "attempt": 1, "offset": 1, "max": 1, "wait_ms": 1});
    agree::<LogsRequest>(schemas, "logs_request.json", &logs);
    agree::<CurvesRequest>(schemas, "curves_request.json", &json!({"run": "r", "after": "loss"}));
    agree::<WorkloadsRequest>(schemas, "workloads_request.json", &json!({"after": "w"}));
    let daemon = schemas.check("daemon_request.json", &json!({}));
    assert!(daemon.is_empty() && serde_json::from_value::<DaemonRequest>(json!({})).is_ok());
    assert!(!schemas.check("daemon_request.json", &json!({"a": 1})).is_empty());
}
