//! The 56 pattern indices of a position, kept up to date move by move.
//!
//! Reading the indices off a board costs about ten times as much as updating them: a disc put down or
//! turned over adds or subtracts one row of `PLACES`. Two sets are kept, one as each side sees the
//! board, because after a move it is the other side whose indices are looked up.

use crate::board::Board;
use crate::pattern::{INSTANCES, PLACES};

/// The index of every pattern instance, as one side sees the board.
pub type Indices = [u16; INSTANCES];

/// A board together with its indices as both sides see it.
#[derive(Clone, Debug)]
pub struct View {
    board: Board,
    own: Indices,
    opponent: Indices,
}

impl View {
    /// Reads the indices off `board`.
    pub fn new(board: Board) -> Self {
        let (mut own, mut opponent) = ([0; INSTANCES], [0; INSTANCES]);
        add_each(&mut own, board.own, 1);
        add_each(&mut own, board.opponent, 2);
        add_each(&mut opponent, board.opponent, 1);
        add_each(&mut opponent, board.own, 2);
        Self { board, own, opponent }
    }

    /// The position.
    #[inline]
    pub fn board(&self) -> Board {
        self.board
    }

    /// The indices as the side to move sees them.
    #[inline]
    pub fn indices(&self) -> &Indices {
        &self.own
    }

    /// The indices after a disc on `square` that turns over `flipped`, as the *other* side, then to
    /// move, sees them.
    #[inline]
    pub fn indices_after(&self, square: u8, flipped: u64) -> Indices {
        let mut indices = self.opponent;
        add_one(&mut indices, square, 2);
        // A disc of the viewer's (digit 1) became the mover's (digit 2).
        add_each(&mut indices, flipped, 1);
        indices
    }

    /// The indices after a disc on `square` that turns over `flipped`, as the side that moved sees them.
    #[inline]
    pub fn mover_indices_after(&self, square: u8, flipped: u64) -> Indices {
        let mut indices = self.own;
        add_one(&mut indices, square, 1);
        add_each(&mut indices, flipped, u16::MAX);
        indices
    }

    /// Puts a disc on `square`, turns `flipped` over, and hands the move to the other side.
    #[inline]
    pub fn play(&mut self, square: u8, flipped: u64) {
        let own = self.indices_after(square, flipped);
        self.opponent = self.mover_indices_after(square, flipped);
        self.own = own;
        self.board = self.board.after(square, flipped);
    }

    /// Hands the move to the other side.
    #[inline]
    pub fn pass(&mut self) {
        self.board = self.board.pass();
        std::mem::swap(&mut self.own, &mut self.opponent);
    }
}

/// Adds `digit` at `square`; `u16::MAX` is minus one (wrapping arithmetic).
#[inline]
fn add_one(indices: &mut Indices, square: u8, digit: u16) {
    for (index, place) in indices.iter_mut().zip(&PLACES[usize::from(square & 63)]) {
        *index = index.wrapping_add(place.wrapping_mul(digit));
    }
}

#[inline]
fn add_each(indices: &mut Indices, squares: u64, digit: u16) {
    let mut rest = squares;
    while rest != 0 {
        add_one(indices, rest.trailing_zeros() as u8, digit);
        rest &= rest - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn indices_kept_move_by_move_equal_indices_read_off_the_board() {
        for game in 0..200 {
            let mut rng = Rng::for_stream(11, game);
            let mut view = View::new(Board::START);
            while !view.board().is_over() {
                let Some(square) = rng.pick(view.board().moves()) else {
                    view.pass();
                    continue;
                };
                let flipped = view.board().flips(square);
                let (theirs, mine) =
                    (view.indices_after(square, flipped), view.mover_indices_after(square, flipped));
                view.play(square, flipped);
                let fresh = View::new(view.board());
                assert_eq!(view.own, fresh.own);
                assert_eq!(view.opponent, fresh.opponent);
                assert_eq!(theirs, fresh.own);
                assert_eq!(mine, fresh.opponent);
            }
        }
    }

    #[test]
    fn digits_are_one_for_own_and_two_for_the_opponent_first_cell_least() {
        // Pattern 10, first rotation: a2 to h2. Own disc on a2, opponent's on c2.
        let view = View::new(Board { own: 1 << 8, opponent: 1 << 10 });
        assert_eq!(view.indices()[4 * 9], 1 + 2 * 9);
        assert_eq!(view.opponent[4 * 9], 2 + 9);
    }
}
