//! Reading the v1 file of a writer that knows nothing of us: what to say at each look.

use crate::pulse::v1::parse::{SnapshotError, parse};
use crate::pulse::v1::{HEARTBEAT_MS, POLL_MS, STALE_MS, SnapshotV1, StatusV1};

/// Message of a snapshot whose writer has fallen silent.
pub const STALE_MESSAGE: &str = "Process unresponsive (stale pulse)";

/// Something to say after a look at the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Saying {
    /// For the log; each kind once per run in the file.
    Warn(Warning),
    /// The file, whose run was over, now tells of another. Always before its first snapshot.
    NewRun,
    /// The snapshot to show.
    Emit {
        /// As read, or turned into an error when it is stale.
        snapshot: SnapshotV1,
        /// Why now.
        reason: Reason,
    },
}

/// Why a snapshot is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is the first, or a field changed.
    Changed,
    /// Nothing changed for ten seconds.
    Heartbeat,
    /// A running training has fallen silent.
    Stale,
    /// The writer says that the training is over. At the first look this may be an old story:
    /// the snapshot's timestamp tells.
    Final,
}

/// What is wrong with a file that is read on all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// It was there and is gone; the last good snapshot stays.
    #[error("the status file is gone; keeping its last content")]
    Missing,
    /// It can't be read as a snapshot; the last good one stays.
    #[error("the status file can't be read, keeping its last good content: {0}")]
    Broken(SnapshotError),
    /// It has a key that v1 does not have.
    #[error("the status file has a key {0:?} that PULSE v1 does not know")]
    UnknownKey(String),
}

/// The last good snapshot, and how fresh it is.
#[derive(Debug, Clone, PartialEq)]
struct Good {
    snapshot: SnapshotV1,
    /// Age of its timestamp when this was first seen, in ms: by the wall clock at the first
    /// sight of a run, 0 for a timestamp that has been seen to move on.
    age_at_sight_ms: u64,
    sight_mono_ms: u64,
}

impl Good {
    fn is_stale(&self, now_ms: u64) -> bool {
        let seen_for_ms = now_ms.saturating_sub(self.sight_mono_ms);
        self.snapshot.status == StatusV1::Running
            && self.age_at_sight_ms.saturating_add(seen_for_ms) > STALE_MS
    }

    fn shown(&self, now_ms: u64) -> SnapshotV1 {
        if self.is_stale(now_ms) {
            let message = STALE_MESSAGE.to_owned();
            SnapshotV1 { status: StatusV1::Error, message, ..self.snapshot.clone() }
        } else {
            self.snapshot.clone()
        }
    }
}

/// Kinds of warnings given since the run in the file began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Warned {
    missing: bool,
    broken: bool,
    unknown_key: bool,
}

/// Follows one v1 file from run to run. It never writes, and it never ends: after `done` or
/// `error` the next run in the same file is picked up.
///
/// Staleness is measured on the reader's own monotonic clock since the timestamp last moved,
/// so that no step of either wall clock makes a living writer stale; the wall clock is asked
/// only when a timestamp is met for the first time, or has gone back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct V1Reader {
    good: Option<Good>,
    /// The run in the file has been seen to end.
    over: bool,
    emitted: Option<(SnapshotV1, u64)>,
    warned: Warned,
    looked_mono_ms: Option<u64>,
}

impl V1Reader {
    /// Looks at the content of the file, `None` if it is not there, and returns what to say in
    /// that order. `now_ms` is the monotonic clock, `now_unix_s` the wall clock.
    pub fn poll(&mut self, now_ms: u64, now_unix_s: u64, content: Option<&[u8]>) -> Vec<Saying> {
        self.looked_mono_ms = Some(now_ms);
        let mut sayings = Vec::new();
        match content.map(parse) {
            Some(Ok(parsed)) => {
                if self.is_new_run(&parsed.snapshot) {
                    self.good = None;
                    self.over = false;
                    self.warned = Warned::default();
                    sayings.push(Saying::NewRun);
                }
                if let Some(key) = parsed.unknown_key {
                    warn(&mut self.warned.unknown_key, Warning::UnknownKey(key), &mut sayings);
                }
                self.take(parsed.snapshot, now_ms, now_unix_s);
            }
            Some(Err(error)) => warn(&mut self.warned.broken, Warning::Broken(error), &mut sayings),
            None if self.good.is_some() => warn(&mut self.warned.missing, Warning::Missing, &mut sayings),
            // The writer has not begun.
            None => {}
        }
        sayings.extend(self.emit(now_ms));
        sayings
    }

    /// Once a run was over, another is one that runs, or that has ended between two looks.
    fn is_new_run(&self, snapshot: &SnapshotV1) -> bool {
        let before = self.good.as_ref().map(|good| good.snapshot.status);
        match snapshot.status {
            StatusV1::Running => self.over,
            StatusV1::Done | StatusV1::Error => self.over && before != Some(snapshot.status),
            StatusV1::Idle => false,
        }
    }

    fn take(&mut self, snapshot: SnapshotV1, now_ms: u64, now_unix_s: u64) {
        self.over |= snapshot.status.is_terminal();
        let (age_at_sight_ms, sight_mono_ms) = match &self.good {
            Some(good) if snapshot.timestamp == good.snapshot.timestamp => {
                (good.age_at_sight_ms, good.sight_mono_ms)
            }
            Some(good) if snapshot.timestamp > good.snapshot.timestamp => (0, now_ms),
            // Seen for the first time, or an older file put back.
            Some(_) | None => (now_unix_s.saturating_sub(snapshot.timestamp).saturating_mul(1_000), now_ms),
        };
        self.good = Some(Good { snapshot, age_at_sight_ms, sight_mono_ms });
    }

    fn emit(&mut self, now_ms: u64) -> Option<Saying> {
        let good = self.good.as_ref()?;
        let snapshot = good.shown(now_ms);
        let reason = match &self.emitted {
            Some((before, at)) if *before == snapshot => {
                if now_ms.saturating_sub(*at) < HEARTBEAT_MS {
                    return None;
                }
                Reason::Heartbeat
            }
            Some(_) | None if good.is_stale(now_ms) => Reason::Stale,
            Some(_) | None if snapshot.status.is_terminal() => Reason::Final,
            Some(_) | None => Reason::Changed,
        };
        self.emitted = Some((snapshot.clone(), now_ms));
        Some(Saying::Emit { snapshot, reason })
    }

    /// When to look next: after [`POLL_MS`], sooner if a heartbeat is due before, at once if
    /// nobody has looked yet.
    #[must_use]
    pub fn next_poll(&self) -> u64 {
        let poll = self.looked_mono_ms.map_or(0, |at| at.saturating_add(POLL_MS));
        self.emitted.as_ref().map_or(poll, |(_, at)| poll.min(at.saturating_add(HEARTBEAT_MS)))
    }
}

fn warn(warned: &mut bool, warning: Warning, sayings: &mut Vec<Saying>) {
    if !*warned {
        *warned = true;
        sayings.push(Saying::Warn(warning));
    }
}
