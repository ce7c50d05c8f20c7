//! The state that is saved.

use std::path::{Path, PathBuf};

use othello_engine::rng::Rng;
use othello_engine::session::Session;
use resus_checkpoint::{Compression, Draft, Element, Health, Meta, SaveOptions, Saved, Section, save_with};

use super::CheckpointBenchError;

/// Makes the same state every time.
const SEED: u64 = 285;
/// Bytes that a step of a training changes.
const PIECE_BYTES: usize = 1 << 20;
/// When all checkpoints were saved, in seconds since 1970: it is not looked at.
const UNIX_TIME: i64 = 1_795_305_600;

/// Arrays of 4-byte elements by name.
#[derive(Debug)]
pub struct State {
    arrays: Vec<(String, Vec<u8>)>,
}

impl State {
    /// Floats whose signs and mantissas are random, as in a network that trains: hardly anything is
    /// gained by packing them. One section for each size in bytes, rounded down to whole floats.
    pub fn noise(sizes: &[usize]) -> Self {
        let mut rng = Rng::for_stream(SEED, 0);
        let mut noise = |(index, bytes): (usize, &usize)| {
            let mut array = Vec::with_capacity(bytes + 8);
            while array.len() < *bytes {
                let bits = rng.next_u64();
                // Two floats of one exponent: magnitudes from 1/128 to 1/64.
                let floats = bits & 0x807f_ffff_807f_ffff | 0x3c00_0000_3c00_0000;
                array.extend(floats.to_le_bytes());
            }
            array.truncate(bytes / 4 * 4);
            (format!("array-{index}"), array)
        };
        Self { arrays: sizes.iter().enumerate().map(&mut noise).collect() }
    }

    /// The tables of a learner as the trainer lays them out: an array for each number of an entry.
    pub fn tables(session: &Session) -> Self {
        let entries = || session.learner().stages().iter().flatten();
        let floats = |name: &str, number: &dyn Fn(&othello_engine::adam::Entry) -> [u8; 4]| {
            (name.to_owned(), entries().flat_map(number).collect())
        };
        Self {
            arrays: vec![
                floats("weights", &|entry| entry.weight.to_le_bytes()),
                floats("means", &|entry| entry.mean.to_le_bytes()),
                floats("squares", &|entry| entry.square.to_le_bytes()),
                floats("steps", &|entry| entry.steps.to_le_bytes()),
            ],
        }
    }

    /// Bytes of all arrays together.
    pub fn bytes(&self) -> u64 {
        self.arrays().map(|array| array.len() as u64).sum()
    }

    /// The bytes of each array.
    pub fn arrays(&self) -> impl Iterator<Item = &[u8]> {
        self.arrays.iter().map(|(_, bytes)| bytes.as_slice())
    }

    /// Changes a piece of one array, another one with each number: what a step of a training does.
    pub fn change(&mut self, number: usize) {
        let count = self.arrays.len().max(1);
        let Some((_, array)) = self.arrays.get_mut(number % count) else { return };
        let pieces = array.len().div_ceil(PIECE_BYTES).max(1);
        let piece = array.chunks_mut(PIECE_BYTES).nth(number / count % pieces).unwrap_or_default();
        // The last bit of each mantissa.
        piece.iter_mut().step_by(4).for_each(|byte| *byte ^= 1);
    }

    /// Gives it to `read` as a draft whose sections are packed in turn as `packing` says.
    pub fn draft<R>(&self, games: u64, packing: &[Compression], read: impl FnOnce(&Draft<'_>) -> R) -> R {
        let parts: Vec<[&[u8]; 1]> = self.arrays().map(|bytes| [bytes]).collect();
        let packing = packing.iter().copied().cycle();
        let sections = self.arrays.iter().zip(&parts).zip(packing);
        let sections: Vec<Section<'_>> = sections
            .map(|(((name, _), parts), compression)| Section {
                name,
                element: Element::F32,
                parts,
                compression,
            })
            .collect();
        let metrics = [("loss".to_owned(), 0.125)].into();
        let writer = "resus-bench".to_owned();
        let meta = Meta { step: games, epoch: None, health: Health::Finite, metrics, writer };
        read(&Draft { games, unix_time: UNIX_TIME, meta: &meta, sections: &sections })
    }

    /// Saves it, unpacked, under the name that belongs to `games`.
    ///
    /// # Errors
    /// [`CheckpointBenchError::Save`].
    pub fn save(
        &self,
        folder: &Path,
        games: u64,
        options: &SaveOptions,
    ) -> Result<Saved, CheckpointBenchError> {
        let name = file_name(games);
        Ok(self.draft(games, &[Compression::None], |draft| save_with(options, folder, &name, draft))?)
    }
}

/// The name of a checkpoint after so many games.
pub fn file_name(games: u64) -> String {
    format!("game-{games:08}.prsm")
}

/// Where [`State::save`] puts the checkpoint after so many games.
pub fn path(folder: &Path, games: u64) -> PathBuf {
    folder.join(file_name(games))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_finite_floats_of_the_sizes_asked_for() {
        let state = State::noise(&[10, 400]);
        assert_eq!(state.bytes(), 8 + 400);
        let floats = state.arrays().flat_map(|bytes| bytes.chunks_exact(4));
        let floats = floats.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")).abs());
        assert!({ floats }.all(|float| (1.0 / 128.0..1.0 / 64.0).contains(&float)));
    }

    #[test]
    fn a_change_is_of_one_piece_and_can_be_undone_by_itself() {
        let mut state = State::noise(&[PIECE_BYTES + 8, 8]);
        let before: Vec<Vec<u8>> = state.arrays().map(<[u8]>::to_vec).collect();
        let differences = |state: &State| -> Vec<usize> {
            let pairs = state.arrays().zip(&before);
            pairs.map(|(now, then)| now.iter().zip(then).filter(|(now, then)| now != then).count()).collect()
        };
        // The second piece of the first array.
        state.change(2);
        assert_eq!(differences(&state), [2, 0]);
        state.change(1);
        assert_eq!(differences(&state), [2, 2]);
        state.change(6);
        state.change(3);
        assert_eq!(differences(&state), [0, 0]);
        State { arrays: Vec::new() }.change(0);
    }

    #[test]
    fn the_draft_has_every_array_once() {
        let state = State::noise(&[8, 16, 24]);
        let packed = state.draft(7, &[Compression::None, Compression::Zstd], |draft| {
            assert_eq!((draft.games, draft.meta.step), (7, 7));
            let sections = draft.sections.iter().zip(state.arrays());
            sections
                .map(|(section, bytes)| (section.parts == [bytes], section.compression))
                .collect::<Vec<_>>()
        });
        let expected = [Compression::None, Compression::Zstd, Compression::None];
        assert_eq!(packed, expected.map(|compression| (true, compression)));
    }
}
