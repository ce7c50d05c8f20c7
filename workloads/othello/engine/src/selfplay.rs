//! Self-play in lock step: many games advance ply by ply, so that all of them read the tables of one
//! stage at a time, which fit the second-level cache; game by game they would not.
//!
//! The weights do not change while games are played, and each game draws from a generator of its own, so
//! a game depends on nothing but the weights, the rules below and its number.

use crate::board::Board;
use crate::eval::{Evaluator, PLIES, UNITS_PER_DISC};
use crate::rng::Rng;
use crate::solve::{move_reaching, solve};
use crate::view::{Indices, View};

/// How games are played and labelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayRules {
    /// Seed of every game's generator.
    pub seed: u64,
    /// A game begins with 0 to this many random moves, which nothing is learned from.
    pub random_plies: u32,
    /// Probability of a random move after that.
    pub epsilon: f32,
    /// With so many empty squares left, the game is solved and played out perfectly. Each more costs about
    /// four times as much; above a dozen nothing else would be done.
    pub exact_empties: u32,
    /// Share of the later return in a target; the rest is the value of the next position.
    pub lambda: f32,
}

/// A position met in a game, and what it is to be worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Indices as the side to move saw them.
    pub indices: Indices,
    /// Discs put down before it, 0 to 59.
    pub ply: u8,
    /// Target value in discs for the side to move.
    pub target: f32,
}

/// What is known of a position when its move is made.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// 0 or 1: which side moved. Passes change it too.
    side: u8,
    /// Value of the best successor, in discs, for the side that moved.
    next_value: f32,
    /// Whether a move other than the best was made, at random.
    explored: bool,
}

/// One game being played, and its samples.
#[derive(Debug)]
pub struct Game {
    view: View,
    rng: Rng,
    random_plies: u32,
    side: u8,
    over: bool,
    steps: Vec<Step>,
    samples: Vec<Sample>,
}

impl Game {
    /// A game not yet begun.
    pub fn new() -> Self {
        Self {
            view: View::new(Board::START),
            rng: Rng::for_stream(0, 0),
            random_plies: 0,
            side: 0,
            over: true,
            steps: Vec::with_capacity(PLIES),
            samples: Vec::with_capacity(PLIES),
        }
    }

    /// The positions of the finished game, in the order they were met.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn begin(&mut self, rules: &PlayRules, number: u64) {
        self.view = View::new(Board::START);
        self.rng = Rng::for_stream(rules.seed, number);
        self.random_plies = self.rng.below(rules.random_plies + 1);
        self.side = 0;
        self.over = false;
        self.steps.clear();
        self.samples.clear();
    }

    /// Passes if it must; false, and the game is over, when neither side can move.
    fn can_move(&mut self) -> bool {
        if !self.over && self.view.board().moves() == 0 {
            self.pass();
            self.over = self.view.board().moves() == 0;
        }
        !self.over
    }

    fn pass(&mut self) {
        self.view.pass();
        self.side ^= 1;
    }

    fn play(&mut self, square: u8, flipped: u64) {
        self.view.play(square, flipped);
        self.side ^= 1;
    }

    /// Makes one move, unless the game is over.
    fn advance(&mut self, rules: &PlayRules, evaluator: &Evaluator) {
        if !self.can_move() {
            return;
        }
        let board = self.view.board();
        if self.random_plies > 0 {
            self.random_plies -= 1;
            if let Some(square) = self.rng.pick(board.moves()) {
                self.play(square, board.flips(square));
            }
            return;
        }
        let Some(best) = evaluator.best_move(&self.view) else { return };
        let tried = if self.rng.chance(rules.epsilon) { self.rng.pick(board.moves()) } else { None };
        let square = tried.unwrap_or(best.square);
        self.steps.push(Step {
            side: self.side,
            next_value: best.value as f32 / UNITS_PER_DISC as f32,
            explored: square != best.square,
        });
        self.sample();
        self.play(square, board.flips(square));
    }

    fn sample(&mut self) {
        let ply = self.view.board().ply() as u8;
        self.samples.push(Sample { indices: *self.view.indices(), ply, target: 0.0 });
    }

    /// Solves what is left, and gives every sample its target.
    fn finish(&mut self, rules: &PlayRules) {
        let learned = self.samples.len();
        let mut score = solve(self.view.board()).score as f32;
        let (end_side, end_value) = (self.side, score);
        while self.can_move() {
            // A forced pass turned the board over.
            score = if self.side == end_side { end_value } else { -end_value };
            let board = self.view.board();
            let Some(square) = move_reaching(board, score as i32) else { break };
            self.sample();
            if let Some(sample) = self.samples.last_mut() {
                sample.target = score;
            }
            self.play(square, board.flips(square));
        }
        set_targets(&mut self.samples[..learned], &self.steps, end_side, end_value, rules.lambda);
    }
}

impl Default for Game {
    fn default() -> Self {
        Self::new()
    }
}

/// Plays `games` to their ends in lock step; the first has number `first_number`.
pub fn play(games: &mut [Game], first_number: u64, rules: &PlayRules, evaluator: &Evaluator) {
    for (game, number) in games.iter_mut().zip(first_number..) {
        game.begin(rules, number);
    }
    for _ in rules.exact_empties..PLIES as u32 {
        for game in games.iter_mut() {
            game.advance(rules, evaluator);
        }
    }
    for game in games {
        game.finish(rules);
    }
}

/// The recursive lambda-return, last step first. `end_value` is the exact result for `end_side` after the
/// last step.
///
/// Before an exploratory move the return begins anew from the best successor, so that nobody pays for a
/// move that would not be played (Watkins' cut).
fn set_targets(samples: &mut [Sample], steps: &[Step], end_side: u8, end_value: f32, lambda: f32) {
    let (mut later_side, mut later) = (end_side, end_value);
    for (sample, step) in samples.iter_mut().zip(steps).rev() {
        let followed = if step.side == later_side { later } else { -later };
        let target = if step.explored {
            step.next_value
        } else {
            (1.0 - lambda) * step.next_value + lambda * followed
        };
        sample.target = target;
        (later_side, later) = (step.side, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PlayRules =
        PlayRules { seed: 4, random_plies: 10, epsilon: 0.1, exact_empties: 8, lambda: 0.7 };

    fn played(first_number: u64, count: usize) -> Vec<Game> {
        let mut games: Vec<Game> = (0..count).map(|_| Game::new()).collect();
        play(&mut games, first_number, &RULES, &Evaluator::zero(6));
        games
    }

    fn step(side: u8, next_value: f32, explored: bool) -> Step {
        Step { side, next_value, explored }
    }

    fn targets(steps: &[Step], end_side: u8, end_value: f32) -> Vec<f32> {
        let blank = Sample { indices: [0; 56], ply: 0, target: 0.0 };
        let mut samples = vec![blank; steps.len()];
        set_targets(&mut samples, steps, end_side, end_value, 0.5);
        samples.iter().map(|sample| sample.target).collect()
    }

    #[test]
    fn the_return_mixes_the_next_value_with_the_later_return_as_each_side_sees_it() {
        let steps = [step(0, 2.0, false), step(1, -4.0, false)];
        // The last step: half of -4, half of the result 8, which is side 0's, so -8 for side 1.
        // The first: half of 2, half of 6.
        assert_eq!(targets(&steps, 0, 8.0), [4.0, -6.0]);
    }

    #[test]
    fn after_a_pass_the_return_keeps_its_sign() {
        let steps = [step(0, 2.0, false), step(0, 4.0, false)];
        assert_eq!(targets(&steps, 1, 0.0), [2.0, 2.0]);
    }

    #[test]
    fn nothing_flows_back_through_an_exploratory_move() {
        let steps = [step(0, 2.0, false), step(1, -4.0, true)];
        for end_value in [-64.0, 64.0] {
            assert_eq!(targets(&steps, 0, end_value), [3.0, -4.0]);
        }
    }

    #[test]
    fn a_game_depends_on_its_number_and_not_on_its_neighbours() {
        let together = played(100, 8);
        for (game, number) in together.iter().zip(100..) {
            assert_eq!(game.samples(), played(number, 1)[0].samples(), "game {number}");
        }
        assert_ne!(together[0].samples(), together[1].samples());
    }

    #[test]
    fn the_last_samples_are_exact_and_agree_with_each_other() {
        for game in played(0, 50) {
            let exact: Vec<&Sample> = game.samples().iter().filter(|sample| sample.ply >= 60 - 8).collect();
            let magnitudes: Vec<f32> = exact.iter().map(|sample| sample.target.abs()).collect();
            assert!(magnitudes.windows(2).all(|pair| pair[0] == pair[1]), "{magnitudes:?}");
            assert!(magnitudes.iter().all(|value| value.fract() == 0.0));
        }
    }

    #[test]
    fn exact_targets_are_the_solved_score_first_and_the_final_score_last() {
        let evaluator = Evaluator::zero(6);
        for number in 0..50 {
            let mut game = Game::new();
            game.begin(&RULES, number);
            for _ in RULES.exact_empties..PLIES as u32 {
                game.advance(&RULES, &evaluator);
            }
            let learned = game.samples.len();
            if !game.can_move() {
                continue;
            }
            let (side, solved) = (game.side, solve(game.view.board()).score as f32);
            game.finish(&RULES);
            assert_eq!(game.samples[learned].target, solved, "game {number}");
            let end = game.view.board().final_score() as f32;
            assert_eq!(if game.side == side { end } else { -end }, solved, "game {number}");
        }
    }

    #[test]
    fn games_differ_only_by_their_random_moves() {
        let samples = |rules: PlayRules, number| {
            let mut games = [Game::new()];
            play(&mut games, number, &rules, &Evaluator::zero(6));
            games[0].samples().to_vec()
        };
        let greedy = PlayRules { random_plies: 0, epsilon: 0.0, ..RULES };
        assert_eq!(samples(greedy, 1), samples(greedy, 2));
        for rules in [PlayRules { epsilon: 0.1, ..greedy }, PlayRules { random_plies: 10, ..greedy }] {
            assert_ne!(samples(rules, 1), samples(rules, 2));
        }
    }

    #[test]
    fn a_step_is_marked_explored_exactly_when_another_move_than_the_best_was_made() {
        let evaluator = Evaluator::zero(6);
        let marks = |epsilon: f32| {
            let rules = PlayRules { epsilon, random_plies: 0, ..RULES };
            let mut game = Game::new();
            game.begin(&rules, 3);
            let mut marks = Vec::new();
            while game.view.board().empties() > RULES.exact_empties && game.can_move() {
                let best = evaluator.best_move(&game.view).expect("there is a move");
                let followed = game.view.board().after(best.square, best.flipped);
                game.advance(&rules, &evaluator);
                let explored = game.steps.last().expect("a step was made").explored;
                assert_eq!(explored, game.view.board() != followed);
                marks.push(explored);
            }
            marks
        };
        assert!(marks(1.0).contains(&true));
        assert!(!marks(0.0).contains(&true));
    }

    #[test]
    fn samples_are_of_positions_after_the_random_opening_in_the_order_of_play() {
        for game in played(0, 50) {
            let plies: Vec<u8> = game.samples().iter().map(|sample| sample.ply).collect();
            assert!(plies.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{plies:?}");
            assert!(plies.first().is_none_or(|&ply| u32::from(ply) <= RULES.random_plies));
        }
    }
}
