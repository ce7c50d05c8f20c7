//! PULSE v1: the frozen six-key snapshot. No field is ever added, renamed or retyped.

pub mod parse;
pub mod project;
pub mod reader;
pub mod writer;

use crate::pulse::v2::{MESSAGE_BYTES_MAX, Status};
use crate::text::one_line;
use serde::{Deserialize, Serialize, Serializer};

/// Interval at which a reader looks at a v1 file, in milliseconds.
pub const POLL_MS: u64 = 2_000;
/// A reader repeats an unchanged snapshot after this long, in milliseconds.
pub const HEARTBEAT_MS: u64 = 10_000;
/// A `running` snapshot older than this is stale, in milliseconds.
pub const STALE_MS: u64 = 60_000;

/// The four status words of v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusV1 {
    /// Nothing runs.
    Idle,
    /// A training is under way.
    Running,
    /// It ended well.
    Done,
    /// It ended otherwise.
    Error,
}

impl StatusV1 {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Running, Self::Done, Self::Error];

    /// The training is over.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Done | Self::Error => true,
            Self::Idle | Self::Running => false,
        }
    }

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

impl From<Status> for StatusV1 {
    /// Paused counts as running, so that a v1 panel keeps showing a paused three-day run.
    fn from(status: Status) -> Self {
        match status {
            Status::Idle => Self::Idle,
            Status::Preparing | Status::Running | Status::Paused | Status::CoolingDown => Self::Running,
            Status::Done => Self::Done,
            Status::Error | Status::Cancelled => Self::Error,
        }
    }
}

/// The snapshot. Within another document, too, its numbers are finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotV1 {
    /// Where the training is.
    pub status: StatusV1,
    /// Epochs done, 0 if unknown.
    #[serde(serialize_with = "finite")]
    pub epoch: f64,
    /// Epochs in all, 0 if unknown.
    #[serde(serialize_with = "finite")]
    pub total_epochs: f64,
    /// Last finite loss, 0 if none.
    #[serde(serialize_with = "finite")]
    pub loss: f64,
    /// One line for people, at most 256 bytes.
    pub message: String,
    /// Unix seconds of the last sign of life.
    pub timestamp: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn finite<S: Serializer>(n: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if n.is_finite() { *n } else { 0.0 })
}

impl SnapshotV1 {
    /// The bytes of the file: indent 2, keys in their order, a newline at the end. Numbers
    /// are finite by construction here: anything else becomes 0.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let finite = |n: f64| serde_json::Value::from(if n.is_finite() { n } else { 0.0 });
        let message = serde_json::Value::from(one_line(&self.message, MESSAGE_BYTES_MAX));
        format!(
            "{{\n  \"status\": \"{}\",\n  \"epoch\": {},\n  \"total_epochs\": {},\n  \"loss\": {},\n  \"message\": {},\n  \"timestamp\": {}\n}}\n",
            self.status.as_str(),
            finite(self.epoch),
            finite(self.total_epochs),
            finite(self.loss),
            message,
            self.timestamp,
        )
        .into_bytes()
    }

    /// Share done in percent: `clamp(epoch / total_epochs × 100, 0, 100)`, 0 without a total.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.total_epochs > 0.0 { (self.epoch / self.total_epochs * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_frozen() {
        let snapshot = SnapshotV1 {
            status: StatusV1::Running,
            epoch: 1.5,
            total_epochs: 3.0,
            loss: 0.342,
            message: "epoch 1.5/3, \"ok\"".to_owned(),
            timestamp: 1_795_320_826,
        };
        let expected = "{\n  \"status\": \"running\",\n  \"epoch\": 1.5,\n  \"total_epochs\": 3.0,\n  \"loss\": 0.342,\n  \"message\": \"epoch 1.5/3, \\\"ok\\\"\",\n  \"timestamp\": 1795320826\n}\n";
        assert_eq!(String::from_utf8(snapshot.to_bytes()).unwrap(), expected);
        assert!((snapshot.percent() - 50.0).abs() < 1e-12);
    }

    #[test]
    fn numbers_that_are_not_finite_never_reach_the_file() {
        let snapshot = SnapshotV1 {
            status: StatusV1::Error,
            epoch: f64::NAN,
            total_epochs: 0.0,
            loss: f64::INFINITY,
            message: "loss is NaN".to_owned(),
            timestamp: 0,
        };
        let value: serde_json::Value = serde_json::from_slice(&snapshot.to_bytes()).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 6);
        assert_eq!((&value["epoch"], &value["loss"]), (&0.0.into(), &0.0.into()));
        assert_eq!(snapshot.percent(), 0.0);
    }

    #[test]
    fn every_v2_status_has_a_v1_word() {
        let words: Vec<_> = Status::ALL.iter().map(|s| StatusV1::from(*s).as_str()).collect();
        assert_eq!(words, ["idle", "running", "running", "running", "running", "done", "error", "error"]);
    }
}
