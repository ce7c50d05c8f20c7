//! The snapshots: a run folded for whoever comes late, and the six keys of PULSE v1.

use super::Document;
use super::events::{checkpoint_format, checkpoint_health, health, progress_fields, status_word};
use super::shape::{
    Shape, exactly, flag, id, like, number, numbers, object, optional, required, slug, small, text, time,
    whole, words_of,
};
use crate::pulse::v1::StatusV1;
use crate::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::slot::METRICS_MAX;

pub(super) fn documents() -> Vec<Document> {
    vec![
        snapshot().document_of_type("StateSnapshot"),
        checkpoint().document_of_type("CheckpointRef"),
        snapshot_v1().document_of_type("SnapshotV1"),
    ]
}

fn snapshot() -> Shape {
    object([
        required("v", exactly(2)),
        required("training_id", id()),
        required("name", text()),
        required("workload", slug()),
        required("node", slug()),
        required("attempt", small()),
        required("seq", whole().about("The newest class A event in here: go on with the next one")),
        required("status", status_word()),
        optional("previous", status_word()),
        required("reason", text()),
        required("message", text().longest(MESSAGE_BYTES_MAX)),
        required("timestamp", time().about("Of the newest class A event")),
        optional("pid", small().about("Of the worker, from its start to its exit")),
        required("last_error", last_error().or_null()),
        required("last_checkpoint", like("CheckpointRef").or_null().about("The newest that was verified and is healthy")),
        required("health", health().or_null()),
        required("telemetry_attempt", small().about("With after_seq and tick: the newest telemetry in here")),
        required("after_seq", whole()),
        required("tick", whole().about("0 = none yet")),
        required("progress", object(progress_fields()).or_null()),
        required("metrics", numbers().at_most(METRICS_MAX)),
        required("v1", like("SnapshotV1").about("As of this document")),
    ])
    .about(
        "The value of a run's key in the bucket pulse_state. Class A events with a greater (attempt, seq) and \
         telemetry with a greater (attempt, after_seq, tick) come on top of it; a gap in seq: read it again",
    )
}

fn last_error() -> Shape {
    object([
        required("attempt", small()),
        required("seq", whole()),
        required("timestamp", time()),
        required("error_code", text()),
        required("message", text().longest(ERROR_MESSAGE_BYTES_MAX)),
        optional("is_retryable", flag()),
        required("fatal", flag()),
        optional("target", text()),
        required("count", small()),
    ])
}

fn checkpoint() -> Shape {
    object([
        required("checkpoint_id", text()),
        required("path", text().about("On the machine of the run")),
        optional("step", number()),
        optional("size_bytes", whole()),
        optional("digest", text().about("algorithm:hex")),
        optional("epoch", number()),
        optional("duration_s", number().about("Seconds it took to write")),
        optional("format", checkpoint_format()),
        optional("health", checkpoint_health()),
        optional("metrics", numbers().about("When it was taken")),
        optional("saved_unix_ms", whole()),
    ])
}

fn snapshot_v1() -> Shape {
    let statuses = [StatusV1::Idle, StatusV1::Running, StatusV1::Done, StatusV1::Error];
    object([
        required("status", words_of(statuses)),
        required("epoch", number().about("0 = unknown")),
        required("total_epochs", number().about("0 = unknown")),
        required("loss", number().about("0 = unknown")),
        required("message", text().longest(MESSAGE_BYTES_MAX)),
        required("timestamp", whole().about("Unix seconds")),
    ])
    .closed()
    .about("Frozen: these six keys, for ever")
}
