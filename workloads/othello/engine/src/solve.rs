//! The exact result of positions with few empty squares, by a full search (alpha-beta).

use crate::board::{Board, neighbours};

/// A result: the score in discs for the side to move, and the first move that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solution {
    /// Final disc difference with best play, -64 to 64, empty squares to the winner.
    pub score: i32,
    /// The best move; `None` when the side to move must pass or the game is over.
    pub square: Option<u8>,
}

/// From this many empty squares on, moves are tried in order of the replies they leave.
const SORTED_EMPTIES: u32 = 5;

/// Solves `board`. The time grows about fourfold per empty square: eight take tens of microseconds.
pub fn solve(board: Board) -> Solution {
    best_within(board, -64, 64)
}

/// A move known to reach `score`, which must be the exact score of `board`: much cheaper than solving
/// again. `None` when the side to move must pass or the game is over.
pub fn move_reaching(board: Board, score: i32) -> Option<u8> {
    best_within(board, score - 1, score).square
}

fn best_within(board: Board, alpha: i32, beta: i32) -> Solution {
    let mut moves = [(0, Board::START, 0); 34];
    let count = ordered_moves(board, &mut moves);
    if count == 0 {
        return Solution { score: score(board, alpha, beta), square: None };
    }
    let mut best = Solution { score: -65, square: None };
    for &(_, after, square) in &moves[..count] {
        let value = -score(after, -beta, -alpha.max(best.score));
        if value > best.score {
            best = Solution { score: value, square: Some(square) };
        }
        if best.score >= beta {
            break;
        }
    }
    best
}

/// Fail-soft alpha-beta.
fn score(board: Board, alpha: i32, beta: i32) -> i32 {
    match board.empties() {
        0 => return board.final_score(),
        1 => return last_square(board),
        empties if empties < SORTED_EMPTIES => return score_unsorted(board, alpha, beta),
        _ => {}
    }
    let mut moves = [(0, Board::START, 0); 34];
    let count = ordered_moves(board, &mut moves);
    if count == 0 {
        return score_after_pass(board, alpha, beta);
    }
    let mut best = -65;
    for &(_, after, _) in &moves[..count] {
        best = best.max(-score(after, -beta, -alpha.max(best)));
        if best >= beta {
            break;
        }
    }
    best
}

/// As [`score`], for few empty squares, where ordering costs more than it saves: tries the squares next
/// to opponent discs and reads off whether they are moves.
fn score_unsorted(board: Board, alpha: i32, beta: i32) -> i32 {
    let mut squares = board.empty() & neighbours(board.opponent);
    let mut best = -65;
    while squares != 0 {
        let square = squares.trailing_zeros() as u8;
        squares &= squares - 1;
        let flipped = board.flips(square);
        if flipped == 0 {
            continue;
        }
        best = best.max(-score(board.after(square, flipped), -beta, -alpha.max(best)));
        if best >= beta {
            return best;
        }
    }
    if best == -65 { score_after_pass(board, alpha, beta) } else { best }
}

fn score_after_pass(board: Board, alpha: i32, beta: i32) -> i32 {
    if board.pass().moves() == 0 { board.final_score() } else { -score(board.pass(), -beta, -alpha) }
}

/// The exact score with one empty square: whoever can, takes it.
fn last_square(board: Board) -> i32 {
    let square = board.empty().trailing_zeros() as u8;
    let gained = board.flips(square);
    if gained != 0 {
        return -board.after(square, gained).final_score();
    }
    let lost = board.pass().flips(square);
    if lost != 0 { board.pass().after(square, lost).final_score() } else { board.final_score() }
}

/// Fills `moves` with (replies left, successor, square), fewest replies first; returns their number.
fn ordered_moves(board: Board, moves: &mut [(u32, Board, u8); 34]) -> usize {
    let mut rest = board.moves();
    let mut count = 0;
    while rest != 0 && count < moves.len() {
        let square = rest.trailing_zeros() as u8;
        rest &= rest - 1;
        let after = board.after(square, board.flips(square));
        moves[count] = (after.moves().count_ones(), after, square);
        count += 1;
    }
    moves[..count].sort_unstable_by_key(|&(replies, _, square)| (replies, square));
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn minimax(board: Board) -> i32 {
        let moves = board.moves();
        if moves == 0 {
            return if board.is_over() { board.final_score() } else { -minimax(board.pass()) };
        }
        let squares = (0..64).filter(|square| moves >> square & 1 == 1);
        squares.map(|square| -minimax(board.after(square, board.flips(square)))).max().unwrap_or(-65)
    }

    /// Positions of random games with `empties` empty squares, whoever may be to move or have to pass.
    fn positions(empties: u32, count: usize) -> impl Iterator<Item = Board> {
        (0..).filter_map(move |game| random_position(empties, game)).take(count)
    }

    fn random_position(empties: u32, game: u64) -> Option<Board> {
        let mut rng = Rng::for_stream(21, game);
        let mut board = Board::START;
        while board.empties() > empties {
            board = match rng.pick(board.moves()) {
                Some(square) => board.play(square)?,
                None if board.is_over() => return None,
                None => board.pass(),
            };
        }
        Some(board)
    }

    #[test]
    fn scores_equal_those_of_a_search_without_cuts() {
        for empties in 0..=7 {
            for board in positions(empties, 150) {
                assert_eq!(solve(board).score, minimax(board), "\n{board}");
            }
        }
    }

    #[test]
    fn the_best_move_reaches_the_score_and_so_does_the_cheap_one() {
        for board in positions(6, 200) {
            let solution = solve(board);
            let cheap = move_reaching(board, solution.score);
            assert_eq!(solution.square.is_some(), board.moves() != 0);
            assert_eq!(cheap.is_some(), board.moves() != 0);
            for square in [solution.square, cheap].into_iter().flatten() {
                let after = board.play(square).expect("the solver plays legal moves");
                assert_eq!(-minimax(after), solution.score, "\n{board}");
            }
        }
    }

    #[test]
    fn a_finished_game_has_its_final_score() {
        let wiped_out = Board { own: 0, opponent: 0xff };
        assert_eq!(solve(wiped_out), Solution { score: -64, square: None });
    }
}
