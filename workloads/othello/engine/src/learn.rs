//! The learner: full-precision weights with optimiser state, and the pass that moves them.

use std::fmt;

use rayon::prelude::*;

use crate::adam::{Adam, Entry};
use crate::classes::Classes;
use crate::eval::{Evaluator, PLIES, UNITS_PER_DISC, stage_of};
use crate::pattern::INSTANCES;
use crate::selfplay::{Game, Sample};

/// How far a batch's positions were from their targets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Samples learned from.
    pub samples: u64,
    /// Sum of the squared errors, in discs squared, each measured just before its own update.
    pub squares: f64,
    /// Samples skipped because their error was not a finite number.
    pub non_finite: u64,
    /// Weights set back to zero because they were not finite numbers.
    pub reset_weights: u64,
}

impl Errors {
    /// Root of the mean squared error in discs; 0 without samples.
    pub fn rmse(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { (self.squares / self.samples as f64).sqrt() }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            squares: self.squares + other.squares,
            non_finite: self.non_finite + other.non_finite,
            reset_weights: self.reset_weights + other.reset_weights,
        }
    }
}

/// Why entries cannot be those of a learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableShapeError {
    /// The number of stages is not 1 to [`PLIES`].
    Stages {
        /// How many there are.
        found: usize,
    },
    /// A stage has not one entry per mirror class.
    Entries {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
}

impl fmt::Display for TableShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stages { found } => write!(f, "{found} stages where 1 to {PLIES} are possible"),
            Self::Entries { found, expected } => {
                write!(f, "{found} entries in a stage instead of {expected}")
            }
        }
    }
}

impl std::error::Error for TableShapeError {}

/// The weights of every stage, by mirror class.
#[derive(Debug)]
pub struct Learner {
    adam: Adam,
    stages: Vec<Vec<Entry>>,
}

impl Learner {
    /// A learner that knows nothing. `stages` is clamped to 1..=[`PLIES`].
    pub fn new(stages: usize) -> Self {
        let stage = vec![Entry::default(); Classes::get().count()];
        Self { adam: Adam::new(), stages: vec![stage; stages.clamp(1, PLIES)] }
    }

    /// A learner that goes on from `stages`, each by mirror class.
    ///
    /// # Errors
    /// The number of stages or of entries is impossible.
    pub fn from_stages(stages: Vec<Vec<Entry>>) -> Result<Self, TableShapeError> {
        let entries = Classes::get().count();
        if !(1..=PLIES).contains(&stages.len()) {
            return Err(TableShapeError::Stages { found: stages.len() });
        }
        match stages.iter().find(|stage| stage.len() != entries) {
            Some(stage) => Err(TableShapeError::Entries { found: stage.len(), expected: entries }),
            None => Ok(Self { adam: Adam::new(), stages }),
        }
    }

    /// The entries of every stage, first stage first, each by mirror class.
    pub fn stages(&self) -> &[Vec<Entry>] {
        &self.stages
    }

    /// Entries that were learned from at least once, over all stages.
    pub fn entries_seen(&self) -> usize {
        self.stages.iter().flatten().filter(|entry| entry.steps > 0).count()
    }

    /// Rounds the weights and writes them to `evaluator`, which must have as many stages.
    pub fn publish(&self, evaluator: &mut Evaluator) {
        self.stages
            .par_iter()
            .zip(evaluator.stages_mut())
            .for_each(|(entries, table)| publish_stage(entries, table.weights_mut()));
    }

    /// Moves the weights of every stage towards the targets of `games`, in game order within a stage, and
    /// publishes them to `evaluator`, which must have as many stages.
    ///
    /// Stages share nothing, so they are learned in parallel without a lock and the result does not
    /// depend on the number of threads.
    pub fn learn(&mut self, games: &[Game], rate: f32, evaluator: &mut Evaluator) -> Errors {
        let count = self.stages.len();
        let adam = &self.adam;
        let per_stage: Vec<Errors> = self
            .stages
            .par_iter_mut()
            .zip(evaluator.stages_mut())
            .enumerate()
            .map(|(stage, (entries, table))| {
                let mut errors = Errors::default();
                for game in games {
                    for sample in game.samples() {
                        if stage_of(usize::from(sample.ply), count) == stage {
                            learn_sample(adam, entries, sample, rate, &mut errors);
                        }
                    }
                }
                errors.reset_weights = reset_non_finite(entries);
                publish_stage(entries, table.weights_mut());
                errors
            })
            .collect();
        // In stage order: floating-point sums depend on it.
        per_stage.into_iter().fold(Errors::default(), Errors::and)
    }
}

/// One step for all entries of a position. An entry met twice in one position is stepped once.
#[inline]
fn learn_sample(adam: &Adam, entries: &mut [Entry], sample: &Sample, rate: f32, errors: &mut Errors) {
    let classes = Classes::get().of(&sample.indices);
    let mut touched = [Entry::default(); INSTANCES];
    let mut value = 0.0;
    for (slot, &class) in touched.iter_mut().zip(&classes) {
        *slot = entries[class as usize];
        value += slot.weight;
    }
    let error = sample.target - value;
    if !error.is_finite() {
        errors.non_finite += 1;
        return;
    }
    errors.samples += 1;
    errors.squares += f64::from(error) * f64::from(error);
    for (slot, &class) in touched.iter().zip(&classes) {
        entries[class as usize] = adam.stepped(*slot, error, rate);
    }
}

/// Forgets entries whose weight is not a finite number; returns how many there were.
fn reset_non_finite(entries: &mut [Entry]) -> u64 {
    let mut count = 0;
    for entry in entries.iter_mut().filter(|entry| !entry.weight.is_finite()) {
        *entry = Entry::default();
        count += 1;
    }
    count
}

/// Copies weights, rounded to units, to every table entry of their class.
fn publish_stage(entries: &[Entry], table: &mut [i16]) {
    let units: Vec<i16> = entries.iter().map(|entry| to_units(entry.weight)).collect();
    Classes::get().for_each(|entry, class| table[entry] = units[class]);
}

/// Discs as the nearest whole number of units that an entry can hold.
fn to_units(discs: f32) -> i16 {
    let units = discs * UNITS_PER_DISC as f32;
    // The cast cuts towards zero and saturates; `round` would be a call into the C library.
    (units + 0.5f32.copysign(units)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;
    use crate::selfplay::{PlayRules, play};
    use crate::view::View;

    fn sample(target: f32) -> Sample {
        let board = Board::START.play(19).and_then(|board| board.play(18)).expect("legal moves");
        Sample { indices: *View::new(board).indices(), ply: board.ply() as u8, target }
    }

    fn value(entries: &[Entry], sample: &Sample) -> f32 {
        Classes::get().of(&sample.indices).iter().map(|&class| entries[class as usize].weight).sum()
    }

    #[test]
    fn a_position_seen_again_and_again_gets_its_target() {
        let mut learner = Learner::new(1);
        let (adam, entries) = (Adam::new(), &mut learner.stages[0]);
        let mut errors = Errors::default();
        for _ in 0..400 {
            learn_sample(&adam, entries, &sample(12.0), 0.01, &mut errors);
        }
        let value = value(entries, &sample(12.0));
        assert!((value - 12.0).abs() < 0.5, "{value}");
        assert_eq!(errors.samples, 400);
    }

    #[test]
    fn an_entry_met_twice_in_a_position_is_stepped_once() {
        let mut learner = Learner::new(1);
        let start = Sample { indices: *View::new(Board::START).indices(), ply: 0, target: 1.0 };
        learn_sample(&Adam::new(), &mut learner.stages[0], &start, 0.01, &mut Errors::default());
        assert!(learner.stages[0].iter().all(|entry| entry.steps <= 1));
        assert!(learner.entries_seen() < INSTANCES, "the start looks alike from several sides");
    }

    #[test]
    fn a_target_that_is_no_number_teaches_nothing_and_is_counted() {
        let mut learner = Learner::new(1);
        let mut errors = Errors::default();
        for target in [f32::NAN, f32::INFINITY] {
            learn_sample(&Adam::new(), &mut learner.stages[0], &sample(target), 0.01, &mut errors);
        }
        assert_eq!((errors.non_finite, errors.samples, learner.entries_seen()), (2, 0, 0));
    }

    #[test]
    fn weights_that_are_no_numbers_are_forgotten_and_counted() {
        let mut learner = Learner::new(2);
        learner.stages[0][5].weight = f32::NAN;
        learner.stages[1][9].weight = f32::NEG_INFINITY;
        let errors = learner.learn(&[], 0.01, &mut Evaluator::zero(2));
        assert_eq!(errors.reset_weights, 2);
        assert!(learner.stages.iter().flatten().all(|entry| entry.weight == 0.0));
    }

    #[test]
    fn weights_are_published_to_every_entry_of_their_class() {
        let mut learner = Learner::new(1);
        let mut evaluator = Evaluator::zero(1);
        for (class, entry) in learner.stages[0].iter_mut().enumerate() {
            entry.weight = (class % 1_000) as f32 / UNITS_PER_DISC as f32;
        }
        learner.publish(&mut evaluator);
        let table = evaluator.stages_mut()[0].weights_mut();
        Classes::get().for_each(|entry, class| assert_eq!(table[entry], (class % 1_000) as i16));
    }

    #[test]
    fn discs_become_the_nearest_units_that_fit() {
        let units = [0.4, 0.6, -0.4, -0.6, 12.0, 1e9, -1e9, f32::NAN];
        let found = units.map(|units| to_units(units / UNITS_PER_DISC as f32));
        assert_eq!(found, [0, 1, 0, -1, 12, i16::MAX, i16::MIN, 0]);
    }

    #[test]
    fn every_position_is_learned_once_in_the_stage_of_its_ply() {
        let rules = PlayRules { seed: 1, random_plies: 0, epsilon: 0.0, exact_empties: 8, lambda: 0.7 };
        let mut games = [Game::new()];
        let mut evaluator = Evaluator::zero(6);
        play(&mut games, 0, &rules, &evaluator);
        let mut learner = Learner::new(6);
        let errors = learner.learn(&games, 0.01, &mut evaluator);
        assert_eq!(errors.samples, games[0].samples().len() as u64);
        for sample in games[0].samples() {
            let stage = &learner.stages[stage_of(usize::from(sample.ply), 6)];
            let classes = Classes::get().of(&sample.indices);
            assert!(classes.iter().all(|&class| stage[class as usize].steps > 0));
        }
    }

    #[test]
    fn tables_of_another_shape_are_refused() {
        assert_eq!(Learner::from_stages(vec![]).err(), Some(TableShapeError::Stages { found: 0 }));
        let short = Learner::from_stages(vec![vec![Entry::default(); 3]]).err();
        assert!(matches!(short, Some(TableShapeError::Entries { found: 3, .. })));
    }
}
