//! `othello`: how fast self-play learns, on one thread and on all.
//!
//! What is timed is a session's step, a batch of games played and learned from: what the
//! trainer does between two looks at its commands. Both sides play the very same games.

use std::num::NonZero;
use std::time::Instant;

use othello_engine::session::{Session, TrainConfig};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};
use serde_json::{Value, json};

use crate::extent::Extent;

/// Batches that are timed: some seconds on one thread.
const BATCHES: u64 = 32;
/// Batches before that, so that the tables are no longer all zero and lie in memory.
const WARM_BATCHES: u64 = 4;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum OthelloBenchError {
    /// The threads could not be started.
    #[error("failed to start the threads")]
    Threads(#[from] ThreadPoolBuildError),
}

/// Measures batches of the default configuration, once per number of threads.
///
/// # Errors
/// [`OthelloBenchError`].
pub fn measure(extent: Extent) -> Result<Value, OthelloBenchError> {
    let batches = extent.choose(BATCHES, 1);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let alone = games_per_second(1, batches)?;
    let together = games_per_second(threads, batches)?;
    let per_thread = together / threads as f64;
    Ok(json!({
        "bench": "othello",
        "games": batches * u64::from(TrainConfig::default().batch),
        "games_per_s_one_thread": alone.round(),
        "threads": threads,
        "games_per_s": together.round(),
        "games_per_s_per_thread": per_thread.round(),
        "per_thread_to_one_thread": (per_thread / alone * 1000.0).round() / 1000.0,
    }))
}

fn games_per_second(threads: usize, batches: u64) -> Result<f64, OthelloBenchError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    Ok(pool.install(|| {
        let config = TrainConfig::default();
        let games = (WARM_BATCHES + batches) * u64::from(config.batch);
        let mut session = Session::new(TrainConfig { games, ..config });
        for _ in 0..WARM_BATCHES {
            session.step();
        }
        let warm = session.games_done();
        let start = Instant::now();
        while session.step().is_some() {}
        (session.games_done() - warm) as f64 / start.elapsed().as_secs_f64()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_figures_are_of_games_that_were_played() {
        let result = measure(Extent::Quick).expect("a result");
        for figure in ["games_per_s_one_thread", "games_per_s", "per_thread_to_one_thread"] {
            assert!(result[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {result}");
        }
        assert_eq!(result["games"], 512);
    }
}
