//! Boards and squares as people write them.

use std::fmt;
use std::str::FromStr;

use crate::board::Board;

/// The name of a square, such as `f5`; squares past 63 wrap around.
pub fn square_name(square: u8) -> String {
    let column = char::from(b'a' + square % 8);
    format!("{column}{}", square / 8 % 8 + 1)
}

/// Why a text is no board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardTextError {
    /// Not exactly 64 squares.
    Length {
        /// How many there are.
        squares: usize,
    },
    /// A character that is none of `X`, `O`, `-` (or `*`, `o`, `.` and the like).
    Character {
        /// The character.
        found: char,
        /// Its place among the squares, from 0.
        at: usize,
    },
}

impl fmt::Display for BoardTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { squares } => write!(f, "a board has 64 squares, not {squares}"),
            Self::Character { found, at } => {
                write!(f, "square {at} is {found:?}, which is none of X, O and -")
            }
        }
    }
}

impl std::error::Error for BoardTextError {}

impl FromStr for Board {
    type Err = BoardTextError;

    /// Reads 64 squares, a1 to h1 first: `X` own discs, `O` the opponent's, `-` empty. White space is
    /// skipped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let squares: Vec<char> = text.chars().filter(|character| !character.is_whitespace()).collect();
        if squares.len() != 64 {
            return Err(BoardTextError::Length { squares: squares.len() });
        }
        let mut board = Self { own: 0, opponent: 0 };
        for (at, &found) in squares.iter().enumerate() {
            match found {
                'X' | 'x' | '*' => board.own |= 1 << at,
                'O' | 'o' | '0' => board.opponent |= 1 << at,
                '-' | '.' | '_' => {}
                _ => return Err(BoardTextError::Character { found, at }),
            }
        }
        Ok(board)
    }
}

impl fmt::Display for Board {
    /// Eight lines of eight squares, row 1 first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for square in 0..64 {
            let bit = 1u64 << square;
            f.write_str(match (self.own & bit != 0, self.opponent & bit != 0) {
                (true, _) => "X",
                (_, true) => "O",
                _ => "-",
            })?;
            if square % 8 == 7 {
                f.write_str("\n")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_survives_being_written_and_read() {
        let board = Board::START.play(19).expect("d3 is legal");
        assert_eq!(board.to_string().parse(), Ok(board));
    }

    #[test]
    fn the_start_looks_as_everyone_draws_it() {
        let empty = "--------\n".repeat(3);
        assert_eq!(Board::START.to_string(), format!("{empty}---OX---\n---XO---\n{empty}"));
    }

    #[test]
    fn a_text_that_is_no_board_is_refused_with_the_reason() {
        assert_eq!("X".parse::<Board>(), Err(BoardTextError::Length { squares: 1 }));
        let odd = "-".repeat(63) + "?";
        assert_eq!(odd.parse::<Board>(), Err(BoardTextError::Character { found: '?', at: 63 }));
    }

    #[test]
    fn squares_have_their_usual_names() {
        assert_eq!([0, 7, 37, 63].map(square_name), ["a1", "h1", "f5", "h8"]);
    }
}
