//! Events: every one of random histories fits its schema, and every field of the schemas is
//! said by some event.

use crate::validate::{Schemas, Unlisted};
use crate::walk::{Walk, envelope_of};
use resus_core::pulse::v2::EventType;
use resus_core::schema::file_of_event;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Enough to meet everything; a single history is forty things that happen.
const HISTORIES: u64 = 600;

/// Actions of a checkpoint that PULSE has and that we do not say yet.
const ACTIONS_PLANNED: [&str; 1] = ["failed"];

static ALL_TOLD: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut told = Vec::new();
    for number in 0..HISTORIES {
        let mut walk = Walk::begin(number);
        for _ in 0..40 {
            walk.step();
        }
        told.append(&mut walk.told);
        let telemetry = walk.telemetry.iter().enumerate();
        told.extend(telemetry.map(|(tick, telemetry)| envelope_of(telemetry, tick as u64 + 1)));
    }
    told
});

fn file_of(event: &Value) -> String {
    let event_type: EventType = serde_json::from_value(event["event_type"].clone()).unwrap();
    file_of_event(event_type)
}

#[test]
fn every_event_fits_its_schema_and_every_field_is_said_by_some_event() {
    let mut schemas = Schemas::new(Unlisted::Refused);
    let mut actions = BTreeSet::new();
    for event in ALL_TOLD.iter() {
        let faults = schemas.check(&file_of(event), event);
        assert!(faults.is_empty(), "{faults:#?} of {event}");
        let faults = schemas.check("envelope.json", event);
        assert!(faults.is_empty(), "{faults:#?} of {event}");
        if event["event_type"] == "checkpoint" {
            actions.insert(event["payload"]["action"].as_str().unwrap().to_owned());
        }
    }
    let files: Vec<_> = EventType::ALL.map(file_of_event).into_iter().collect();
    for file in files.iter().map(String::as_str).chain(["envelope.json", "exit.json"]) {
        let silent: Vec<_> = schemas.fields_of(file).difference(&schemas.met).cloned().collect();
        assert!(silent.is_empty(), "nobody ever says {silent:?}: is it still a field?");
    }
    // What the schema allows as an action of a checkpoint is what happens, and what is planned.
    actions.extend(ACTIONS_PLANNED.map(str::to_owned));
    let listed = resus_core::schema::documents()
        .into_iter()
        .find(|document| document.file == file_of_event(EventType::Checkpoint))
        .map(|document| document.schema["properties"]["payload"]["properties"]["action"]["enum"].clone());
    let listed: BTreeSet<String> = serde_json::from_value(listed.unwrap()).unwrap();
    assert_eq!(listed, actions);
}

#[test]
fn what_is_no_event_fits_no_schema() {
    let mut schemas = Schemas::new(Unlisted::Ignored);
    let mut checked = 0;
    let mut seen = BTreeSet::new();
    for event in ALL_TOLD.iter().filter(|event| seen.insert(event["event_type"].to_string())) {
        let file = file_of(event);
        let mut with_more = event.clone();
        with_more["payload"]["tomorrow"] = json!(1);
        with_more["traceparent"] = json!("00-…");
        assert_eq!(schemas.check(&file, &with_more), [""; 0], "readers ignore what they do not know");
        for field in ["v", "training_id", "attempt", "timestamp", "workload", "node", "source", "payload"] {
            let mut without = event.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!schemas.check(&file, &without).is_empty(), "{field} is missing in {without}");
            let mut wrong = event.clone();
            wrong[field] = json!(["?"]);
            assert!(!schemas.check(&file, &wrong).is_empty(), "{wrong}");
            checked += 2;
        }
    }
    assert_eq!(checked, 16 * EventType::ALL.len());
}

/// Kind of an event: its type, and what it says first.
fn kind_of(event: &Value) -> String {
    let word = ["action", "status"].iter().find_map(|field| event["payload"][*field].as_str());
    format!("{} {}", event["event_type"].as_str().unwrap(), word.unwrap_or_default())
}

/// One of each kind, for the tests of other languages and of later versions: what was once on
/// the wire fits for ever, so no line is ever changed. `UPDATE=1` adds what is missing.
#[test]
#[expect(clippy::disallowed_methods, reason = "the tests of core may read files; core may not")]
fn samples_of_every_event_are_kept() {
    let path = format!("{}/testdata/pulse-v2.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut schemas = Schemas::new(Unlisted::Ignored);
    let mut kept = BTreeSet::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(schemas.check(&file_of(&event), &event), [""; 0], "{line}");
        kept.insert(kind_of(&event));
    }
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    for event in ALL_TOLD.iter().filter(|event| !kept.contains(&kind_of(event))) {
        // The richest of its kind.
        let (sample, line) = (missing.entry(kind_of(event)).or_default(), event.to_string());
        if line.len() > sample.len() {
            *sample = line;
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        text.extend(missing.values().map(|line| line.clone() + "\n"));
        std::fs::write(&path, &text).unwrap();
    } else {
        let missing: Vec<_> = missing.keys().collect();
        assert!(missing.is_empty(), "no sample in {path} of {missing:?}: UPDATE=1 adds them");
    }
    assert!(text.lines().count() > 30);
}
