//! How the machine says no.

use super::{Action, ClientId};
use crate::identity::ProcessId;
use crate::protocol::{Lost, RefusalCode, Refused, Reply};

/// A longer control line would not fit a worker's connection beside others.
const CONTROL_LINE_BYTES_MAX: usize = 64 * 1024;

pub(super) fn refuse(client: ClientId, refused: Refused) -> Vec<Action> {
    vec![Action::Send(client, Reply::Refused(refused))]
}

pub(super) fn busy(op: &str, attempt: Option<u32>, living: u32) -> Refused {
    let message = format!("attempt {living} has not ended");
    Refused::new(op, attempt, RefusalCode::Busy, message)
}

/// To those who asked for a start that is given up for the sake of the request `op`.
pub(super) fn dropped(attempt: u32, op: &str) -> Refused {
    let message = format!("attempt {attempt} waited to be started and was dropped by a {op}");
    Refused::new("spawn", Some(attempt), RefusalCode::Dropped, message)
}

pub(super) fn stale(attempt: u32, seen: u32) -> Refused {
    let message = format!("attempt {attempt} is behind attempt {seen}");
    Refused::new("spawn", Some(attempt), RefusalCode::Stale, message)
}

pub(super) fn lost_refusal(lost: &Lost) -> Refused {
    let name = match lost.worker {
        Some(ProcessId { pid, .. }) => format!("process {pid}"),
        None => "an unknown process".to_owned(),
    };
    let alive = if lost.alive { "which is alive" } else { "which is gone" };
    let message = format!(
        "attempt {} was started by an earlier shim as {name}, {alive}; its end was not seen",
        lost.attempt
    );
    let refused = Refused::new("spawn", Some(lost.attempt), RefusalCode::Lost, message);
    Refused { lost: Some(lost.clone()), ..refused }
}

/// What is wrong with a control line, if anything.
pub(super) fn bad_control_line(attempt: u32, line: &str) -> Option<Refused> {
    let message = if line.len() > CONTROL_LINE_BYTES_MAX {
        format!("a control line has at most {CONTROL_LINE_BYTES_MAX} bytes, this one has {}", line.len())
    } else if line.contains('\n') || serde_json::from_str::<serde::de::IgnoredAny>(line).is_err() {
        "a control line is one JSON value without a line break".to_owned()
    } else {
        return None;
    };
    Some(Refused::new("control", Some(attempt), RefusalCode::BadRequest, message))
}
