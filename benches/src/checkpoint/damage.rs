//! Damages files in every way there is, one at a time, and counts what nobody saw.

use std::fs::{self, File, OpenOptions};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use othello_engine::rng::Rng;
use resus_checkpoint::{Compression, Refusal, SaveOptions, load, save_with, verify};
use serde_json::{Map, Value};

use super::state::State;
use super::{Amount, CheckpointBenchError, tell};
use crate::rig::Fault;

/// Chooses the same bits every time.
const SEED: u64 = 16;
/// Raw bytes of a chunk where files shall have many of them.
const SMALL_CHUNK: u32 = 1 << 10;
const MEDIUM_CHUNK: u32 = 64 << 10;
/// Of the damages to a file that is not small, every so many-th is also loaded; the others are only
/// verified, which is the same pass over the file without memory for it.
const LOAD_EVERY: usize = 10;

/// Damages that were tried, and those that were not seen.
#[derive(Debug, Default, Clone, Copy)]
struct Trials {
    tried: u64,
    accepted: u64,
}

impl Trials {
    fn add(&mut self, is_accepted: bool) {
        self.tried += 1;
        self.accepted += u64::from(is_accepted);
    }

    fn join(&mut self, others: Self) {
        self.tried += others.tried;
        self.accepted += others.accepted;
    }

    fn tell(self, name: &str, result: &mut Map<String, Value>) {
        tell(result, name, self.tried);
        tell(result, format!("{name}_accepted"), self.accepted);
    }
}

/// Damages checkpoints in `folder`, also the one at `large`.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(
    folder: &Path,
    large: &Path,
    amount: &Amount,
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let packing = [Compression::None, Compression::Lz4, Compression::Zstd];
    let saved = |name: &str, raw_bytes: usize, chunk_bytes| {
        // Of three parts, so that one is packed in each way.
        let state = State::noise(&[raw_bytes / 2, raw_bytes / 4, raw_bytes / 4]);
        let options = SaveOptions { chunk_bytes, ..SaveOptions::default() };
        state.draft(1, &packing, |draft| save_with(&options, folder, name, draft))
    };
    let small = saved("small.prsm", amount.small_bytes, SMALL_CHUNK)?;
    tell(result, "small_bytes", small.size_bytes);
    every_bit(folder, &small.path)?.tell("flips_small", result);
    every_length(&small.path)?.tell("truncations", result);
    let medium = saved("medium.prsm", amount.medium.0, MEDIUM_CHUNK)?;
    tell(result, "medium_bytes", medium.size_bytes);
    random_bits(&medium.path, amount.medium.1)?.tell("flips_medium", result);
    random_bits(large, amount.large_flips)?.tell("flips_large", result);
    Ok(())
}

/// Flips every bit of copies of a file, a thread for each copy.
fn every_bit(folder: &Path, whole: &Path) -> Result<Trials, CheckpointBenchError> {
    let bits = 8 * size(whole)?;
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = |number: usize| {
        let copy = folder.join(format!("copy-{number}.prsm"));
        fs::copy(whole, &copy).map_err(CheckpointBenchError::io("write", &copy))?;
        flips(&copy, (number as u64..bits).step_by(threads), 1)
    };
    thread::scope(|scope| {
        let part = &part;
        let parts: Vec<_> = (0..threads).map(|number| scope.spawn(move || part(number))).collect();
        let mut trials = Trials::default();
        for part in parts {
            trials.join(part.join().map_err(|_| Fault::wrong("a thread that flips bits panicked"))??);
        }
        Ok(trials)
    })
}

/// Flips so many bits anywhere in a file.
fn random_bits(path: &Path, count: u32) -> Result<Trials, CheckpointBenchError> {
    let bytes = size(path)?;
    let below = u32::try_from(bytes).map_err(|_| Fault::wrong(format!("{bytes} bytes are too many")))?;
    let mut rng = Rng::for_stream(SEED, bytes);
    let bits = (0..count).map(|_| u64::from(rng.below(below)) * 8 + u64::from(rng.below(8)));
    flips(path, bits, LOAD_EVERY)
}

/// Flips bits of a file one after the other, each back before the next.
fn flips(
    path: &Path,
    bits: impl Iterator<Item = u64>,
    load_every: usize,
) -> Result<Trials, CheckpointBenchError> {
    let file = open(path)?;
    let mut trials = Trials::default();
    for (number, bit) in bits.enumerate() {
        let (offset, mask) = (bit / 8, 1 << (bit % 8));
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).map_err(CheckpointBenchError::io("read", path))?;
        let put = |byte| file.write_all_at(&[byte], offset).map_err(CheckpointBenchError::io("write", path));
        put(byte[0] ^ mask)?;
        trials.add(is_accepted(path, number % load_every == 0)?);
        put(byte[0])?;
    }
    // Otherwise something else was refused than what was meant.
    verify(path).map_err(CheckpointBenchError::refused(path))?;
    Ok(trials)
}

/// Cuts a file shorter and shorter.
fn every_length(path: &Path) -> Result<Trials, CheckpointBenchError> {
    verify(path).map_err(CheckpointBenchError::refused(path))?;
    let file = open(path)?;
    let mut trials = Trials::default();
    for length in (0..size(path)?).rev() {
        file.set_len(length).map_err(CheckpointBenchError::io("cut", path))?;
        trials.add(is_accepted(path, true)?);
    }
    Ok(trials)
}

/// Whether a damaged file is taken for a whole one.
fn is_accepted(path: &Path, is_loaded: bool) -> Result<bool, CheckpointBenchError> {
    Ok(is_taken(path, verify(path).map(drop))? || is_loaded && is_taken(path, load(path).map(drop))?)
}

/// A file that cannot be read at all is no trial.
fn is_taken(path: &Path, outcome: Result<(), Refusal>) -> Result<bool, CheckpointBenchError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(refusal @ (Refusal::Open(_) | Refusal::Read(_))) => {
            Err(CheckpointBenchError::refused(path)(refusal))
        }
        Err(_) => Ok(false),
    }
}

fn open(path: &Path) -> Result<File, CheckpointBenchError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(CheckpointBenchError::io("open", path))
}

fn size(path: &Path) -> Result<u64, CheckpointBenchError> {
    Ok(fs::metadata(path).map_err(CheckpointBenchError::io("look at", path))?.len())
}
