//! The training state of the fake worker: small, and such that a run which lost or repeated a step on
//! its way through crashes and resumes ends differently from one that did not.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use resus_checkpoint::{
    Checkpoint, Compression, Draft, Element, Health, Meta, Refusal, SaveError, Saved, Section, load_at_most,
    save,
};

use crate::foreign;
use crate::script::Shape;

/// `step`, `digest` and `weight`, little-endian.
pub(crate) const STATE_BYTES: usize = 24;
/// Where `weight` begins.
const WEIGHT_AT: usize = 16;
/// More than a state; a larger file is not ours.
const SECTIONS_BYTES_MAX: u64 = 64;
/// The sections of a checkpoint of our own format.
const COUNTERS: &str = "counters";
const WEIGHT: &str = "weight";
/// Who wrote it, for people.
const WRITER: &str = concat!("resus-fake-worker ", env!("CARGO_PKG_VERSION"));

/// How far the run is, and a number that depends on every step up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) step: u64,
    pub(crate) digest: u64,
    /// Its numbers are NaN, and with them those of every step that follows.
    is_poisoned: bool,
}

/// Why a run cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("it holds no state of the fake worker")]
    Foreign,
    #[error("header says step {header}, but the state is at step {state}")]
    Step { header: u64, state: u64 },
}

impl State {
    /// Does one step.
    pub(crate) fn advance(&mut self) {
        self.step = self.step.saturating_add(1);
        // The multiplier of Knuth's MMIX generator: odd, so that no two histories fall together.
        self.digest = self.digest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.step);
    }

    /// Makes its numbers NaN.
    pub(crate) fn poison(&mut self) {
        self.is_poisoned = true;
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// The one weight of the model: it falls with the steps.
    #[expect(clippy::cast_precision_loss, reason = "a curve to look at")]
    pub(crate) fn weight(&self) -> f64 {
        if self.is_poisoned { f64::NAN } else { 1.0 / (1.0 + self.step as f64).sqrt() }
    }

    /// The loss, which is the weight: nothing can be learned here.
    pub(crate) fn loss(&self) -> f64 {
        self.weight()
    }

    /// As much of the digest as a JSON number keeps.
    pub(crate) fn short_digest(&self) -> u32 {
        let [.., a, b, c, d] = self.digest.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The name of the checkpoint at this step, without its ending.
    pub(crate) fn checkpoint_id(&self) -> String {
        format!("step-{:06}", self.step)
    }

    pub(crate) fn to_bytes(self) -> [u8; STATE_BYTES] {
        let words = [self.step, self.digest, self.weight().to_bits()].map(u64::to_le_bytes);
        std::array::from_fn(|index| words[index / 8][index % 8])
    }

    /// The state that is written as `bytes`; `None` if none is.
    pub(crate) fn from_bytes(bytes: &[u8; STATE_BYTES]) -> Option<Self> {
        let word = |offset: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[offset + index]));
        let is_poisoned = !f64::from_bits(word(WEIGHT_AT)).is_finite();
        let state = Self { step: word(0), digest: word(8), is_poisoned };
        (state.to_bytes() == *bytes).then_some(state)
    }

    /// Saves it in our own format. With `hides_health` the file does not tell whether its numbers are finite.
    pub(crate) fn save(&self, folder: &Path, unix_time: i64, hides_health: bool) -> Result<Saved, SaveError> {
        let health = match (hides_health, self.is_poisoned) {
            (true, _) => Health::Unknown,
            (false, true) => Health::NotFinite,
            (false, false) => Health::Finite,
        };
        let figures = [("loss".to_owned(), self.loss())].into_iter().filter(|_| !hides_health);
        let metrics: BTreeMap<String, f64> = figures.collect();
        let meta = Meta { step: self.step, epoch: None, health, metrics, writer: WRITER.to_owned() };
        let bytes = self.to_bytes();
        let (counters, weight) = bytes.split_at(WEIGHT_AT);
        let (counters, weight) = ([counters], [weight]);
        let section = |name, element, parts| Section { name, element, parts, compression: Compression::None };
        let sections = [section(COUNTERS, Element::U64, &counters), section(WEIGHT, Element::F64, &weight)];
        let draft = Draft { games: self.step, unix_time, meta: &meta, sections: &sections };
        save(folder, &foreign::file_name(Shape::Prsm, &self.checkpoint_id()), &draft)
    }

    /// The state of the checkpoint at `path`, of whichever shape.
    pub(crate) fn resume(path: &Path) -> Result<Self, ResumeError> {
        match foreign::shape_of(path) {
            Shape::Prsm => {
                let checkpoint = load_at_most(path, SECTIONS_BYTES_MAX)?;
                let state = Self::of(&checkpoint).ok_or(ResumeError::Foreign)?;
                let header = checkpoint.header.games;
                if state.step == header {
                    Ok(state)
                } else {
                    Err(ResumeError::Step { header, state: state.step })
                }
            }
            Shape::Torch | Shape::Safetensors | Shape::Folder => {
                let read = foreign::read(path);
                let state = read.map_err(|source| ResumeError::Read { path: path.to_owned(), source })?;
                state.ok_or(ResumeError::Foreign)
            }
        }
    }

    fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let bytes = |name| checkpoint.section(name).map(|section| section.bytes.as_slice());
        let bytes = [bytes(COUNTERS)?, bytes(WEIGHT)?].concat();
        Self::from_bytes(bytes.as_slice().try_into().ok()?)
    }
}

/// Flips one bit in the middle of a checkpoint, as a bad disk would.
pub(crate) fn damage(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(foreign::heart_of(path))?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_checkpoint::verify;

    fn after(steps: u64) -> State {
        let mut state = State::default();
        (0..steps).for_each(|_| state.advance());
        state
    }

    #[test]
    fn a_resumed_state_is_the_saved_one() {
        let folder = tempfile::tempdir().unwrap();
        let saved = after(7).save(folder.path(), 1, false).unwrap();
        assert_eq!(State::resume(&saved.path).unwrap(), after(7));
        assert!(saved.path.ends_with("step-000007.prsm"));
    }

    #[test]
    fn a_poisoned_state_stays_so_and_says_so_unless_it_hides_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = after(7);
        state.poison();
        for (hides_health, health) in [(false, Health::NotFinite), (true, Health::Unknown)] {
            let saved = state.save(folder.path(), 1, hides_health).unwrap();
            let meta = verify(&saved.path).unwrap().meta.unwrap();
            assert_eq!((meta.health, meta.metrics.is_empty()), (health, hides_health));
            let mut resumed = State::resume(&saved.path).unwrap();
            resumed.advance();
            assert!(resumed.is_poisoned() && resumed.loss().is_nan());
        }
        let healthy = verify(&after(8).save(folder.path(), 1, false).unwrap().path).unwrap();
        assert_eq!(healthy.meta.unwrap().health, Health::Finite);
    }

    #[test]
    fn a_lost_or_repeated_step_shows_in_the_digest() {
        let mut lost = after(5);
        lost.step += 1;
        (0..4).for_each(|_| lost.advance());
        assert_eq!(lost.step, after(10).step);
        assert_ne!(lost.digest, after(10).digest);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_resumed_from() {
        let folder = tempfile::tempdir().unwrap();
        let damaged = after(3).save(folder.path(), 1, false).unwrap().path;
        damage(&damaged).unwrap();
        assert!(matches!(State::resume(&damaged), Err(ResumeError::Refused(_))));
        let meta = Meta::default();
        let saved = |games, name: &str, bytes: &[u8]| {
            let (counters, weight, element) = ([bytes], 1.0_f64.to_le_bytes(), Element::Bytes);
            let weight = [&weight[..]];
            let section = |name, parts| Section { name, element, parts, compression: Compression::None };
            let sections = [section(COUNTERS, &counters[..]), section(WEIGHT, &weight[..])];
            let draft = Draft { games, unix_time: 1, meta: &meta, sections: &sections };
            save(folder.path(), name, &draft).unwrap().path
        };
        assert!(matches!(State::resume(&saved(3, "short.prsm", b"state")), Err(ResumeError::Foreign)));
        let other = saved(4, "other.prsm", &[0; WEIGHT_AT]);
        assert!(matches!(State::resume(&other), Err(ResumeError::Step { header: 4, state: 0 })));
        let gone = State::resume(&folder.path().join("gone.pt"));
        assert!(matches!(gone, Err(ResumeError::Read { .. })), "{gone:?}");
    }
}
