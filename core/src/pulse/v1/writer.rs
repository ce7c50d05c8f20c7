//! When to write the v1 file of a run, and when to sync it.

use crate::pulse::v1::{HEARTBEAT_MS, SnapshotV1, StatusV1};

/// Shortest time between two writes of one file while the status stays the same, in
/// milliseconds: v1 readers look every two seconds.
pub const WRITE_MS_MIN: u64 = 500;
/// Pause after a write that failed, in milliseconds.
pub const RETRY_MS: u64 = 2_000;

/// Whether somebody can vouch for the run at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The worker lives, or the run is paused or waits for its retry: the timestamp is kept
    /// fresh.
    Believed,
    /// The worker is hung or lost: the timestamp stays, so that a v1 reader itself finds the
    /// pulse stale.
    Doubted,
    /// The run has ended: it is written once more and then rests.
    Ended,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Replace the file, then tell [`V1Writer::written`] or [`V1Writer::failed`].
    Write {
        /// The content.
        snapshot: SnapshotV1,
        /// Sync file and folder: the status is another than on disk.
        fsync: bool,
    },
    /// Nothing before this time on the monotonic clock, if nothing changes.
    Wait {
        /// When to ask again; `None` = only when something changes.
        until_mono_ms: Option<u64>,
    },
}

/// What is on disk.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    snapshot: SnapshotV1,
    at_mono_ms: u64,
    /// When the timestamp last became another.
    refreshed_mono_ms: u64,
}

/// Paces the writes of one v1 file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct V1Writer {
    written: Option<Written>,
    not_before_mono_ms: u64,
}

impl V1Writer {
    /// What to do at `now_ms` (monotonic) and `now_unix_s` (wall clock) with a run that looks
    /// like `snapshot`, whose own timestamp is not regarded: it is now while life is believed
    /// or has just ended, and as last written while it is doubted.
    #[must_use]
    pub fn plan(&self, snapshot: &SnapshotV1, life: Life, now_ms: u64, now_unix_s: u64) -> Plan {
        let Some(Written { snapshot: before, at_mono_ms, refreshed_mono_ms }) = &self.written else {
            let snapshot = SnapshotV1 { timestamp: now_unix_s, ..snapshot.clone() };
            return self.write_at(self.not_before_mono_ms, snapshot, true, now_ms);
        };
        let same = SnapshotV1 { timestamp: before.timestamp, ..snapshot.clone() };
        let other_status = before.status != snapshot.status;
        let due = if other_status {
            now_ms
        } else if same != *before {
            at_mono_ms.saturating_add(WRITE_MS_MIN)
        } else if life == Life::Believed {
            let fresh_until = refreshed_mono_ms.saturating_add(HEARTBEAT_MS);
            fresh_until.max(at_mono_ms.saturating_add(WRITE_MS_MIN))
        } else {
            return Plan::Wait { until_mono_ms: None };
        };
        let snapshot = match life {
            Life::Believed => SnapshotV1 { timestamp: now_unix_s, ..same },
            Life::Ended if other_status => SnapshotV1 { timestamp: now_unix_s, ..same },
            Life::Doubted | Life::Ended => same,
        };
        self.write_at(due.max(self.not_before_mono_ms), snapshot, other_status, now_ms)
    }

    fn write_at(&self, due: u64, snapshot: SnapshotV1, fsync: bool, now_ms: u64) -> Plan {
        if due <= now_ms { Plan::Write { snapshot, fsync } } else { Plan::Wait { until_mono_ms: Some(due) } }
    }

    /// The file holds this snapshot now.
    pub fn written(&mut self, snapshot: SnapshotV1, now_ms: u64) {
        let refreshed_mono_ms = match &self.written {
            Some(before) if before.snapshot.timestamp == snapshot.timestamp => before.refreshed_mono_ms,
            Some(_) | None => now_ms,
        };
        self.written = Some(Written { snapshot, at_mono_ms: now_ms, refreshed_mono_ms });
        self.not_before_mono_ms = 0;
    }

    /// The write failed; what was planned is planned again a little later.
    pub fn failed(&mut self, now_ms: u64) {
        self.not_before_mono_ms = now_ms.saturating_add(RETRY_MS);
    }

    /// The status that the file has, as far as we wrote it.
    #[must_use]
    pub fn status(&self) -> Option<StatusV1> {
        self.written.as_ref().map(|written| written.snapshot.status)
    }
}
