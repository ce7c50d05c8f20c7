//! From the structs of `event.rs` to the JSON objects of PULSE: absent fields left out, texts within
//! their limits, no number that JSON cannot hold.

use serde_json::{Map, Number, Value};

use crate::event::{CheckpointSaved, ErrorReport, Health, Progress, RunComplete, TargetComplete};
use crate::text::{clip, clip_end};

/// Names, stages, codes: long enough for any sane one, short enough that no line nears its limit.
const NAME_BYTES_MAX: usize = 256;
/// PULSE: `status.message` ≤ 256 bytes.
pub(crate) const STATUS_MESSAGE_BYTES_MAX: usize = 256;
/// PULSE: `error.message` ≤ 1 KiB.
const ERROR_MESSAGE_BYTES_MAX: usize = 1024;
/// PULSE: `details.traceback_tail` ≤ 8 KiB; taken for every string below `details`.
const DETAIL_BYTES_MAX: usize = 8 * 1024;
/// Linux: `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;
/// PULSE: at most 64 metrics in one event …
pub(crate) const METRICS_MAX: usize = 64;
/// … with names of at most 64 characters.
const METRIC_NAME_CHARS_MAX: usize = 64;

/// A finished payload.
pub(crate) type Fields = Map<String, Value>;

/// A payload under construction; the methods skip what is absent.
#[derive(Default)]
pub(crate) struct Payload(Map<String, Value>);

impl Payload {
    pub(crate) fn name(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.into(), clip(value, NAME_BYTES_MAX).into());
        self
    }

    pub(crate) fn name_if(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.name(key, value),
            None => self,
        }
    }

    pub(crate) fn text(mut self, key: &str, value: &str, bytes_max: usize) -> Self {
        self.0.insert(key.into(), clip(value, bytes_max).into());
        self
    }

    fn value(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.into(), value);
        self
    }

    pub(crate) fn whole(mut self, key: &str, value: Option<u64>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.into(), value.into());
        }
        self
    }

    /// A number JSON can hold; a non-finite one is left out, like an absent one.
    fn real(mut self, key: &str, value: Option<f64>) -> Self {
        if let Some(number) = value.and_then(Number::from_f64) {
            self.0.insert(key.into(), number.into());
        }
        self
    }

    /// A number; null for one that is not finite, where that it is not is what has to be said.
    fn real_or_null(self, key: &str, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.value(key, Number::from_f64(value).map_or(Value::Null, Value::from)),
            None => self,
        }
    }

    pub(crate) fn metrics(mut self, metrics: &[(&str, f64)]) -> Self {
        if !metrics.is_empty() {
            let (finite, nonfinite) = split_metrics(metrics.iter().take(METRICS_MAX).copied());
            self.0.insert("metrics".into(), finite.into());
            if !nonfinite.is_empty() {
                self.0.insert("nonfinite".into(), nonfinite.into());
            }
        }
        self
    }

    pub(crate) fn build(self) -> Fields {
        self.0
    }
}

/// `metrics` with null for what is not finite, and the names of what those were.
pub(crate) fn split_metrics<'a>(metrics: impl Iterator<Item = (&'a str, f64)>) -> (Fields, Fields) {
    let (mut values, mut nonfinite) = (Map::new(), Map::new());
    for (name, value) in metrics {
        let name = metric_name(name);
        match Number::from_f64(value) {
            Some(number) => {
                nonfinite.remove(&name);
                values.insert(name, number.into());
            }
            None => {
                nonfinite.insert(name.clone(), nonfinite_word(value).into());
                values.insert(name, Value::Null);
            }
        }
    }
    (values, nonfinite)
}

/// The name of a metric, cut to the length the protocol allows.
pub(crate) fn metric_name(name: &str) -> String {
    name.chars().take(METRIC_NAME_CHARS_MAX).collect()
}

fn nonfinite_word(value: f64) -> &'static str {
    if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

pub(crate) fn progress(progress: &Progress) -> Payload {
    let payload = Payload::default()
        .name("unit", progress.unit.as_str())
        .real("epoch", progress.epoch)
        .real("total_epochs", progress.total_epochs)
        .whole("step", progress.step)
        .whole("total_steps", progress.total_steps)
        .real("done", progress.done)
        .real("total", progress.total)
        .real("session_start", progress.session_start)
        .real("loss", progress.loss)
        .name_if("stage", progress.stage.as_deref())
        .name_if("current_target", progress.current_target.as_deref());
    match &progress.message {
        Some(message) => payload.text("message", message, STATUS_MESSAGE_BYTES_MAX),
        None => payload,
    }
}

pub(crate) fn error(report: &ErrorReport<'_>) -> Payload {
    let payload = Payload::default()
        .name("error_code", report.error_code)
        .text("message", report.message, ERROR_MESSAGE_BYTES_MAX)
        .value("is_retryable", report.is_retryable.into())
        .value("fatal", report.fatal.into())
        .name_if("target", report.target);
    match &report.details {
        Some(details) => payload.value("details", clip_strings(details)),
        None => payload,
    }
}

/// The same value with every string in it cut to its last 8 KiB: of a traceback the end tells most.
fn clip_strings(value: &Value) -> Value {
    match value {
        Value::String(text) => clip_end(text, DETAIL_BYTES_MAX).into(),
        Value::Array(items) => items.iter().map(clip_strings).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), clip_strings(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

pub(crate) fn target_complete(target: &TargetComplete<'_>) -> Payload {
    Payload::default()
        .name("target", target.target)
        .whole("target_index", Some(target.target_index))
        .whole("total_targets", Some(target.total_targets))
        .name("status", target.status.as_str())
        .real("best_auc", target.best_auc)
        .whole("models_trained", target.models_trained)
        .real("duration_seconds", target.duration_seconds)
        .metrics(target.metrics)
}

pub(crate) fn checkpoint_saved(saved: &CheckpointSaved<'_>) -> Payload {
    // The supervisor works in another folder. Only where ours is gone does the path stay as given.
    let path = std::path::absolute(saved.path).unwrap_or_else(|_| saved.path.to_owned());
    Payload::default()
        .name("action", "saved")
        .name("checkpoint_id", saved.checkpoint_id)
        .text("path", &path.to_string_lossy(), PATH_BYTES_MAX)
        .whole("step", saved.step)
        .real("epoch", saved.epoch)
        .whole("size_bytes", saved.size_bytes)
        .real("duration_s", saved.duration_s)
        .name_if("digest", saved.digest)
        .name_if("health", saved.judged().map(Health::as_str))
        .real_or_null("loss", saved.loss)
        .metrics(saved.metrics)
}

pub(crate) fn run_complete(run: &RunComplete<'_>) -> Payload {
    Payload::default()
        .name("status", run.status.as_str())
        .real("epochs_completed", run.epochs_completed)
        .real("final_loss", run.final_loss)
        .real("duration_seconds", run.duration_seconds)
        .metrics(run.metrics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Outcome, Unit};
    use serde_json::json;

    #[test]
    fn an_absent_amount_is_left_out_not_guessed() {
        let payload = progress(&Progress { done: Some(3.0), ..Progress::of(Unit::Game) });
        assert_eq!(Value::Object(payload.build()), json!({"unit": "game", "done": 3.0}));
    }

    #[test]
    fn a_number_json_cannot_hold_never_reaches_a_payload() {
        let run = RunComplete { final_loss: Some(f64::NAN), ..RunComplete::with(Outcome::Failed) };
        assert_eq!(Value::Object(run_complete(&run).build()), json!({"status": "failed"}));
    }

    #[test]
    fn a_nonfinite_metric_is_null_and_named() {
        let metrics = [("a", f64::NAN), ("b", f64::INFINITY), ("c", f64::NEG_INFINITY), ("d", 0.5)];
        let (values, nonfinite) = split_metrics(metrics.into_iter());
        assert_eq!(Value::Object(values), json!({"a": null, "b": null, "c": null, "d": 0.5}));
        assert_eq!(Value::Object(nonfinite), json!({"a": "nan", "b": "inf", "c": "-inf"}));
    }

    #[test]
    fn a_metric_said_twice_counts_as_said_last() {
        let (values, nonfinite) = split_metrics([("a", f64::NAN), ("a", 1.0)].into_iter());
        assert_eq!((Value::Object(values), nonfinite.len()), (json!({"a": 1.0}), 0));
    }

    #[test]
    fn a_metric_name_has_at_most_64_characters() {
        assert_eq!(metric_name(&"é".repeat(70)), "é".repeat(64));
    }

    #[test]
    fn a_checkpoint_is_announced_by_its_absolute_path() {
        let payload =
            checkpoint_saved(&CheckpointSaved::at("ck", std::path::Path::new("run/ck.prsm"))).build();
        let expected = std::env::current_dir().unwrap().join("run/ck.prsm");
        assert_eq!(payload["path"], expected.to_str().unwrap());
    }

    #[test]
    fn a_checkpoint_says_its_figures_and_null_for_those_that_are_not_finite() {
        let metrics = [("accuracy", 0.5), ("auc", f64::NAN)];
        let at = CheckpointSaved::at("ck", std::path::Path::new("/ck"));
        let saved = checkpoint_saved(&CheckpointSaved { loss: Some(0.25), metrics: &metrics, ..at }).build();
        assert_eq!((&saved["health"], &saved["loss"]), (&json!("finite"), &json!(0.25)));
        assert_eq!(saved["metrics"], json!({"accuracy": 0.5, "auc": null}));
        let saved = checkpoint_saved(&CheckpointSaved { loss: Some(f64::INFINITY), ..at }).build();
        assert_eq!((&saved["health"], &saved["loss"]), (&json!("not_finite"), &Value::Null));
        let saved = checkpoint_saved(&at).build();
        assert!(!["health", "loss", "metrics"].iter().any(|key| saved.contains_key(*key)), "{saved:?}");
    }

    #[test]
    fn health_follows_from_the_loss_and_what_was_looked_at_and_the_worse_counts() {
        let (fine, broken) = (Some(0.5), Some(f64::NAN));
        for (loss, said, judged) in [
            (None, None, None),
            (None, Some(Health::Finite), Some(Health::Finite)),
            (None, Some(Health::NotFinite), Some(Health::NotFinite)),
            (fine, None, Some(Health::Finite)),
            (fine, Some(Health::NotFinite), Some(Health::NotFinite)),
            (broken, None, Some(Health::NotFinite)),
            (broken, Some(Health::Finite), Some(Health::NotFinite)),
        ] {
            let at = CheckpointSaved::at("ck", std::path::Path::new("/ck"));
            assert_eq!(CheckpointSaved { loss, health: said, ..at }.judged(), judged, "{loss:?} {said:?}");
            let named = loss.map(|loss| ("loss", loss));
            let saved = CheckpointSaved { metrics: named.as_slice(), health: said, ..at };
            assert_eq!(saved.judged(), judged, "as a metric: {loss:?} {said:?}");
        }
    }

    #[test]
    fn long_details_keep_their_end_at_any_depth() {
        let long = format!("{}end", "x".repeat(20_000));
        let clipped = clip_strings(&json!({"deep": [{"traceback_tail": long}], "rank": 3}));
        let tail = clipped["deep"][0]["traceback_tail"].as_str().unwrap();
        assert!(tail.len() <= DETAIL_BYTES_MAX && tail.ends_with("end"), "{} bytes", tail.len());
        assert_eq!(clipped["rank"], 3);
    }
}
