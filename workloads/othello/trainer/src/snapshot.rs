//! A session between two batches as the sections of a checkpoint, and back.
//!
//! ```text
//! section         element  holds
//! othello-layout  u32      one number: meaning of the weights and order of what follows
//! config          bytes    the configuration, `name=value` pairs (UTF-8)
//! seen            bytes    for every stage one bit per mirror class, lowest bit first, to a whole byte:
//!                          was it ever learned from?
//! weights         f32      of every set bit, stage after stage, in discs
//! means           f32      likewise: running mean of gradients
//! squares         f32      likewise: running mean of squared gradients
//! steps           u32      likewise: steps taken
//! ```
//! Entries never learned from are zero and take no room. The games done are in the file's header; the
//! position in the learning rate's schedule and every generator's state follow from them: nothing else is
//! needed to go on exactly. Integrity is the file format's business (`resus_checkpoint`), not ours.

mod payload;

use othello_engine::adam::Entry;
use othello_engine::classes::Classes;
use othello_engine::eval::PLIES;
use othello_engine::learn::TableShapeError;
use othello_engine::session::{Session, TrainConfig};
use rayon::prelude::*;
use resus_checkpoint::{Checkpoint, Compression, Element, Section};

use crate::fingerprint::{describe, differences, short_name};

/// Layout 2: indices relative to the side to move, first cell least significant, 0 empty, 1 own, 2
/// opponent; mirror classes in order of their least index; weights in discs. Layout 1 was one payload.
const LAYOUT: u32 = 2;

const LAYOUT_SECTION: &str = "othello-layout";
const CONFIG: &str = "config";
const SEEN: &str = "seen";
/// The arrays with one number for each set bit, four bytes each.
const ARRAYS: [(&str, Element); 4] =
    [("weights", Element::F32), ("means", Element::F32), ("squares", Element::F32), ("steps", Element::U32)];
/// The one section of files before version 3.
const PAYLOAD: &str = "payload";

/// Bytes of an entry in all arrays.
const ENTRY_BYTES: usize = 16;

/// No checkpoint of ours holds more: every entry of as many stages as there can be, and the rest.
pub(crate) fn bytes_max() -> u64 {
    let stage = Classes::get().count() * ENTRY_BYTES + seen_bytes();
    (PLIES * stage + 64 * 1024) as u64
}

/// Bytes of state to be ready for in an attempt that begins with `session`: half of all entries, of which
/// a training of 200,000 games sees a third, or what it has seen and an eighth more.
pub(crate) fn expected_bytes(session: &Session) -> usize {
    let learner = session.learner();
    let (stages, seen) = (learner.stages().len(), learner.entries_seen());
    let all = stages * Classes::get().count();
    let entries = (all / 2).max(seen + seen / 8).min(all);
    let config = describe(session.config()).len();
    size_of_val(&LAYOUT) + config + stages * seen_bytes() + entries * ENTRY_BYTES
}

/// Bytes of the bits of one stage.
fn seen_bytes() -> usize {
    Classes::get().count().div_ceil(8)
}

/// Why a checkpoint is not gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// Some other workload's checkpoint.
    #[error("is not an Othello checkpoint: {found}")]
    NotOthello {
        /// What it is instead.
        found: String,
    },
    /// Written by a program that arranged its weights differently.
    #[error("has layout version {found}; this program reads versions 1 and {LAYOUT}")]
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
    /// A section is missing, or holds something else.
    #[error("has no section \"{name}\" of type {element}")]
    Section {
        /// Its name.
        name: &'static str,
        /// What it must hold.
        element: &'static str,
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

/// A session's state as arrays, in memory that is kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    config: String,
    stages: Vec<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    seen: Vec<u8>,
    /// In the order of [`ARRAYS`].
    numbers: [Vec<u8>; ARRAYS.len()],
    is_finite: bool,
}

impl Arrays {
    /// Takes the state of `session`, one stage per task of the current rayon pool.
    pub(crate) fn take(&mut self, session: &Session) {
        let stages = session.learner().stages();
        self.config = describe(session.config());
        self.stages.resize_with(stages.len(), Stage::default);
        self.stages.par_iter_mut().zip(stages).for_each(|(stage, entries)| stage.take(entries));
    }

    /// Whether every number in it is finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.stages.iter().all(|stage| stage.is_finite)
    }

    /// Gives the state to `read` as sections.
    pub(crate) fn read<R>(&self, compression: Compression, read: impl FnOnce(&[Section<'_>]) -> R) -> R {
        let layout = LAYOUT.to_le_bytes();
        let seen: Vec<&[u8]> = self.stages.iter().map(|stage| stage.seen.as_slice()).collect();
        let numbers = |index: usize| self.stages.iter().map(move |stage| stage.numbers[index].as_slice());
        let numbers: [Vec<&[u8]>; ARRAYS.len()] = std::array::from_fn(|index| numbers(index).collect());
        let section = |name, element, parts| Section { name, element, parts, compression };
        let (layout, config) = ([layout.as_slice()], [self.config.as_bytes()]);
        let mut sections = vec![
            section(LAYOUT_SECTION, Element::U32, &layout),
            section(CONFIG, Element::Bytes, &config),
            section(SEEN, Element::Bytes, &seen),
        ];
        let arrays = ARRAYS.iter().zip(&numbers);
        sections.extend(arrays.map(|((name, element), parts)| section(name, *element, parts)));
        read(&sections)
    }
}

impl Stage {
    fn take(&mut self, entries: &[Entry]) {
        self.seen.clear();
        self.numbers.iter_mut().for_each(Vec::clear);
        self.is_finite = true;
        for eight in entries.chunks(8) {
            let seen = |(bit, entry): (usize, &Entry)| u8::from(is_stored(entry)) << bit;
            self.seen.push(eight.iter().enumerate().map(seen).fold(0, |byte, bit| byte | bit));
        }
        let [weights, means, squares, steps] = &mut self.numbers;
        for entry in entries.iter().filter(|entry| is_stored(entry)) {
            self.is_finite &=
                [entry.weight, entry.mean, entry.square].iter().all(|number| number.is_finite());
            weights.extend_from_slice(&entry.weight.to_le_bytes());
            means.extend_from_slice(&entry.mean.to_le_bytes());
            squares.extend_from_slice(&entry.square.to_le_bytes());
            steps.extend_from_slice(&entry.steps.to_le_bytes());
        }
    }
}

fn is_stored(entry: &Entry) -> bool {
    entry.steps > 0
}

/// The session a checkpoint holds, to go on under `config`.
pub(crate) fn decode(config: TrainConfig, checkpoint: &Checkpoint) -> Result<Session, SnapshotError> {
    if let [section] = checkpoint.sections.as_slice()
        && section.name == PAYLOAD
    {
        return payload::decode(config, &section.bytes);
    }
    let layout = match section(checkpoint, LAYOUT_SECTION, Element::U32) {
        Ok(bytes) => u32::from_le_bytes(exactly(bytes, "the layout")?),
        Err(_) => return Err(SnapshotError::NotOthello { found: stranger(checkpoint) }),
    };
    if layout != LAYOUT {
        return Err(SnapshotError::Layout { found: layout });
    }
    let found = section(checkpoint, CONFIG, Element::Bytes)?;
    check_config(&String::from_utf8_lossy(found), &config)?;
    let games_done = checkpoint.header.games;
    check_games(games_done, &config)?;
    let stages = decode_stages(checkpoint, config.stages as usize)?;
    Ok(Session::resume(config, games_done, stages)?)
}

fn decode_stages(checkpoint: &Checkpoint, count: usize) -> Result<Vec<Vec<Entry>>, SnapshotError> {
    let seen = section(checkpoint, SEEN, Element::Bytes)?;
    let expected = count.saturating_mul(seen_bytes());
    if seen.len() != expected {
        return Err(SnapshotError::Length { part: SEEN, found: seen.len(), expected });
    }
    let mut arrays = [&[][..]; ARRAYS.len()];
    for (array, (name, element)) in arrays.iter_mut().zip(ARRAYS) {
        *array = section(checkpoint, name, element)?;
    }
    let mut readers = arrays.map(Numbers);
    let stages = seen.chunks(seen_bytes()).map(|seen| decode_stage(seen, &mut readers));
    let stages = stages.collect::<Result<Vec<_>, _>>()?;
    match readers.iter().zip(ARRAYS).find(|(reader, _)| !reader.0.is_empty()) {
        Some((reader, (part, _))) => Err(SnapshotError::Length { part, found: reader.0.len(), expected: 0 }),
        None => Ok(stages),
    }
}

fn decode_stage(seen: &[u8], readers: &mut [Numbers<'_>; ARRAYS.len()]) -> Result<Vec<Entry>, SnapshotError> {
    let mut entries = vec![Entry::default(); Classes::get().count()];
    let [weights, means, squares, steps] = readers;
    for (class, entry) in entries.iter_mut().enumerate() {
        if seen[class / 8] >> (class % 8) & 1 == 0 {
            continue;
        }
        *entry = Entry {
            weight: f32::from_le_bytes(weights.next(ARRAYS[0].0)?),
            mean: f32::from_le_bytes(means.next(ARRAYS[1].0)?),
            square: f32::from_le_bytes(squares.next(ARRAYS[2].0)?),
            steps: u32::from_le_bytes(steps.next(ARRAYS[3].0)?),
        };
    }
    Ok(entries)
}

/// What is left of an array of four-byte numbers.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self, part: &'static str) -> Result<[u8; 4], SnapshotError> {
        let short = SnapshotError::Length { part, found: self.0.len(), expected: 4 };
        let (number, rest) = self.0.split_first_chunk().ok_or(short)?;
        self.0 = rest;
        Ok(*number)
    }
}

/// The bytes of a section.
fn section<'a>(
    checkpoint: &'a Checkpoint,
    name: &'static str,
    element: Element,
) -> Result<&'a [u8], SnapshotError> {
    let found = checkpoint.sections.iter().find(|section| section.name == name && section.element == element);
    found
        .map(|section| section.bytes.as_slice())
        .ok_or(SnapshotError::Section { name, element: element.name() })
}

fn exactly<const N: usize>(bytes: &[u8], part: &'static str) -> Result<[u8; N], SnapshotError> {
    bytes.try_into().map_err(|_| SnapshotError::Length { part, found: bytes.len(), expected: N })
}

/// What a checkpoint of someone else has, for people.
fn stranger(checkpoint: &Checkpoint) -> String {
    let names: Vec<String> =
        checkpoint.sections.iter().take(4).map(|section| format!("{:?}", section.name)).collect();
    match names.as_slice() {
        [] => "it has no sections".to_owned(),
        names => format!("it has the sections {}, and none \"{LAYOUT_SECTION}\"", names.join(", ")),
    }
}

fn check_config(found: &str, config: &TrainConfig) -> Result<(), SnapshotError> {
    let wanted = describe(config);
    if found == wanted {
        return Ok(());
    }
    let differences = differences(found, &wanted);
    Err(SnapshotError::Config { found: short_name(found), wanted: short_name(&wanted), differences })
}

fn check_games(games_done: u64, config: &TrainConfig) -> Result<(), SnapshotError> {
    if games_done > config.games {
        return Err(SnapshotError::Games { found: games_done, games: config.games });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
