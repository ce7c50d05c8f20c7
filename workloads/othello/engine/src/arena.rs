//! Matches: how often one player beats another, and how sure that is.

use std::ops::Range;

use rayon::prelude::*;

use crate::board::Board;
use crate::player::Player;
use crate::rng::Rng;
use crate::view::View;

/// The two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_964;

/// The score of a player who will not make a legal move.
const FORFEIT: i32 = -64;

/// How games of a match begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Openings {
    /// Seed of the openings and of players that draw lots.
    pub seed: u64,
    /// Random moves before the players take over.
    pub plies: u32,
}

/// Results of a match, for its first player.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Games won.
    pub wins: u64,
    /// Games drawn.
    pub draws: u64,
    /// Games lost.
    pub losses: u64,
}

impl Tally {
    /// Both tallies together.
    pub fn and(self, other: Self) -> Self {
        Self {
            wins: self.wins + other.wins,
            draws: self.draws + other.draws,
            losses: self.losses + other.losses,
        }
    }

    /// Games played.
    pub fn games(self) -> u64 {
        self.wins + self.draws + self.losses
    }

    /// Share of the points, a draw counting half: 0 to 1; 0 without games.
    pub fn win_rate(self) -> f64 {
        if self.games() == 0 {
            return 0.0;
        }
        (self.wins as f64 + self.draws as f64 / 2.0) / self.games() as f64
    }

    /// The 95 % interval of the win rate (Wilson's score interval); 0 to 1 without games.
    ///
    /// Games are taken as independent and decided; draws only make the true interval narrower.
    pub fn interval(self) -> (f64, f64) {
        let games = self.games() as f64;
        if games == 0.0 {
            return (0.0, 1.0);
        }
        let rate = self.win_rate();
        let spread = Z_95 * Z_95 / games;
        let centre = rate + spread / 2.0;
        let half = (spread * (rate * (1.0 - rate) + spread / 4.0)).sqrt();
        ((centre - half) / (1.0 + spread), (centre + half) / (1.0 + spread))
    }
}

/// Plays the games numbered `numbers` between `player` and `rival`.
///
/// Games 2n and 2n + 1 share an opening and swap colours. A game depends on its number alone, so a match
/// may be cut into ranges and spread over threads.
pub fn play_match(player: &dyn Player, rival: &dyn Player, openings: Openings, numbers: Range<u64>) -> Tally {
    numbers
        .into_par_iter()
        .map(|number| tally_of(play_game(player, rival, openings, number)))
        .reduce(Tally::default, Tally::and)
}

fn tally_of(score: i32) -> Tally {
    Tally { wins: u64::from(score > 0), draws: u64::from(score == 0), losses: u64::from(score < 0) }
}

/// The final score for `player`, who moves first in games of even number.
fn play_game(player: &dyn Player, rival: &dyn Player, openings: Openings, number: u64) -> i32 {
    let mut opening = Rng::for_stream(openings.seed, number / 2);
    // The top bit keeps the players' draws apart from every opening's.
    let mut lots = Rng::for_stream(openings.seed, number | 1 << 63);
    let mut view = View::new(Board::START);
    let mut players_turn = number.is_multiple_of(2);
    let mut plies = 0;
    loop {
        let board = view.board();
        let for_player = |score: i32| if players_turn { score } else { -score };
        if board.moves() != 0 {
            let choice = if plies < openings.plies {
                opening.pick(board.moves())
            } else if players_turn {
                player.choose(&view, &mut lots)
            } else {
                rival.choose(&view, &mut lots)
            };
            let Some(square) = choice.filter(|&square| board.play(square).is_some()) else {
                return for_player(FORFEIT);
            };
            view.play(square, board.flips(square));
            plies += 1;
        } else if board.pass().moves() != 0 {
            view.pass();
        } else {
            return for_player(board.final_score());
        }
        players_turn = !players_turn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::player::{PositionalPlayer, RandomPlayer};

    const OPENINGS: Openings = Openings { seed: 5, plies: 6 };

    #[test]
    fn wilson_s_interval_has_its_textbook_values() {
        let (low, high) = Tally { wins: 600, draws: 0, losses: 400 }.interval();
        assert!((low - 0.569_3).abs() < 1e-4 && (high - 0.629_9).abs() < 1e-4, "{low} {high}");
        let (low, high) = Tally { wins: 10, draws: 0, losses: 0 }.interval();
        assert!((low - 0.722_5).abs() < 1e-4 && (high - 1.0).abs() < 1e-9, "{low} {high}");
        assert_eq!(Tally::default().interval(), (0.0, 1.0));
    }

    #[test]
    fn a_draw_counts_half() {
        assert_eq!(Tally { wins: 1, draws: 2, losses: 1 }.win_rate(), 0.5);
    }

    #[test]
    fn the_positional_player_beats_the_random_one() {
        let tally = play_match(&PositionalPlayer, &RandomPlayer, OPENINGS, 0..400);
        assert_eq!(tally.games(), 400);
        assert!(tally.interval().0 > 0.7, "{tally:?}");
    }

    #[test]
    fn a_deterministic_player_scores_one_half_against_itself() {
        // Both games of a pair are then the same game with the sides exchanged.
        let tally = play_match(&PositionalPlayer, &PositionalPlayer, OPENINGS, 0..200);
        assert_eq!(tally.win_rate(), 0.5);
    }

    #[test]
    fn a_player_that_makes_no_legal_move_forfeits() {
        struct Stubborn;
        impl Player for Stubborn {
            fn choose(&self, _: &View, _: &mut Rng) -> Option<u8> {
                Some(0)
            }
        }
        let openings = Openings { seed: 1, plies: 0 };
        assert_eq!(play_match(&Stubborn, &RandomPlayer, openings, 0..10).losses, 10);
    }

    #[test]
    fn a_match_in_parts_is_the_match_as_a_whole() {
        let whole = play_match(&RandomPlayer, &PositionalPlayer, OPENINGS, 0..120);
        let parts = [0..50, 50..51, 51..120]
            .map(|part| play_match(&RandomPlayer, &PositionalPlayer, OPENINGS, part))
            .into_iter()
            .fold(Tally::default(), Tally::and);
        assert_eq!(whole, parts);
    }
}
