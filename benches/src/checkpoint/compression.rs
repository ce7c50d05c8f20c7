//! What packing gains and costs: on the tables of a training that has begun, and on floats in which
//! there is nothing to find.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use othello_engine::session::{Session, TrainConfig};
use resus_checkpoint::{Compression, SaveOptions, load, save_with};
use serde_json::{Map, Value, json};

use super::state::State;
use super::{CheckpointBenchError, bare, tell};
use crate::sample::Sample;

/// Its name in the figures, and how it packs.
const WAYS: [(&str, Compression); 3] =
    [("plain", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)];

/// Saves and loads, so many times in each way, the tables after so many batches, and `noise`.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(
    folder: &Path,
    noise: &State,
    (batches, rounds): (u64, u32),
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let config = TrainConfig::default();
    let mut session = Session::new(config);
    for _ in 0..batches {
        session.step();
    }
    tell(result, "tables_games", session.games_done());
    for (name, state) in [("tables", &State::tables(&session)), ("noise", noise)] {
        tell(result, format!("{name}_bytes"), state.bytes());
        of_state(folder, name, state, rounds, result)?;
    }
    Ok(())
}

fn of_state(
    folder: &Path,
    name: &str,
    state: &State,
    rounds: u32,
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let options = SaveOptions { read_back: false, ..SaveOptions::default() };
    let mut samples = WAYS.map(|_| (Sample::default(), Sample::default()));
    let mut sizes = WAYS.map(|_| 0);
    for _ in 0..rounds {
        for (((_, way), (saves, loads)), size) in WAYS.iter().zip(&mut samples).zip(&mut sizes) {
            bare::settle(folder)?;
            let saved = state.draft(1, &[*way], |draft| save_with(&options, folder, "packed.prsm", draft))?;
            saves.add(saved.duration);
            *size = saved.size_bytes;
            let start = Instant::now();
            let loaded = load(&saved.path).map_err(CheckpointBenchError::refused(&saved.path))?;
            loads.add(start.elapsed());
            black_box(loaded);
            fs::remove_file(&saved.path).map_err(CheckpointBenchError::io("remove", &saved.path))?;
        }
    }
    for (((way, _), (saves, loads)), size) in WAYS.iter().zip(&samples).zip(sizes) {
        let ratio = state.bytes() as f64 / size as f64;
        tell(result, format!("{name}_{way}_ratio"), (ratio * 100.0).round() / 100.0);
        tell(result, format!("{name}_{way}_save_p50_ms"), json!(saves.quantile_ms(0.5)));
        tell(result, format!("{name}_{way}_load_p50_ms"), json!(loads.quantile_ms(0.5)));
    }
    Ok(())
}
