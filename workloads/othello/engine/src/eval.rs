//! The evaluation: a sum of 56 table entries, one set of tables per stage of the game.
//!
//! Values are whole numbers of [`UNITS_PER_DISC`]ths of a disc, seen by the side to move: positive is
//! good for it. The same unit is used for final results, so the two can be compared.

use crate::pattern::{INSTANCES, OFFSETS, TABLE_LEN};
use crate::view::{Indices, View};

/// Units of a value in one disc.
pub const UNITS_PER_DISC: i32 = 256;

/// Plies of a game: every disc put down after the first four.
pub const PLIES: usize = 60;

/// The stage that positions of `ply` discs belong to when the game is cut into `stages` equal parts.
///
/// `stages` must be 1 to [`PLIES`]; a ply past the last counts as the last.
#[inline]
pub fn stage_of(ply: usize, stages: usize) -> usize {
    ply.min(PLIES - 1) * stages / PLIES
}

/// The weights of one stage, in units, ready to be summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTable(Box<[i16]>);

impl StageTable {
    /// A table of zeros.
    pub fn zero() -> Self {
        Self(vec![0; TABLE_LEN].into_boxed_slice())
    }

    /// The weight of `index` of a pattern (0 to 13); `None` outside the table.
    pub fn weight(&self, pattern: usize, index: usize) -> Option<i16> {
        let size = crate::pattern::SIZES.get(pattern)?;
        (index < *size).then(|| self.0.get(OFFSETS[pattern] + index).copied()).flatten()
    }

    /// All weights, pattern after pattern.
    pub fn weights_mut(&mut self) -> &mut [i16] {
        &mut self.0
    }

    /// The sum of the weights of all instances.
    #[inline]
    pub fn sum(&self, indices: &Indices) -> i32 {
        let mut sum = 0;
        for instance in 0..INSTANCES {
            let entry = OFFSETS[instance / 4] + usize::from(indices[instance]);
            sum += i32::from(self.0[entry]);
        }
        sum
    }
}

/// The tables of every stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluator {
    stages: Vec<StageTable>,
}

/// The best move of a position by looking one move ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where to put the disc.
    pub square: u8,
    /// The discs it turns over.
    pub flipped: u64,
    /// The value of the position it leads to, in units, for the side that moves.
    pub value: i32,
}

impl Evaluator {
    /// An evaluator that calls every position even. `stages` is clamped to 1..=[`PLIES`].
    pub fn zero(stages: usize) -> Self {
        Self { stages: vec![StageTable::zero(); stages.clamp(1, PLIES)] }
    }

    /// The tables, first stage first.
    pub fn stages(&self) -> &[StageTable] {
        &self.stages
    }

    /// The tables, first stage first.
    pub fn stages_mut(&mut self) -> &mut [StageTable] {
        &mut self.stages
    }

    /// The value in units of a position after `ply` discs, for the side whose indices these are and
    /// whose move it is.
    #[inline]
    pub fn value(&self, ply: usize, indices: &Indices) -> i32 {
        self.stages[stage_of(ply, self.stages.len())].sum(indices)
    }

    /// The move to the best successor; the lowest square among equals. `None` when there is no move.
    pub fn best_move(&self, view: &View) -> Option<Choice> {
        let board = view.board();
        let mut moves = board.moves();
        let table = &self.stages[stage_of(board.ply() + 1, self.stages.len())];
        let mut best: Option<Choice> = None;
        while moves != 0 {
            let square = moves.trailing_zeros() as u8;
            moves &= moves - 1;
            let flipped = board.flips(square);
            let value = successor_value(table, view, square, flipped);
            if best.is_none_or(|best| value > best.value) {
                best = Some(Choice { square, flipped, value });
            }
        }
        best
    }
}

/// The value of the position after a move, for the side that moved: by the table, or exact when the
/// move ends the game.
#[inline]
fn successor_value(table: &StageTable, view: &View, square: u8, flipped: u64) -> i32 {
    let after = view.board().after(square, flipped);
    if after.moves() != 0 {
        return -table.sum(&view.indices_after(square, flipped));
    }
    if after.pass().moves() != 0 {
        // The other side must pass, so the mover moves again.
        return table.sum(&view.mover_indices_after(square, flipped));
    }
    -after.final_score() * UNITS_PER_DISC
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;
    use crate::classes::Classes;
    use crate::rng::Rng;

    /// Tables of random weights; with `mirrored`, equal within each mirror class, as learned ones are.
    fn random_tables(stages: usize, mirrored: bool) -> Evaluator {
        let mut rng = Rng::for_stream(31, 0);
        let mut evaluator = Evaluator::zero(stages);
        for table in evaluator.stages_mut() {
            let by_class: Vec<i16> = (0..TABLE_LEN).map(|_| rng.next_u64() as i16 >> 4).collect();
            Classes::get().for_each(|entry, class| {
                table.weights_mut()[entry] = by_class[if mirrored { class } else { entry }];
            });
        }
        evaluator
    }

    fn value(evaluator: &Evaluator, board: Board) -> i32 {
        evaluator.value(board.ply(), View::new(board).indices())
    }

    fn random_positions(count: u64) -> impl Iterator<Item = Board> {
        (0..count).map(|number| {
            let mut rng = Rng::for_stream(32, number);
            let (occupied, colour) = (rng.next_u64() | rng.next_u64() << 7, rng.next_u64());
            Board { own: occupied & colour, opponent: occupied & !colour }
        })
    }

    /// Positions with a few empty squares and a few discs of the other side, where passes and last moves
    /// are common.
    fn late_positions(count: u64) -> impl Iterator<Item = Board> {
        (0..count).map(|number| {
            let mut rng = Rng::for_stream(33, number);
            let empty = (0..3).fold(0, |empty, _| empty | 1u64 << rng.below(64));
            let colour = rng.next_u64() | rng.next_u64() | rng.next_u64() | rng.next_u64();
            Board { own: colour & !empty, opponent: !colour & !empty }
        })
    }

    #[test]
    fn a_value_is_equal_under_all_four_rotations_whatever_the_weights() {
        let evaluator = random_tables(3, false);
        for board in random_positions(300) {
            let mut turned = board;
            for _ in 0..3 {
                turned = turned.rotated();
                assert_eq!(value(&evaluator, turned), value(&evaluator, board), "\n{board}");
            }
        }
    }

    #[test]
    fn a_value_is_equal_under_reflection_when_mirror_classes_share_a_weight() {
        let (tied, free) = (random_tables(3, true), random_tables(3, false));
        for board in random_positions(300) {
            assert_eq!(value(&tied, board.mirrored()), value(&tied, board), "\n{board}");
        }
        // The classes are what makes it so: with free weights it fails.
        assert!(random_positions(300).any(|board| value(&free, board.mirrored()) != value(&free, board)));
    }

    #[test]
    fn black_s_value_is_negated_by_swapping_colours_and_turn() {
        // A board with colours, as people write it: black discs, white discs, whose turn.
        fn black_value(evaluator: &Evaluator, black: u64, white: u64, black_to_move: bool) -> i32 {
            if black_to_move {
                value(evaluator, Board { own: black, opponent: white })
            } else {
                -value(evaluator, Board { own: white, opponent: black })
            }
        }
        let evaluator = random_tables(3, true);
        for board in random_positions(300) {
            let (black, white) = (board.own, board.opponent);
            for black_to_move in [true, false] {
                let as_it_is = black_value(&evaluator, black, white, black_to_move);
                let swapped = black_value(&evaluator, white, black, !black_to_move);
                assert_eq!(swapped, -as_it_is);
            }
        }
    }

    #[test]
    fn the_best_move_is_the_one_whose_successor_is_worst_for_the_other_side() {
        let evaluator = random_tables(4, true);
        // How often the successor is the other side's turn, the mover's again, and the end.
        let mut kinds = [0; 3];
        for board in random_positions(300).chain(late_positions(1_000)) {
            let value_after = |square: u8| {
                let after = board.after(square, board.flips(square));
                match (after.moves() != 0, after.pass().moves() != 0) {
                    (true, _) => -value(&evaluator, after),
                    (false, true) => value(&evaluator, after.pass()),
                    (false, false) => -after.final_score() * UNITS_PER_DISC,
                }
            };
            let expected = (0..64u8)
                .filter(|square| board.moves() >> square & 1 == 1)
                .map(|square| (square, value_after(square)))
                // The lowest square among equals: keep the first greatest.
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            let found = evaluator.best_move(&View::new(board)).map(|choice| (choice.square, choice.value));
            assert_eq!(found, expected, "\n{board}");
            if let Some((square, _)) = found {
                let after = board.after(square, board.flips(square));
                kinds[if after.moves() != 0 { 0 } else { 1 + usize::from(after.is_over()) }] += 1;
            }
        }
        assert!(kinds.iter().all(|&count| count > 20), "{kinds:?}");
    }

    #[test]
    fn among_equals_the_lowest_square_is_played() {
        let choice = Evaluator::zero(1).best_move(&View::new(Board::START));
        assert_eq!(choice.map(|choice| choice.square), Some(19));
    }

    #[test]
    fn stages_cut_the_sixty_plies_into_equal_parts() {
        for stages in [1, 6, 15, 30, 60] {
            let mut sizes = vec![0; stages];
            (0..PLIES).for_each(|ply| sizes[stage_of(ply, stages)] += 1);
            assert!(sizes.iter().all(|&size| size == PLIES / stages));
        }
        assert_eq!(stage_of(99, 6), 5);
    }

    #[test]
    fn a_weight_is_found_by_pattern_and_index() {
        let mut table = StageTable::zero();
        table.weights_mut()[OFFSETS[13] + 5] = 77;
        assert_eq!(table.weight(13, 5), Some(77));
        assert_eq!(table.weight(13, crate::pattern::SIZES[13]), None);
        assert_eq!(table.weight(14, 0), None);
    }
}
