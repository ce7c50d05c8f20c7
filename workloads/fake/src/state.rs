//! The training state of the fake worker: small, and such that a run which lost or repeated a step on
//! its way through crashes and resumes ends differently from one that did not.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use resus_checkpoint::{
    Compression, Draft, Element, Meta, Refusal, SaveError, Saved, Section, load_at_most, save,
};

/// `step` and `digest`, little-endian.
const STATE_BYTES: usize = 16;
/// More than a state and its seal; a larger file is not ours.
const PAYLOAD_BYTES_MAX: u64 = 64;

/// How far the run is, and a number that depends on every step up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) step: u64,
    pub(crate) digest: u64,
}

/// Why a run cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("payload of {0} bytes is not a state of the fake worker")]
    Foreign(usize),
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

    /// A loss that falls with the steps.
    #[expect(clippy::cast_precision_loss, reason = "a curve to look at")]
    pub(crate) fn loss(&self) -> f64 {
        1.0 / (1.0 + self.step as f64).sqrt()
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

    pub(crate) fn save(&self, folder: &Path, unix_time: i64) -> Result<Saved, SaveError> {
        let name = format!("{}.prsm", self.checkpoint_id());
        let meta = Meta { step: self.step, ..Meta::default() };
        let parts: [&[u8]; 2] = [&self.step.to_le_bytes(), &self.digest.to_le_bytes()];
        let section =
            Section { name: "state", element: Element::Bytes, parts: &parts, compression: Compression::None };
        save(folder, &name, &Draft { games: self.step, unix_time, meta: &meta, sections: &[section] })
    }

    pub(crate) fn resume(path: &Path) -> Result<Self, ResumeError> {
        let saved = load_at_most(path, PAYLOAD_BYTES_MAX)?;
        let header = saved.header;
        let payload = saved.sections.into_iter().next().map(|section| section.bytes).unwrap_or_default();
        let bytes: &[u8; STATE_BYTES] =
            payload.as_slice().try_into().map_err(|_| ResumeError::Foreign(payload.len()))?;
        let word = |offset: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[offset + index]));
        let state = Self { step: word(0), digest: word(8) };
        if state.step != header.games {
            return Err(ResumeError::Step { header: header.games, state: state.step });
        }
        Ok(state)
    }
}

/// Flips one bit at the end of a file, as a bad disk would.
pub(crate) fn damage(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let last = file.metadata()?.len().checked_sub(1).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    file.write_all_at(&[byte[0] ^ 1], last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: u64) -> State {
        let mut state = State::default();
        (0..steps).for_each(|_| state.advance());
        state
    }

    #[test]
    fn a_resumed_state_is_the_saved_one() {
        let folder = tempfile::tempdir().unwrap();
        let saved = after(7).save(folder.path(), 1).unwrap();
        assert_eq!(State::resume(&saved.path).unwrap(), after(7));
        assert!(saved.path.ends_with("step-000007.prsm"));
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
        let damaged = after(3).save(folder.path(), 1).unwrap().path;
        damage(&damaged).unwrap();
        assert!(matches!(State::resume(&damaged), Err(ResumeError::Refused(_))));
        let short = save(folder.path(), "short.prsm", 3, 1, &[b"state"]).unwrap().path;
        assert!(matches!(State::resume(&short), Err(ResumeError::Foreign(5))));
        let other = save(folder.path(), "other.prsm", 4, 1, &[&[0; STATE_BYTES]]).unwrap().path;
        assert!(matches!(State::resume(&other), Err(ResumeError::Step { header: 4, state: 0 })));
    }
}
