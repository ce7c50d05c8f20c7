//! The payload of checkpoints up to layout 1, which are read and no longer written.
//!
//! ```text
//! 4  magic "OTHL"
//! 4  layout, u32: 1
//! 8  games done, u64
//! 4  length of the configuration, u32
//! n  configuration, `name=value` pairs (UTF-8)
//! 4  stages, u32
//! then for every stage:
//!    one bit per mirror class, lowest bit first: was it ever learned from?
//!    for every set bit: weight f32, mean f32, square f32, steps u32
//! ```
//! All little-endian.

use othello_engine::adam::Entry;
use othello_engine::classes::Classes;
use othello_engine::eval::PLIES;
use othello_engine::learn::TableShapeError;
use othello_engine::session::{Session, TrainConfig};

use super::{SnapshotError, check_config, check_games};

const MAGIC: [u8; 4] = *b"OTHL";

/// The one layout that was written as a payload.
const LAYOUT: u32 = 1;

/// The session a payload holds, to go on under `config`.
pub(super) fn decode(config: TrainConfig, payload: &[u8]) -> Result<Session, SnapshotError> {
    if !payload.starts_with(&MAGIC) {
        let found: Vec<u8> = payload.iter().take(MAGIC.len()).copied().collect();
        let found = format!("payload starts with \"{}\", not \"OTHL\"", found.escape_ascii());
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
    check_config(&found, &config)?;
    check_games(games_done, &config)?;
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
