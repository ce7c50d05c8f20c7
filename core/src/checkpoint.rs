//! A checkpoint by name: what is known of it without opening it.

use crate::ids::Attempt;
use crate::pulse::word::Numbers;
use serde::{Deserialize, Serialize};

/// Name of the metric that holds the loss at the time of a checkpoint.
pub const LOSS: &str = "loss";

/// The reason for a refusal where there is nothing under the path of a checkpoint any more.
pub const GONE: &str = "its file is gone";

/// A checkpoint by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// Identity within the run, e.g. its file name.
    pub checkpoint_id: String,
    /// Absolute path of the file or folder.
    pub path: String,
    /// Amount done when it was taken, in the unit of the worker's progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Digest as `algorithm:hex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Epochs done when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<f64>,
    /// Seconds it took to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// How its bytes can be checked.
    #[serde(default, skip_serializing_if = "CheckpointFormat::is_prsm")]
    pub format: CheckpointFormat,
    /// Whether its numbers are finite.
    #[serde(default, skip_serializing_if = "Health::is_unknown")]
    pub health: Health,
    /// Named results at the time it was taken, by which the best ones are kept.
    #[serde(default, skip_serializing_if = "Numbers::is_empty")]
    pub metrics: Numbers,
    /// When it was taken, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_unix_ms: Option<u64>,
    /// Which word of a worker this is about, from the word to the answer that its file was read
    /// back. Neither in the ledger nor on the wire.
    #[serde(skip)]
    pub announcement: Option<Announcement>,
}

/// Where a worker announced a checkpoint. A path may be announced again, with other bytes in it: an
/// answer about the older ones must not be taken for one about the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announcement {
    /// In this attempt; 0 = nowhere: it is one of the catalogue.
    pub attempt: Attempt,
    /// Offset in its event file just behind the word.
    pub upto: u64,
}

impl CheckpointRef {
    /// One of which no more is known than its name and its place.
    #[must_use]
    pub fn at(checkpoint_id: impl Into<String>, path: impl Into<String>) -> Self {
        Self { checkpoint_id: checkpoint_id.into(), path: path.into(), ..Self::default() }
    }

    /// Its numbers are known not to be finite: it is not resumed from unless somebody insists.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.health == Health::NotFinite
    }

    /// Only which it is, how far it had come, how large it is and how it is read: what lists of many
    /// hold.
    #[must_use]
    pub fn in_short(&self) -> Self {
        Self {
            step: self.step,
            size_bytes: self.size_bytes,
            format: self.format,
            ..Self::at(self.checkpoint_id.clone(), self.path.clone())
        }
    }

    /// As the catalogue and the ledger hold it: the question is answered.
    #[must_use]
    pub(crate) fn settled(self) -> Self {
        Self { announcement: None, ..self }
    }

    /// Whether this answer is about the announcement `candidate`. One that does not say which
    /// announcement it is about is about any.
    #[must_use]
    pub(crate) fn answers(&self, candidate: &Self) -> bool {
        self.path == candidate.path
            && (self.announcement.is_none() || self.announcement == candidate.announcement)
    }

    /// What this one does not say is as `known` said of the same file: a worker announces more
    /// than some formats can hold. Numbers that were said not to be finite stay so.
    #[must_use]
    pub fn completed_by(self, known: &Self) -> Self {
        let health = match (self.health, known.health) {
            (_, Health::NotFinite) | (Health::Unknown, _) => known.health,
            (said @ (Health::Finite | Health::NotFinite), Health::Unknown | Health::Finite) => said,
        };
        Self {
            step: self.step.or(known.step),
            size_bytes: self.size_bytes.or(known.size_bytes),
            digest: self.digest.or_else(|| known.digest.clone()),
            epoch: self.epoch.or(known.epoch),
            duration_s: self.duration_s.or(known.duration_s),
            health,
            metrics: if self.metrics.is_empty() { known.metrics.clone() } else { self.metrics },
            saved_unix_ms: self.saved_unix_ms.or(known.saved_unix_ms),
            announcement: self.announcement.or(known.announcement),
            ..self
        }
    }
}

/// How the bytes of a checkpoint can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointFormat {
    /// A file of our own format: it holds its digests itself.
    #[default]
    Prsm,
    /// A file or folder of any other kind, with a manifest of sizes and digests beside it.
    Manifest,
}

impl CheckpointFormat {
    /// Our own.
    #[must_use]
    pub fn is_prsm(&self) -> bool {
        matches!(self, Self::Prsm)
    }
}

/// Whether the numbers in a checkpoint are finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nobody has said.
    #[default]
    Unknown,
    /// They are.
    Finite,
    /// At least one is NaN or infinite.
    NotFinite,
}

impl Health {
    /// Nobody has said.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// A checkpoint that may not be used, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointRefusal {
    /// Which.
    pub checkpoint: CheckpointRef,
    /// The reason, for people.
    pub reason: String,
    /// Where what is damaged lies now, if it was moved out of the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

impl CheckpointRefusal {
    /// There is nothing under its path any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.reason == GONE && self.moved_to.is_none()
    }
}

/// Why one may not be used, for an answer that names the checkpoint itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason, for people.
    pub reason: String,
    /// Where what is damaged lies now, if it was moved out of the way.
    pub moved_to: Option<String>,
}

/// Why checkpoints that verify are not trusted any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtCause {
    /// The loss was not finite.
    NanLoss {
        /// Amount done when it was told, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<f64>,
    },
    /// The same failure came back at the same amount of work.
    CrashLoop {
        /// Class of the failure.
        code: crate::codes::Code,
        /// Amount done, every time.
        at: f64,
        /// How many times in a row.
        count: u32,
    },
    /// Their own numbers are not finite.
    NotFinite,
}

impl DoubtCause {
    /// As a code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NanLoss { .. } => "NAN_LOSS",
            Self::CrashLoop { .. } => "CRASH_LOOP",
            Self::NotFinite => "NOT_FINITE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_cannot_say_is_as_announced() {
        let announced = CheckpointRef {
            epoch: Some(2.0),
            health: Health::NotFinite,
            metrics: Numbers::from([(LOSS.to_owned(), None)]),
            ..CheckpointRef::at("a", "/a")
        };
        let read = CheckpointRef { step: Some(7.0), health: Health::Finite, ..CheckpointRef::at("a", "/a") };
        let both = read.clone().completed_by(&announced);
        assert_eq!((both.step, both.epoch, both.health), (Some(7.0), Some(2.0), Health::NotFinite));
        assert_eq!(both.metrics, announced.metrics);
        assert_eq!(read.completed_by(&CheckpointRef::at("a", "/a")).health, Health::Finite);
    }

    #[test]
    fn in_short_it_can_still_be_read_and_weighed() {
        let known = CheckpointRef {
            step: Some(7.0),
            size_bytes: Some(9),
            format: CheckpointFormat::Manifest,
            digest: Some("blake3:00".to_owned()),
            ..CheckpointRef::at("a", "/a")
        };
        assert_eq!(known.in_short(), CheckpointRef { digest: None, ..known });
    }

    #[test]
    fn a_row_of_an_older_version_loads_and_says_no_more_than_before() {
        let row = r#"{"checkpoint_id":"ck-5","path":"/ck/ck-5","step":5.0}"#;
        let read: CheckpointRef = serde_json::from_str(row).unwrap();
        assert_eq!((read.format, read.health), (CheckpointFormat::Prsm, Health::Unknown));
        assert_eq!(serde_json::to_string(&read).unwrap(), row);
    }
}
