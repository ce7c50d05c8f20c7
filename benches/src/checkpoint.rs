//! `checkpoint`: what a trustworthy checkpoint costs beside a bare file of the same bytes, and
//! whether it can be trusted.
//!
//! Saving, loading and verifying stand beside the same bytes written and synced, read into
//! memory, and read through a small buffer; how long a training stands still for a save, beside
//! a copy of the same bytes. Then files are damaged bit by bit, cut at every
//! length, and their writer is killed at any moment of a save; what is counted is the damage
//! that nobody saw.

mod bare;
mod compression;
mod damage;
mod kills;
mod speed;
mod stall;
mod state;
mod victim;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::ThreadPoolBuildError;
use resus_checkpoint::background::RequestError;
use resus_checkpoint::{FolderError, Refusal, SaveError};
use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::Fault;

use state::State;
pub use victim::live_if_asked;

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 9] = [
    ("save_to_bare", 1.15),
    ("stall_max_ms", 50.0),
    ("load_to_bare", 1.3),
    // 3 GB/s.
    ("verify_ms_per_gb", 333.4),
    ("flips_small_accepted", 0.0),
    ("flips_medium_accepted", 0.0),
    ("flips_large_accepted", 0.0),
    ("truncations_accepted", 0.0),
    ("kills_without_good", 0.0),
];

/// How much is saved, damaged and killed.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Bytes of the sections whose saving, loading and verifying is timed.
    sections: [usize; 3],
    /// Times that each is done, ours and bare in turn.
    rounds: u32,
    /// Saves beside a training, and how long it trains alone before.
    stalls: (u32, Duration),
    /// Raw bytes of the checkpoint of which every bit is flipped, and which is cut at every length.
    small_bytes: usize,
    /// Raw bytes and random flips of a checkpoint of many chunks.
    medium: (usize, u32),
    /// Random flips of the checkpoint whose saving was timed.
    large_flips: u32,
    /// Saves that are killed, and the bytes of each.
    kills: (u32, usize),
    /// Batches after which the weights are compressed, and times that each compression is timed.
    compression: (u64, u32),
}

impl Amount {
    /// As the goals say.
    const FULL: Self = Self {
        sections: [57_000_000, 114_000_000, 114_000_000],
        rounds: 11,
        stalls: (20, Duration::from_secs(2)),
        small_bytes: 65 << 10,
        medium: (17 << 20, 10_000),
        large_flips: 100,
        kills: (300, 16 << 20),
        compression: (64, 5),
    };
    /// Shows that it works.
    const QUICK: Self = Self {
        sections: [300_000, 600_000, 4_500_000],
        rounds: 2,
        stalls: (2, Duration::from_millis(50)),
        small_bytes: 4 << 10,
        medium: (100_000, 40),
        large_flips: 8,
        kills: (4, 1 << 20),
        compression: (1, 1),
    };
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointBenchError {
    /// Nothing could be measured.
    #[error(transparent)]
    Rig(#[from] Fault),
    /// A checkpoint was not saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// A save was not begun.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A checkpoint that nobody had damaged was refused.
    #[error("{}, which is whole, was refused", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// A folder of checkpoints could not be looked through.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The threads could not be started.
    #[error("failed to start the threads")]
    Threads(#[from] ThreadPoolBuildError),
}

impl CheckpointBenchError {
    /// Makes an error of an I/O error.
    fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Fault::io(what, path)(source).into()
    }

    /// Makes an error of the refusal of a whole file.
    fn refused(path: &Path) -> impl FnOnce(Refusal) -> Self {
        move |refusal| Self::Refused { path: path.to_owned(), refusal }
    }
}

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, CheckpointBenchError> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    std::fs::create_dir_all(folder).map_err(CheckpointBenchError::io("create", folder))?;
    let place =
        tempfile::tempdir_in(folder).map_err(CheckpointBenchError::io("create a folder in", folder))?;
    let mut state = State::noise(&amount.sections);
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("checkpoint"));
    result.insert("state_bytes".to_owned(), json!(state.bytes()));
    let saved = speed::measure(place.path(), &state, amount.rounds, &mut result)?;
    stall::measure(place.path(), &mut state, amount.stalls, &mut result)?;
    damage::measure(place.path(), &saved, &amount, &mut result)?;
    kills::measure(place.path(), amount.kills, &mut result)?;
    compression::measure(place.path(), &state, amount.compression, &mut result)?;
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// Adds a figure to a result.
fn tell(result: &mut Map<String, Value>, name: impl Into<String>, figure: impl Into<Value>) {
    result.insert(name.into(), figure.into());
}
