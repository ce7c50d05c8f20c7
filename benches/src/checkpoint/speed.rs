//! How long saving, loading and verifying take, each in turn with the same bytes without any care.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use resus_checkpoint::{SaveOptions, load, verify};
use serde_json::{Map, Value, json};

use super::state::{State, path};
use super::{CheckpointBenchError, bare, tell};
use crate::sample::Sample;

/// Threads of the goal for verifying.
const THREADS: usize = 2;

/// Measures in `folder`, and leaves the last checkpoint there.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(
    folder: &Path,
    state: &State,
    rounds: u32,
    result: &mut Map<String, Value>,
) -> Result<PathBuf, CheckpointBenchError> {
    tell(result, "rounds", rounds);
    let saved = saves(folder, state, rounds, result)?;
    let size = fs::metadata(&saved).map_err(CheckpointBenchError::io("look at", &saved))?.len();
    tell(result, "file_bytes", size);
    loads(&saved, rounds, result)?;
    verifications(&saved, size, rounds, result)?;
    Ok(saved)
}

/// Durable saves. Reading back is part of each, and told apart.
fn saves(
    folder: &Path,
    state: &State,
    rounds: u32,
    result: &mut Map<String, Value>,
) -> Result<PathBuf, CheckpointBenchError> {
    let options = SaveOptions::default();
    let (mut ours, mut bare, mut read_back) = (Sample::default(), Sample::default(), Sample::default());
    let mut last = None;
    for round in 0..rounds {
        // In the other order every other time, so that neither always follows the other's leftovers.
        for is_ours in [round % 2 == 0, round % 2 != 0] {
            bare::settle(folder)?;
            if !is_ours {
                bare.add(bare::save(folder, state)?);
                continue;
            }
            let games = u64::from(round) + 1;
            let saved = state.save(folder, games, &options)?;
            ours.add(saved.duration.saturating_sub(saved.read_back));
            read_back.add(saved.read_back);
            if let Some(old) = last.replace(saved.path) {
                fs::remove_file(&old).map_err(CheckpointBenchError::io("remove", &old))?;
            }
        }
    }
    ours.tell_ms("save", result);
    bare.tell_ms("bare_save", result);
    read_back.tell_ms("read_back", result);
    tell(result, "save_to_bare", json!(ours.median_to(&bare)));
    Ok(last.unwrap_or_else(|| path(folder, 0)))
}

/// Loads, with the file in the page cache.
fn loads(saved: &Path, rounds: u32, result: &mut Map<String, Value>) -> Result<(), CheckpointBenchError> {
    let (mut ours, mut bare) = (Sample::default(), Sample::default());
    bare::load(saved)?;
    for round in 0..rounds {
        for is_ours in [round % 2 == 0, round % 2 != 0] {
            if is_ours {
                let start = Instant::now();
                let loaded = load(saved).map_err(CheckpointBenchError::refused(saved))?;
                ours.add(start.elapsed());
                black_box(loaded);
            } else {
                bare.add(bare::load(saved)?);
            }
        }
    }
    ours.tell_ms("load", result);
    bare.tell_ms("bare_load", result);
    tell(result, "load_to_bare", json!(ours.median_to(&bare)));
    Ok(())
}

/// Verifications, with the file in the page cache: by two threads, by one, and one that only reads.
fn verifications(
    saved: &Path,
    size: u64,
    rounds: u32,
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
    let (several, single) = (pool(THREADS)?, pool(1)?);
    let (mut together, mut alone, mut bare) = (Sample::default(), Sample::default(), Sample::default());
    for _ in 0..rounds {
        together.add(verification(&several, saved)?);
        alone.add(verification(&single, saved)?);
        bare.add(bare::pass(saved)?);
    }
    let per_gb = |sample: &Sample| sample.quantile_ms(0.5).map(|ms| ms * 1e9 / size as f64);
    let tenth = |figure: f64| (figure * 10.0).round() / 10.0;
    tell(result, "verify_threads", THREADS);
    tell(result, "verify_ms_per_gb", json!(per_gb(&together).map(tenth)));
    for (name, sample) in [("verify", &together), ("verify_one_thread", &alone), ("pass_one_thread", &bare)] {
        let gb_per_s = per_gb(sample).map(|ms| (1e5 / ms).round() / 100.0);
        tell(result, format!("{name}_gb_per_s"), json!(gb_per_s));
    }
    Ok(())
}

fn verification(pool: &ThreadPool, saved: &Path) -> Result<Duration, CheckpointBenchError> {
    let start = Instant::now();
    let verified = pool.install(|| verify(saved)).map_err(CheckpointBenchError::refused(saved))?;
    let took = start.elapsed();
    black_box(verified);
    Ok(took)
}
