//! The board as two bitboards, the legal moves, and what a move turns over.
//!
//! Square `8 * row + column` is bit `8 * row + column`; a1 is bit 0, h1 bit 7, h8 bit 63. A board knows
//! no colours: `own` are the discs of the side to move, `opponent` those of the other side. Colours
//! return where people look ([`crate::text`]).

/// The squares of the first to the last column that a west-east ray may turn over (all but a and h).
const INNER_COLUMNS: u64 = 0x7e7e_7e7e_7e7e_7e7e;

/// Column a.
const COLUMN_A: u64 = 0x0101_0101_0101_0101;
/// Column h.
const COLUMN_H: u64 = 0x8080_8080_8080_8080;

/// A position, seen by the side to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Board {
    /// Discs of the side to move.
    pub own: u64,
    /// Discs of the other side.
    pub opponent: u64,
}

impl Board {
    /// The starting position, black to move: black on d5 and e4, white on d4 and e5.
    pub const START: Self = Self { own: (1 << 28) | (1 << 35), opponent: (1 << 27) | (1 << 36) };

    /// The empty squares.
    #[inline]
    pub const fn empty(self) -> u64 {
        !(self.own | self.opponent)
    }

    /// The number of empty squares.
    #[inline]
    pub const fn empties(self) -> u32 {
        self.empty().count_ones()
    }

    /// Discs put on the board since the start, 0 to 60. Passes do not count.
    #[inline]
    pub const fn ply(self) -> usize {
        // A board built by hand may hold fewer than four discs.
        60u32.saturating_sub(self.empties()) as usize
    }

    /// The squares on which the side to move may put a disc.
    #[inline]
    pub const fn moves(self) -> u64 {
        let inner = self.opponent & INNER_COLUMNS;
        let reached = reach::<1>(self.own, inner)
            | reach::<7>(self.own, inner)
            | reach::<8>(self.own, self.opponent)
            | reach::<9>(self.own, inner);
        reached & self.empty()
    }

    /// The discs that a move of the side to move on `square` turns over; 0 when the move is illegal.
    ///
    /// The square itself must be empty (it is not looked at).
    #[inline]
    pub fn flips(self, square: u8) -> u64 {
        let rays = &RAYS[usize::from(square & 63)];
        let mut flipped = 0;
        for &ray in &rays.up {
            // Adding 1 to "opponent or outside the ray" carries through everything up to the first
            // square of the ray that is not the opponent's.
            let stop = (self.opponent | !ray).wrapping_add(1) & self.own & ray;
            flipped |= stop.wrapping_sub((stop != 0) as u64) & ray;
        }
        for &ray in &rays.down {
            let stop = highest_bit(ray & !self.opponent) & self.own;
            // The negative of twice a bit is every bit above it; of nothing it is nothing.
            flipped |= (stop << 1).wrapping_neg() & ray;
        }
        flipped
    }

    /// The position after a disc on `square` that turns over `flipped`, seen by the other side.
    #[inline]
    pub const fn after(self, square: u8, flipped: u64) -> Self {
        Self { own: self.opponent & !flipped, opponent: self.own | flipped | (1 << (square & 63)) }
    }

    /// The position after the move on `square`; `None` when it is illegal.
    pub fn play(self, square: u8) -> Option<Self> {
        if square > 63 || self.empty() & (1 << square) == 0 {
            return None;
        }
        let flipped = self.flips(square);
        (flipped != 0).then(|| self.after(square, flipped))
    }

    /// The same discs with the other side to move.
    #[inline]
    pub const fn pass(self) -> Self {
        Self { own: self.opponent, opponent: self.own }
    }

    /// Whether neither side has a move.
    #[inline]
    pub const fn is_over(self) -> bool {
        self.moves() == 0 && self.pass().moves() == 0
    }

    /// The result for the side to move if the game ended here: disc difference, -64 to 64, with the empty
    /// squares given to the winner (the tournament rule).
    #[inline]
    pub const fn final_score(self) -> i32 {
        let difference = self.own.count_ones() as i32 - self.opponent.count_ones() as i32;
        difference + difference.signum() * self.empties() as i32
    }

    /// The board turned by a quarter: what stood on column c, row r stands on column 7 - r, row c.
    pub fn rotated(self) -> Self {
        Self { own: rotate(self.own), opponent: rotate(self.opponent) }
    }

    /// The board mirrored on the a1-h8 diagonal.
    pub fn mirrored(self) -> Self {
        Self { own: transpose(self.own), opponent: transpose(self.opponent) }
    }
}

/// Squares reached over one or more of `through` from `from`, both ways along the ray of step `SHIFT`.
#[inline]
const fn reach<const SHIFT: u32>(from: u64, through: u64) -> u64 {
    let mut up = through & (from << SHIFT);
    let mut down = through & (from >> SHIFT);
    up |= through & (up << SHIFT);
    down |= through & (down >> SHIFT);
    let up_pairs = through & (through << SHIFT);
    let down_pairs = through & (through >> SHIFT);
    up |= up_pairs & (up << (2 * SHIFT));
    down |= down_pairs & (down >> (2 * SHIFT));
    up |= up_pairs & (up << (2 * SHIFT));
    down |= down_pairs & (down >> (2 * SHIFT));
    (up << SHIFT) | (down >> SHIFT)
}

/// The highest bit set in `set`, alone; 0 for the empty set.
#[inline]
const fn highest_bit(set: u64) -> u64 {
    if set == 0 { 0 } else { 1 << (63 - set.leading_zeros()) }
}

/// The eight rays of a square, without the square: four towards higher bits, four towards lower ones.
struct Rays {
    up: [u64; 4],
    down: [u64; 4],
}

static RAYS: [Rays; 64] = {
    let mut rays = [const { Rays { up: [0; 4], down: [0; 4] } }; 64];
    let mut square = 0;
    while square < 64 {
        rays[square] = Rays {
            up: [ray(square, 1, 0), ray(square, -1, 1), ray(square, 0, 1), ray(square, 1, 1)],
            down: [ray(square, -1, 0), ray(square, 1, -1), ray(square, 0, -1), ray(square, -1, -1)],
        };
        square += 1;
    }
    rays
};

/// The squares from `square` (left out) to the border in steps of (`column_step`, `row_step`).
const fn ray(square: usize, column_step: i32, row_step: i32) -> u64 {
    let mut column = (square % 8) as i32 + column_step;
    let mut row = (square / 8) as i32 + row_step;
    let mut squares = 0;
    while 0 <= column && column < 8 && 0 <= row && row < 8 {
        squares |= 1 << (8 * row + column);
        column += column_step;
        row += row_step;
    }
    squares
}

/// Every set square moved by `place`, which must be a permutation of 0..64.
fn permuted(set: u64, place: impl Fn(u32) -> u32) -> u64 {
    (0..64).filter(|square| set >> square & 1 == 1).fold(0, |moved, square| moved | 1 << place(square))
}

fn rotate(set: u64) -> u64 {
    permuted(set, |square| 8 * (square % 8) + 7 - square / 8)
}

fn transpose(set: u64) -> u64 {
    permuted(set, |square| 8 * (square % 8) + square / 8)
}

/// The squares next to any square of `set`, in all eight directions, `set` itself left out.
pub(crate) const fn neighbours(set: u64) -> u64 {
    let sideways = set | (set << 1 & !COLUMN_A) | (set >> 1 & !COLUMN_H);
    (sideways | sideways << 8 | sideways >> 8) & !set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The rules as a child would explain them: walk each direction square by square.
    fn flips_by_walking(board: Board, square: u8) -> u64 {
        let mut flipped = 0;
        for (column_step, row_step) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
        {
            let (mut column, mut row) = (i32::from(square % 8), i32::from(square / 8));
            let mut line = 0u64;
            loop {
                (column, row) = (column + column_step, row + row_step);
                if !(0..8).contains(&column) || !(0..8).contains(&row) {
                    break;
                }
                let bit = 1u64 << (8 * row + column);
                if board.opponent & bit != 0 {
                    line |= bit;
                } else {
                    if board.own & bit != 0 {
                        flipped |= line;
                    }
                    break;
                }
            }
        }
        flipped
    }

    #[test]
    fn moves_and_flips_agree_with_walking_the_board_in_random_positions() {
        let mut rng = Rng::for_stream(3, 0);
        for _ in 0..20_000 {
            let (a, b) = (rng.next_u64(), rng.next_u64());
            // Three densities, so that long rays and full edges occur.
            let occupied = [a, a | b, a & b][rng.below(3) as usize];
            let colour = rng.next_u64();
            let board = Board { own: occupied & colour, opponent: occupied & !colour };
            let mut moves = 0;
            for square in (0..64).filter(|&square| board.empty() >> square & 1 == 1) {
                let expected = flips_by_walking(board, square);
                assert_eq!(board.flips(square), expected, "{board:?} square {square}");
                moves |= u64::from(expected != 0) << square;
            }
            assert_eq!(board.moves(), moves, "{board:?}");
        }
    }

    #[test]
    fn black_starts_with_four_moves() {
        let named: Vec<u32> = (0..64).filter(|square| Board::START.moves() >> square & 1 == 1).collect();
        assert_eq!(named, [19, 26, 37, 44], "d3, c4, f5, e6");
    }

    #[test]
    fn an_illegal_move_is_refused() {
        assert_eq!(Board::START.play(0), None, "nothing to turn over");
        assert_eq!(Board::START.play(27), None, "occupied");
        assert_eq!(Board::START.play(64), None, "off the board");
    }

    #[test]
    fn the_empty_squares_go_to_the_winner() {
        let wiped_out = Board { own: 0xff, opponent: 0 };
        assert!(wiped_out.is_over());
        assert_eq!(wiped_out.final_score(), 64);
        assert_eq!(wiped_out.pass().final_score(), -64);
        assert_eq!(Board { own: 0xf, opponent: 0xf0 }.final_score(), 0);
    }

    #[test]
    fn turning_the_board_turns_the_moves() {
        let board = Board::START.play(19).expect("d3 is legal");
        assert_eq!(board.rotated().moves(), rotate(board.moves()));
        assert_eq!(board.mirrored().moves(), transpose(board.moves()));
        assert_eq!(board.rotated().rotated().rotated().rotated(), board);
        assert_eq!(board.mirrored().mirrored(), board);
    }

    #[test]
    fn neighbours_stay_on_the_board() {
        assert_eq!(neighbours(1), (1 << 1) | (1 << 8) | (1 << 9));
        assert_eq!(neighbours(1 << 7), (1 << 6) | (1 << 14) | (1 << 15));
    }
}
