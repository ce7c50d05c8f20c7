//! Points in time, as arguments.

use serde::{Deserialize, Serialize};

/// A point in time on two clocks, read once by a shell and then passed around.
///
/// `mono_ms` is the machine's monotonic clock (`CLOCK_MONOTONIC`), which every process of
/// one boot shares: deadlines are kept on it, so they go on across a restart of the daemon
/// and are not moved when somebody sets the wall clock. `unix_ms` is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the Unix epoch (UTC).
    pub unix_ms: u64,
    /// Milliseconds on the monotonic clock of this boot.
    pub mono_ms: u64,
}

impl Moment {
    /// The same instant `ms` later, on both clocks.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self { unix_ms: self.unix_ms.saturating_add(ms), mono_ms: self.mono_ms.saturating_add(ms) }
    }

    /// Monotonic milliseconds from `earlier` to here, 0 if it lies in the future.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.mono_ms.saturating_sub(earlier.mono_ms)
    }
}

/// RFC 3339 in UTC with milliseconds, e.g. `2026-11-22T04:13:46.123Z`.
///
/// Times beyond the year 9999 are shown as the last millisecond of it.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let stamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{stamp:.3}")
}

/// Reads a time that a worker wrote: RFC 3339 with any offset, or Unix seconds or
/// milliseconds (numbers from 10^11 on are milliseconds: as seconds they would lie beyond
/// the year 5000).
#[must_use]
pub fn parse_timestamp(value: &serde_json::Value) -> Option<u64> {
    if let Some(text) = value.as_str() {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        return u64::try_from(stamp.as_millisecond()).ok();
    }
    let number = value.as_f64().filter(|n| n.is_finite() && *n >= 0.0 && *n < 1e17)?;
    let ms = if number < 1e11 { number * 1000.0 } else { number };
    Some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_print_as_rfc_3339_with_milliseconds() {
        assert_eq!(rfc3339(1_795_320_826_123), "2026-11-22T04:13:46.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-"));
    }

    #[test]
    fn seconds_milliseconds_and_offsets_are_read() {
        assert_eq!(parse_timestamp(&json!(1_795_320_826)), Some(1_795_320_826_000));
        assert_eq!(parse_timestamp(&json!(1_795_320_826_123_u64)), Some(1_795_320_826_123));
        assert_eq!(parse_timestamp(&json!("2026-11-22T05:13:46.123+01:00")), Some(1_795_320_826_123));
        for bad in [json!("yesterday"), json!(-1), json!(null), json!([1]), json!(1e300)] {
            assert_eq!(parse_timestamp(&bad), None);
        }
    }
}
