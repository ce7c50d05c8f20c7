//! Players: the learned one, and two to measure it against.

use crate::board::Board;
use crate::eval::Evaluator;
use crate::rng::Rng;
use crate::view::View;

/// Chooses moves.
pub trait Player: Sync {
    /// The square to play on; `None` only where there is no legal move.
    fn choose(&self, view: &View, rng: &mut Rng) -> Option<u8>;
}

/// Plays any legal move.
#[derive(Clone, Copy, Debug)]
pub struct RandomPlayer;

impl Player for RandomPlayer {
    fn choose(&self, view: &View, rng: &mut Rng) -> Option<u8> {
        rng.pick(view.board().moves())
    }
}

/// Plays the move after which the weighted sum of own minus opponent's discs is greatest: the "standard
/// heuristic player" with the square weights of Yoshioka, Ishii and Ito (1999), one move ahead.
#[derive(Clone, Copy, Debug)]
pub struct PositionalPlayer;

/// Square weights in hundredths: one quadrant, a1 first; the others are its mirror images.
const QUADRANT: [[i32; 4]; 4] = [[100, -25, 10, 5], [-25, -25, 1, 1], [10, 1, 5, 2], [5, 1, 2, 1]];

impl PositionalPlayer {
    /// The weighted sum for the side to move.
    pub fn value(board: Board) -> i32 {
        let sum = |discs: u64| -> i32 {
            (0..64).filter(|square| discs >> square & 1 == 1).map(square_weight).sum()
        };
        sum(board.own) - sum(board.opponent)
    }
}

fn square_weight(square: usize) -> i32 {
    let fold = |coordinate: usize| coordinate.min(7 - coordinate);
    QUADRANT[fold(square / 8)][fold(square % 8)]
}

impl Player for PositionalPlayer {
    /// Ties go to the lowest square.
    fn choose(&self, view: &View, _: &mut Rng) -> Option<u8> {
        let board = view.board();
        let moves = board.moves();
        (0..64)
            .filter(|square| moves >> square & 1 == 1)
            .min_by_key(|&square| Self::value(board.after(square, board.flips(square))))
    }
}

/// Plays the best move by an evaluation, looking one move ahead and never further.
#[derive(Clone, Copy, Debug)]
pub struct GreedyPlayer<'a>(pub &'a Evaluator);

impl Player for GreedyPlayer<'_> {
    fn choose(&self, view: &View, _: &mut Rng) -> Option<u8> {
        self.0.best_move(view).map(|choice| choice.square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_weights_are_the_published_ones_and_symmetric() {
        let all: Vec<i32> = (0..64).map(square_weight).collect();
        assert_eq!(all[..8], [100, -25, 10, 5, 5, 10, -25, 100]);
        for square in 0..64 {
            assert_eq!(all[square], all[63 - square]);
            assert_eq!(all[square], all[8 * (square % 8) + square / 8]);
        }
        assert_eq!([all[9], all[18], all[27]], [-25, 5, 1]);
    }

    #[test]
    fn the_positional_player_takes_a_corner_it_can_have() {
        // Own c1, opponent b1, and a plain move elsewhere.
        let board = Board { own: (1 << 2) | (1 << 27), opponent: (1 << 1) | (1 << 28) };
        let mut rng = Rng::for_stream(0, 0);
        assert_eq!(PositionalPlayer.choose(&View::new(board), &mut rng), Some(0));
    }

    #[test]
    fn nobody_moves_where_there_is_no_move() {
        let view = View::new(Board { own: 1, opponent: 0 });
        let mut rng = Rng::for_stream(0, 0);
        let evaluator = Evaluator::zero(1);
        let players: [&dyn Player; 3] = [&RandomPlayer, &PositionalPlayer, &GreedyPlayer(&evaluator)];
        for player in players {
            assert_eq!(player.choose(&view, &mut rng), None);
        }
    }
}
