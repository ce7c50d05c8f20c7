//! Perft: the number of leaves of the game tree at a depth, the standard check of a move generator.

use crate::board::Board;

/// How a forced pass is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// A pass is a ply like a move (the convention of most published tables: 3,005,288 at depth 9).
    ArePlies,
    /// A pass costs no depth: only discs put on the board count (3,005,320 at depth 9).
    AreFree,
}

/// Leaves at `depth` plies below `board`. A finished game is one leaf, whatever depth is left.
///
/// From the starting position: depth 1 to 8 give 4, 12, 56, 244, 1396, 8200, 55092, 390216 by either rule.
pub fn perft(board: Board, depth: u32, passes: Passes) -> u64 {
    if depth == 0 {
        return 1;
    }
    let mut moves = board.moves();
    if moves == 0 {
        if board.is_over() {
            return 1;
        }
        let left = if passes == Passes::ArePlies { depth - 1 } else { depth };
        return perft(board.pass(), left, passes);
    }
    let mut leaves = 0;
    while moves != 0 {
        let square = moves.trailing_zeros() as u8;
        moves &= moves - 1;
        leaves += perft(board.after(square, board.flips(square)), depth - 1, passes);
    }
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_one_to_eight_have_the_published_counts() {
        for (depth, leaves) in (1..).zip([4, 12, 56, 244, 1_396, 8_200, 55_092, 390_216]) {
            assert_eq!(perft(Board::START, depth, Passes::ArePlies), leaves, "depth {depth}");
            assert_eq!(perft(Board::START, depth, Passes::AreFree), leaves, "depth {depth}");
        }
    }

    #[test]
    fn depth_nine_has_the_published_count_under_both_pass_rules() {
        assert_eq!(perft(Board::START, 9, Passes::ArePlies), 3_005_288);
        assert_eq!(perft(Board::START, 9, Passes::AreFree), 3_005_320);
    }
}
