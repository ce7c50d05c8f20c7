//! The payload of a checkpoint: a session between two batches, as bytes.
//!
//! ```text
//! 4  magic "OTHL"
//! 4  layout, u32: meaning of the weights and order of what follows
//! 8  games done, u64
//! 4  length of the configuration, u32
//! n  configuration, `name=value` pairs (UTF-8)
//! 4  stages, u32
//! then for every stage:
//!    one bit per mirror class, lowest bit first: was it ever learned from?
//!    for every set bit: weight f32, mean f32, square f32, steps u32
//! ```
//! All little-endian. Entries never learned from are zero and take no room. The position in the learning
//! rate's schedule and every generator's state follow from the games done: nothing else is needed to go
//! on exactly. Integrity is the file format's business (`resus_checkpoint`), not ours.

use othello_engine::adam::Entry;
use othello_engine::classes::Classes;
use othello_engine::eval::PLIES;
use othello_engine::learn::TableShapeError;
use othello_engine::session::{Session, TrainConfig};

use crate::fingerprint::{describe, differences, short_name};

const MAGIC: [u8; 4] = *b"OTHL";

/// Layout 1: indices relative to the side to move, first cell least significant, 0 empty, 1 own, 2
/// opponent; mirror classes in order of their least index; weights in discs.
const LAYOUT: u32 = 1;

/// Bytes of a stored entry.
const ENTRY_BYTES: usize = 16;

/// No payload of ours is larger: every entry of as many stages as there can be, and the head.
pub(crate) fn bytes_max() -> u64 {
    let stage = Classes::get().count() * ENTRY_BYTES + Classes::get().count().div_ceil(8);
    (PLIES * stage + 64 * 1024) as u64
}

/// Why a payload is not gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// Some other workload's checkpoint.
    #[error("is not an Othello checkpoint: payload starts with \"{}\", not \"OTHL\"", found.escape_ascii())]
    NotOthello {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// Written by a program that arranged its weights differently.
    #[error("has layout version {found}; this program reads version {LAYOUT}")]
    Layout {
        /// The version it has.
        found: u32,
    },
    /// Written by a run with other settings.
    #[error("was written with configuration {found}, this run has {wanted}: {differences}")]
    Config {
        /// Short name of the checkpoint's configuration.
        found: String,
        /// Short name of the run's.
        wanted: String,
        /// Which settings differ, and how.
        differences: String,
    },
    /// Shorter or longer than its own counts say.
    #[error("has {found} bytes at {part}, where {expected} are needed")]
    Length {
        /// Where.
        part: &'static str,
        /// How many bytes are there.
        found: usize,
        /// How many must be.
        expected: usize,
    },
    /// More games than the run has.
    #[error("was saved after {found} of {games} games")]
    Games {
        /// Games it says were done.
        found: u64,
        /// Games in all.
        games: u64,
    },
    /// Tables of an impossible shape.
    #[error("has tables of another shape")]
    Shape(#[from] TableShapeError),
}

/// The session as a payload.
pub(crate) fn encode(session: &Session) -> Vec<u8> {
    let stages = session.learner().stages();
    let description = describe(session.config());
    let entries = session.learner().entries_seen() * ENTRY_BYTES;
    let bits: usize = stages.iter().map(|stage| stage.len().div_ceil(8)).sum();
    let mut bytes = Vec::with_capacity(entries + bits + 512);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&LAYOUT.to_le_bytes());
    bytes.extend_from_slice(&session.games_done().to_le_bytes());
    bytes.extend_from_slice(&(description.len() as u32).to_le_bytes());
    bytes.extend_from_slice(description.as_bytes());
    bytes.extend_from_slice(&(stages.len() as u32).to_le_bytes());
    for stage in stages {
        encode_stage(stage, &mut bytes);
    }
    bytes
}

fn encode_stage(entries: &[Entry], bytes: &mut Vec<u8>) {
    for eight in entries.chunks(8) {
        let seen = |(bit, entry): (usize, &Entry)| u8::from(is_stored(entry)) << bit;
        bytes.push(eight.iter().enumerate().map(seen).fold(0, |byte, bit| byte | bit));
    }
    for entry in entries.iter().filter(|entry| is_stored(entry)) {
        for number in [entry.weight, entry.mean, entry.square] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&entry.steps.to_le_bytes());
    }
}

fn is_stored(entry: &Entry) -> bool {
    entry.steps > 0
}

/// The session a payload holds, to go on under `config`.
pub(crate) fn decode(config: TrainConfig, payload: &[u8]) -> Result<Session, SnapshotError> {
    if !payload.starts_with(&MAGIC) {
        let found = payload.iter().take(MAGIC.len()).copied().collect();
        return Err(SnapshotError::NotOthello { found });
    }
    let mut reader = Reader { rest: &payload[MAGIC.len()..] };
    let layout = u32::from_le_bytes(reader.array("the layout")?);
    if layout != LAYOUT {
        return Err(SnapshotError::Layout { found: layout });
    }
    let games_done = u64::from_le_bytes(reader.array("the games done")?);
    let length = u32::from_le_bytes(reader.array("the configuration")?) as usize;
    let found = String::from_utf8_lossy(reader.take(length, "the configuration")?).into_owned();
    let wanted = describe(&config);
    if found != wanted {
        let differences = differences(&found, &wanted);
        let (found, wanted) = (short_name(&found), short_name(&wanted));
        return Err(SnapshotError::Config { found, wanted, differences });
    }
    if games_done > config.games {
        return Err(SnapshotError::Games { found: games_done, games: config.games });
    }
    let count = u32::from_le_bytes(reader.array("the stages")?) as usize;
    if !(1..=PLIES).contains(&count) {
        return Err(TableShapeError::Stages { found: count }.into());
    }
    let stages = (0..count).map(|_| decode_stage(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    match reader.rest.len() {
        0 => Ok(Session::resume(config, games_done, stages)?),
        found => Err(SnapshotError::Length { part: "the end", found, expected: 0 }),
    }
}

fn decode_stage(reader: &mut Reader<'_>) -> Result<Vec<Entry>, SnapshotError> {
    let count = Classes::get().count();
    let seen = reader.take(count.div_ceil(8), "a stage's bits")?;
    let mut entries = vec![Entry::default(); count];
    for (class, entry) in entries.iter_mut().enumerate() {
        if seen[class / 8] >> (class % 8) & 1 == 0 {
            continue;
        }
        *entry = Entry {
            weight: f32::from_le_bytes(reader.array("an entry")?),
            mean: f32::from_le_bytes(reader.array("an entry")?),
            square: f32::from_le_bytes(reader.array("an entry")?),
            steps: u32::from_le_bytes(reader.array("an entry")?),
        };
    }
    Ok(entries)
}

/// What is left of a payload.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], SnapshotError> {
        let short = SnapshotError::Length { part, found: self.rest.len(), expected: count };
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], SnapshotError> {
        let short = SnapshotError::Length { part, found: self.rest.len(), expected: N };
        let (taken, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TrainConfig {
        TrainConfig { games: 96, batch: 32, ..TrainConfig::default() }
    }

    fn session_after(batches: usize) -> Session {
        let mut session = Session::new(config());
        for _ in 0..batches {
            session.step();
        }
        session
    }

    #[test]
    fn a_session_survives_and_goes_on_exactly() {
        let mut before = session_after(1);
        let mut after = decode(config(), &encode(&before)).expect("our own payload");
        assert_eq!(after.games_done(), 32);
        while before.step().is_some() {}
        while after.step().is_some() {}
        assert_eq!(encode(&before), encode(&after));
    }

    #[test]
    fn a_payload_has_room_within_the_limit() {
        assert!((encode(&session_after(1)).len() as u64) < bytes_max());
    }

    #[test]
    fn every_way_of_being_cut_off_is_refused() {
        let payload = encode(&session_after(1));
        for length in (0..200).chain((200..payload.len()).step_by(10_007)) {
            assert!(decode(config(), &payload[..length]).is_err(), "{length} bytes");
        }
        let longer = [payload.as_slice(), b"x"].concat();
        let expected = SnapshotError::Length { part: "the end", found: 1, expected: 0 };
        assert_eq!(decode(config(), &longer).err(), Some(expected));
    }

    #[test]
    fn another_layout_is_refused_naming_both_versions() {
        let mut payload = encode(&session_after(0));
        payload[4] = 9;
        let text = decode(config(), &payload).expect_err("layout 9").to_string();
        assert_eq!(text, "has layout version 9; this program reads version 1");
    }

    #[test]
    fn other_settings_are_refused_naming_both_configurations_and_the_difference() {
        let payload = encode(&session_after(0));
        let other = TrainConfig { alpha: 0.05, ..config() };
        let text = decode(other, &payload).expect_err("another alpha").to_string();
        let names = [config(), other].map(|config| short_name(&describe(&config)));
        let expected = format!(
            "was written with configuration {}, this run has {}: alpha 0.025 → 0.05",
            names[0], names[1]
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_stranger_s_payload_is_refused() {
        let text = decode(config(), b"PK\x03\x04").expect_err("a zip file").to_string();
        assert_eq!(text, "is not an Othello checkpoint: payload starts with \"PK\\x03\\x04\", not \"OTHL\"");
    }

    #[test]
    fn more_games_than_the_run_has_are_refused() {
        let mut payload = encode(&session_after(0));
        payload[8..16].copy_from_slice(&97u64.to_le_bytes());
        assert_eq!(decode(config(), &payload).err(), Some(SnapshotError::Games { found: 97, games: 96 }));
    }
}
