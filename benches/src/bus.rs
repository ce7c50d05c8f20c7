//! `bus`: what a NATS server costs us, against what it costs anybody.
//!
//! A real daemon speaks to a real nats-server. Beside every figure of ours stands the same thing
//! done by the client library alone on the same server in the same minute: a message published
//! and heard, a question answered, as many messages of the same size put into a stream of the
//! same configuration.

mod control;
mod crowd;
mod delivery;
mod latency;
mod outage;
mod place;
mod server;
mod traffic;
mod wire;

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::Fault;

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 13] = [
    // Telemetry of a run that has said nothing of late.
    ("progress_p50_beyond_raw_ms", 1.5),
    ("progress_p99_ms", 10.0),
    // Beyond a raw message and a bare fdatasync, and beyond a bare fdatasync.
    ("stage_p50_beyond_raw_ms", 1.5),
    ("stage_p99_beyond_fdatasync_ms", 10.0),
    ("control_p50_beyond_raw_ms", 1.0),
    // 0.8 of the raw throughput.
    ("us_per_event_to_raw", 1.25),
    ("lost", 0.0),
    ("doubled", 0.0),
    ("reordered", 0.0),
    ("outage_rss_growth_mib", 5.0),
    // A worker never waits: what a file costs that nobody reads, and a turn of the scheduler.
    ("append_p50_beyond_plain_ms", 0.1),
    ("append_p99_beyond_plain_ms", 1.0),
    ("messages_per_s", 200.0),
];

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("bus"));
    latency::measure(folder, extent, &mut result)?;
    outage::measure(folder, extent, &mut result)?;
    crowd::measure(folder, extent, &mut result)?;
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}
