//! A training session: batches of self-play and learning, from a fixed configuration.
//!
//! A session is a function of its configuration alone. It can be taken apart between batches into the
//! number of games done and the learner's entries, and put together again to give the same bits.

use rayon::prelude::*;

use crate::adam::Entry;
use crate::eval::Evaluator;
use crate::learn::{Errors, Learner, TableShapeError};
use crate::selfplay::{Game, PlayRules, play};

/// Games a thread plays in lock step: enough to share the reads of a stage, few enough to spread out.
const GAMES_PER_TASK: usize = 64;

/// The learning rate at the end, as a share of the one at the start.
const FINAL_RATE_SHARE: f64 = 0.1;

/// Everything a session's result depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainConfig {
    /// Games of self-play in all. The learning rate falls over this many.
    pub games: u64,
    /// Games between two updates of the weights, at least 1.
    pub batch: u32,
    /// Parts the game is cut into, each with weights of its own: 1 to 60.
    pub stages: u32,
    /// Learning rate at the start, in discs per step and entry.
    pub alpha: f64,
    /// How games are played and labelled.
    pub rules: PlayRules,
}

impl Default for TrainConfig {
    /// About a minute on two processors. Duels between settings chose the rest (`README.md`, "Measured").
    fn default() -> Self {
        Self {
            games: 800_000,
            batch: 512,
            stages: 6,
            alpha: 0.025,
            rules: PlayRules { seed: 1, random_plies: 10, epsilon: 0.1, exact_empties: 8, lambda: 0.7 },
        }
    }
}

impl TrainConfig {
    /// The learning rate for the batch that begins after `games_done` games: it falls exponentially.
    pub fn rate(&self, games_done: u64) -> f32 {
        let share = games_done as f64 / self.games.max(1) as f64;
        (self.alpha * FINAL_RATE_SHARE.powf(share)) as f32
    }
}

/// What one batch did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchReport {
    /// Games played in it.
    pub games: u64,
    /// The learning rate it used.
    pub rate: f32,
    /// How far its positions were from their targets.
    pub errors: Errors,
}

/// A training session between two batches.
#[derive(Debug)]
pub struct Session {
    config: TrainConfig,
    learner: Learner,
    evaluator: Evaluator,
    games: Vec<Game>,
    games_done: u64,
}

impl Session {
    /// A session at its beginning.
    pub fn new(config: TrainConfig) -> Self {
        let stages = config.stages as usize;
        Self::with(config, 0, Learner::new(stages))
    }

    /// A session that goes on after `games_done` games with the entries it had then.
    ///
    /// # Errors
    /// The entries are not those of a learner with `config.stages` stages.
    pub fn resume(
        config: TrainConfig,
        games_done: u64,
        stages: Vec<Vec<Entry>>,
    ) -> Result<Self, TableShapeError> {
        if stages.len() != config.stages as usize {
            return Err(TableShapeError::Stages { found: stages.len() });
        }
        Ok(Self::with(config, games_done, Learner::from_stages(stages)?))
    }

    fn with(config: TrainConfig, games_done: u64, learner: Learner) -> Self {
        let mut evaluator = Evaluator::zero(learner.stages().len());
        learner.publish(&mut evaluator);
        Self { config, learner, evaluator, games: Vec::new(), games_done }
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Games played so far.
    pub fn games_done(&self) -> u64 {
        self.games_done
    }

    /// Whether all games are played.
    pub fn is_finished(&self) -> bool {
        self.games_done >= self.config.games
    }

    /// The full-precision weights.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The weights as played with.
    pub fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    /// Plays a batch and learns from it; `None` when the session is finished. Runs on the current rayon
    /// pool; the result does not depend on its size.
    pub fn step(&mut self) -> Option<BatchReport> {
        let left = self.config.games.saturating_sub(self.games_done);
        let count = left.min(u64::from(self.config.batch.max(1)));
        if count == 0 {
            return None;
        }
        self.games.resize_with(count as usize, Game::new);
        let (first, rules, evaluator) = (self.games_done, &self.config.rules, &self.evaluator);
        self.games.par_chunks_mut(GAMES_PER_TASK).enumerate().for_each(|(task, games)| {
            play(games, first + (task * GAMES_PER_TASK) as u64, rules, evaluator);
        });
        let rate = self.config.rate(first);
        let errors = self.learner.learn(&self.games, rate, &mut self.evaluator);
        self.games_done += count;
        Some(BatchReport { games: count, rate, errors })
    }
}
