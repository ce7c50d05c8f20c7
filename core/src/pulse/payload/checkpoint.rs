//! What the world hears of checkpoints.

use crate::event::Event;
use crate::input::CheckpointRef;
use serde_json::{Map, Value, json};

/// A worker has announced one.
pub(super) fn saved(c: &CheckpointRef) -> Value {
    Value::Object(about("saved", c))
}

/// What became of one, or of some; of any other event nothing.
pub(super) fn of(event: &Event) -> Value {
    let mut payload = match event {
        Event::CheckpointVerified(c) => about("verified", c),
        Event::CheckpointRefused(refusal) => {
            let mut payload = about("corrupt", &refusal.checkpoint);
            payload.insert("reason".to_owned(), refusal.reason.as_str().into());
            if let Some(place) = &refusal.moved_to {
                payload.insert("moved_to".to_owned(), place.as_str().into());
            }
            payload
        }
        Event::CheckpointPruned { path } => {
            let id = path.rsplit('/').next().unwrap_or(path);
            about("pruned", &CheckpointRef::at(id, path))
        }
        Event::CheckpointPinned { checkpoint_id, path, pinned, requested_by } => {
            let action = if *pinned { "pinned" } else { "unpinned" };
            let mut payload = about(action, &CheckpointRef::at(checkpoint_id, path));
            payload.insert("requested_by".to_owned(), requested_by.as_str().into());
            payload
        }
        // There may be a thousand: the newest stands for all, and their number is told.
        Event::CheckpointsDoubted { checkpoints, cause } => {
            let newest = crate::catalogue::newest(checkpoints);
            let mut payload = newest.map_or_else(Map::new, |newest| about("set_aside", newest));
            payload.insert("reason".to_owned(), cause.code().into());
            payload.insert("set_aside".to_owned(), checkpoints.len().into());
            payload
        }
        Event::Restored { checkpoint, set_aside } => {
            let mut payload = about("restored", checkpoint);
            payload.insert("set_aside".to_owned(), set_aside.len().into());
            payload
        }
        Event::Accepted { .. }
        | Event::AttemptBegun { .. }
        | Event::SpawnOrdered { .. }
        | Event::WorkerStarted(_)
        | Event::WorkerReady { .. }
        | Event::WorkerSpoke
        | Event::CoolingBegun
        | Event::Said { .. }
        | Event::StopBegun { .. }
        | Event::Escalated { .. }
        | Event::StillAlive
        | Event::WorkerExited { .. }
        | Event::Failed(_)
        | Event::RetryScheduled { .. }
        | Event::Ended { .. }
        | Event::Adopted
        | Event::OrderRepeated
        | Event::Rebooted { .. }
        | Event::PauseBegun { .. }
        | Event::PauseEscalated { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::CheckpointRequested { .. }
        | Event::CheckpointUndelivered
        | Event::Hung { .. }
        | Event::ErrorRateExceeded(_)
        | Event::Configured { .. }
        | Event::OutputPruned { .. }
        | Event::Removed { .. } => Map::new(),
    };
    payload.entry("action".to_owned()).or_insert_with(|| event.name().into());
    Value::Object(payload)
}

fn about(action: &str, c: &CheckpointRef) -> Map<String, Value> {
    let known = [
        ("step", c.step.map(Value::from)),
        ("size_bytes", c.size_bytes.map(Value::from)),
        ("digest", c.digest.as_deref().map(Value::from)),
        ("epoch", c.epoch.map(Value::from)),
        ("duration_s", c.duration_s.map(Value::from)),
        ("format", (!c.format.is_prsm()).then(|| json!(c.format))),
        ("health", (!c.health.is_unknown()).then(|| json!(c.health))),
        ("metrics", (!c.metrics.is_empty()).then(|| json!(c.metrics))),
        ("saved_unix_ms", c.saved_unix_ms.map(Value::from)),
    ];
    let named = [("action", action), ("checkpoint_id", &c.checkpoint_id), ("path", &c.path)];
    let named = named.map(|(field, text)| (field.to_owned(), text.into()));
    let known = known.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    named.into_iter().chain(known).collect()
}
