//! A worker's word that it has saved a checkpoint.

use super::{LineError, METRICS_MAX, name, number, numbers, required};
use crate::checkpoint::{CheckpointFormat, CheckpointRef, Health, LOSS};
use crate::pulse::word::{Numbers, Word};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Endings of the names of checkpoint files.
const ENDINGS: [&str; 13] =
    ["prsm", "pt", "pth", "bin", "safetensors", "ckpt", "h5", "npz", "pkl", "zip", "msgpack", "onnx", "json"];

/// The word of a `checkpoint` line that was said at `saved_unix_ms`. Any absolute path will do, of a
/// file or of a folder: what is there is looked at when it is read back.
pub(super) fn saved(payload: &Map<String, Value>, saved_unix_ms: Option<u64>) -> Result<Word, LineError> {
    let action = payload.get("action").and_then(Value::as_str);
    if action != Some("saved") {
        return Err(LineError::Field { event_type: "checkpoint", field: "action", expected: "\"saved\"" });
    }
    let path = required("checkpoint", payload, "path", "an absolute path", |v| {
        v.as_str().filter(|p| p.starts_with('/') && !p.contains('\0')).map(str::to_owned)
    })?;
    let metrics = results(payload);
    let file_name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&path);
    Ok(Word::CheckpointSaved(CheckpointRef {
        checkpoint_id: name(payload, "checkpoint_id").unwrap_or_else(|| stem(file_name).to_owned()),
        path,
        step: number(payload, "step").or_else(|| number(payload, "epoch")),
        size_bytes: payload.get("size_bytes").and_then(Value::as_u64),
        digest: name(payload, "digest"),
        epoch: number(payload, "epoch"),
        duration_s: number(payload, "duration_s"),
        format: CheckpointFormat::Prsm,
        health: health(payload, &metrics),
        metrics,
        saved_unix_ms,
        announcement: None,
    }))
}

/// A file's name without its ending, if it is one that such files have: what follows the last dot of
/// another name may be all that tells it from the next (`ckpt.100`).
fn stem(file_name: &str) -> &str {
    let is_ending = |end: &str| ENDINGS.iter().any(|ending| end.eq_ignore_ascii_case(ending));
    match file_name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && is_ending(end) => stem,
        Some(_) | None => file_name,
    }
}

/// Its results: the metrics that it names, and the loss among them.
fn results(payload: &Map<String, Value>) -> Numbers {
    let mut metrics = numbers(payload.get("metrics"));
    if let Some(loss) = payload.get("loss").filter(|loss| loss.is_number() || loss.is_null()) {
        if metrics.len() >= METRICS_MAX && !metrics.contains_key(LOSS) {
            metrics.pop_last();
        }
        metrics.insert(LOSS.to_owned(), loss.as_f64().filter(|loss| loss.is_finite()));
    }
    metrics
}

/// What the worker says; but with a loss that is not finite the rest is not either.
fn health(payload: &Map<String, Value>, metrics: &Numbers) -> Health {
    if metrics.get(LOSS) == Some(&None) {
        return Health::NotFinite;
    }
    payload.get("health").and_then(|word| Health::deserialize(word).ok()).unwrap_or_default()
}
