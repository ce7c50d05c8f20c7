//! Reading a v1 file: six keys in any order, of the right types, each once.

use crate::pulse::v1::{SnapshotV1, StatusV1};
use crate::pulse::v2::MESSAGE_BYTES_MAX;
use crate::text::one_line;
use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Longest file that is read, in bytes: a snapshot has some 200.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// The keys, in the order in which they are written.
pub const KEYS: [&str; 6] = ["status", "epoch", "total_epochs", "loss", "message", "timestamp"];

/// Why bytes are not a v1 snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Longer than any snapshot.
    #[error("file of {bytes} bytes is longer than the {FILE_BYTES_MAX} a snapshot may have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Half-written, empty, with NaN in it, with a key twice, or not JSON at all.
    #[error("not one JSON object with each key once: {reason}")]
    Json {
        /// What the parser said.
        reason: String,
    },
    /// A key is missing or its value is of the wrong type.
    #[error("{key} is missing or is not {expected}")]
    Field {
        /// The key.
        key: &'static str,
        /// What its value should be.
        expected: &'static str,
    },
}

/// A snapshot as read, and what else was in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The six fields; numbers are finite, the message is one line of at most 256 bytes.
    pub snapshot: SnapshotV1,
    /// The first key that v1 does not know. A strict file has none.
    pub unknown_key: Option<String>,
}

/// Reads the content of a v1 file. Unknown keys are told and otherwise ignored, as v1 readers
/// have always done; everything else must fit: four status words, finite numbers, an integer
/// timestamp (one before 1970 counts as 1970).
///
/// # Errors
/// A [`SnapshotError`] that says what does not fit.
pub fn parse(bytes: &[u8]) -> Result<Parsed, SnapshotError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(SnapshotError::TooLong { bytes: bytes.len() });
    }
    let Unique(fields) = serde_json::from_slice(bytes)
        .map_err(|error| SnapshotError::Json { reason: one_line(&error.to_string(), MESSAGE_BYTES_MAX) })?;
    let snapshot = SnapshotV1 {
        status: field(&fields, "status", "idle, running, done or error", status)?,
        epoch: field(&fields, "epoch", "a finite number", finite)?,
        total_epochs: field(&fields, "total_epochs", "a finite number", finite)?,
        loss: field(&fields, "loss", "a finite number", finite)?,
        message: field(&fields, "message", "a text", |value| {
            value.as_str().map(|text| one_line(text, MESSAGE_BYTES_MAX))
        })?,
        timestamp: field(&fields, "timestamp", "an integer", seconds)?,
    };
    let unknown = fields.keys().find(|key| !KEYS.contains(&key.as_str()));
    Ok(Parsed { snapshot, unknown_key: unknown.map(|key| one_line(key, MESSAGE_BYTES_MAX)) })
}

fn field<T>(
    fields: &Map<String, Value>,
    key: &'static str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, SnapshotError> {
    fields.get(key).and_then(read).ok_or(SnapshotError::Field { key, expected })
}

fn status(value: &Value) -> Option<StatusV1> {
    let word = value.as_str()?;
    StatusV1::ALL.into_iter().find(|status| status.as_str() == word)
}

fn finite(value: &Value) -> Option<f64> {
    value.as_f64().filter(|n| n.is_finite())
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_i64().map(|_before_1970| 0))
}

/// A JSON object in which no key comes twice: which of the two would be meant?
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} is there twice")));
            }
            let value = access.next_value()?;
            fields.insert(key, value);
        }
        Ok(Unique(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"status":"running","epoch":1.5,"total_epochs":3,"loss":0.342,"message":"m","timestamp":1795320826}"#;

    #[test]
    fn what_is_written_is_read_back() {
        for status in StatusV1::ALL {
            let snapshot = SnapshotV1 {
                status,
                epoch: 1.5,
                total_epochs: 3.0,
                loss: -0.25,
                message: "epoch 1.5/3, \"ok\" ü".to_owned(),
                timestamp: 1_795_320_826,
            };
            assert_eq!(parse(&snapshot.to_bytes()), Ok(Parsed { snapshot, unknown_key: None }));
        }
    }

    #[test]
    fn keys_come_in_any_order_and_unknown_ones_are_told() {
        let turned = r#"{"timestamp":-7,"new":[{}],"message":"a\u001b[2J\nb","loss":0,"total_epochs":0,"epoch":-1,"status":"idle"}"#;
        let parsed = parse(turned.as_bytes()).unwrap();
        assert_eq!(parsed.unknown_key.as_deref(), Some("new"));
        assert_eq!((parsed.snapshot.timestamp, parsed.snapshot.epoch), (0, -1.0));
        assert_eq!(parsed.snapshot.message, "a\\u{1b}[2J · b");
    }

    #[test]
    fn what_is_broken_is_refused_with_the_reason() {
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            GOOD.replace(from, to)
        };
        let cases = [
            (String::new(), "JSON"),
            (" \n".to_owned(), "JSON"),
            ("null".to_owned(), "JSON"),
            ("[]".to_owned(), "JSON"),
            (GOOD[..GOOD.len() - 1].to_owned(), "JSON"),
            (GOOD[..40].to_owned(), "JSON"),
            (format!("{GOOD}{GOOD}"), "JSON"),
            (format!("\u{feff}{GOOD}"), "JSON"),
            ("[".repeat(60_000), "JSON"),
            (with("0.342", "NaN"), "JSON"),
            (with("0.342", "Infinity"), "JSON"),
            (with("0.342", "1e999"), "JSON"),
            (with("0.342", "null"), "loss"),
            (with("0.342", "\"0.342\""), "loss"),
            (with("1.5", "true"), "epoch"),
            (with("\"epoch\":1.5", "\"epoch\":1.5,\"epoch\":1.5"), "twice"),
            (with("\"epoch\":1.5,", ""), "epoch"),
            (with("\"m\"", "7"), "message"),
            (with("running", "Running"), "status"),
            (with("running", "queued"), "status"),
            (with("\"running\"", "1"), "status"),
            (with("1795320826", "1795320826.5"), "timestamp"),
            (with("1795320826", "1795320826.0"), "timestamp"),
            (with("1795320826", "\"1795320826\""), "timestamp"),
            (" ".repeat(FILE_BYTES_MAX + 1), "longer"),
        ];
        for (text, word) in cases {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{text:.80}: {error}");
        }
        assert!(parse(b"\xff\xfe").is_err());
    }
}
