//! Dialects of older emitters: lines that mean what ours mean and are written otherwise.
//!
//! The fields may lie beside the `event_type` instead of within a `payload`. The draft of PULSE v2
//! said `status_changed`, `completed` and `cancelled`, and gave metrics without a `metrics` object.
//! The training dashboard's emitters call the fields of progress, errors and results by other
//! names.

use crate::codes::CLASSES;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Fields of the envelope: never part of a flat payload.
const ENVELOPE: [&str; 12] = [
    "event_type",
    "payload",
    "timestamp",
    "n",
    "v",
    "run_id",
    "training_id",
    "attempt",
    "flow_run_id",
    "flow_id",
    "flow_step_id",
    "source",
];

/// Kind and payload of a line in our own words.
pub(super) fn translate<'a>(object: &'a Map<String, Value>) -> (&'a str, Cow<'a, Map<String, Value>>) {
    let event_type = object.get("event_type").and_then(Value::as_str).unwrap_or_default();
    let payload = match object.get("payload") {
        Some(Value::Object(payload)) => Cow::Borrowed(payload),
        _ => Cow::Owned(flat(object)),
    };
    match event_type {
        "status_changed" => ("status", payload),
        "completed" => ("run_complete", completed(payload, "success")),
        "cancelled" => ("run_complete", completed(renamed(payload, &[("reason", "message")]), "cancelled")),
        "metric" if !payload.contains_key("metrics") => ("metric", metrics(payload)),
        "progress" if payload.contains_key("progress_pct") || payload.contains_key("targets_complete") => {
            ("progress", targets(payload))
        }
        "error" if payload.contains_key("error_type") || payload.contains_key("error_message") => {
            ("error", dashboard_error(payload))
        }
        other => (other, payload),
    }
}

fn flat(object: &Map<String, Value>) -> Map<String, Value> {
    let ours = |(name, _): &(&String, &Value)| !ENVELOPE.contains(&name.as_str());
    object.iter().filter(ours).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Gives fields their name here, unless that is there already.
fn renamed<'a>(payload: Cow<'a, Map<String, Value>>, names: &[(&str, &str)]) -> Cow<'a, Map<String, Value>> {
    let mut payload = payload.into_owned();
    for (theirs, ours) in names {
        if let Some(value) = payload.remove(*theirs) {
            payload.entry((*ours).to_owned()).or_insert(value);
        }
    }
    Cow::Owned(payload)
}

fn completed<'a>(payload: Cow<'a, Map<String, Value>>, outcome: &str) -> Cow<'a, Map<String, Value>> {
    let mut payload = payload.into_owned();
    payload.insert("status".to_owned(), outcome.into());
    Cow::Owned(payload)
}

/// Every number is a metric, but for the step.
fn metrics<'a>(payload: Cow<'a, Map<String, Value>>) -> Cow<'a, Map<String, Value>> {
    let mut payload = payload.into_owned();
    let step = payload.remove("step");
    let numbers: Map<_, _> =
        payload.into_iter().filter(|(_, value)| value.is_number() || value.is_null()).collect();
    let mut translated = Map::from_iter([("metrics".to_owned(), Value::Object(numbers))]);
    translated.extend(step.map(|step| ("step".to_owned(), step)));
    Cow::Owned(translated)
}

/// Targets are the unit where their number is known, else percent.
fn targets<'a>(payload: Cow<'a, Map<String, Value>>) -> Cow<'a, Map<String, Value>> {
    let counted = payload.get("targets_total").and_then(Value::as_f64).is_some_and(|total| total > 0.0);
    if counted {
        let names = [("targets_complete", "done"), ("targets_total", "total")];
        let mut payload = renamed(payload, &names).into_owned();
        payload.entry("unit".to_owned()).or_insert("target".into());
        return Cow::Owned(payload);
    }
    let mut payload = renamed(payload, &[("progress_pct", "done")]).into_owned();
    payload.entry("unit".to_owned()).or_insert("percent".into());
    payload.entry("total".to_owned()).or_insert(100.into());
    Cow::Owned(payload)
}

/// `error_type` names a class of ours, or one of the application (`APP_…`).
fn dashboard_error<'a>(payload: Cow<'a, Map<String, Value>>) -> Cow<'a, Map<String, Value>> {
    let names = [("error_message", "message"), ("recoverable", "is_retryable")];
    let mut payload = renamed(payload, &names).into_owned();
    if let Some(Value::String(kind)) = payload.remove("error_type") {
        let code: String = kind
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let known = CLASSES.iter().any(|class| class.code == code);
        let code = if known || code.starts_with("APP_") { code } else { format!("APP_{code}") };
        payload.entry("error_code".to_owned()).or_insert(code.into());
    }
    Cow::Owned(payload)
}
