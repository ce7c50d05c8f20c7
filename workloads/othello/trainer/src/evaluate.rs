//! The evaluation at the end: how often the learned player beats the random and the positional one.
//!
//! The learned player looks one move ahead, as in training, and never solves the end. Every opening of
//! [`OPENING_PLIES`] random moves is played twice, with the sides exchanged.

use std::ops::Range;

use othello_engine::arena::{Openings, Tally, play_match};
use othello_engine::eval::Evaluator;
use othello_engine::player::{GreedyPlayer, Player, PositionalPlayer, RandomPlayer};

/// Random moves before the players take over.
const OPENING_PLIES: u32 = 8;
/// Keeps openings apart from the games of training, which have the seed as it is.
const SEED_MARK: u64 = 0x6576_616c_7561_7465;
/// Games between two looks at what the supervisor asks: a few milliseconds.
const GAMES_PER_LOOK: u64 = 100;

/// Who the learned player is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// Any legal move.
    Random,
    /// Weighted squares, one move ahead.
    Positional,
}

impl Rival {
    /// Every rival, in the order they are met.
    pub(crate) const ALL: [Self; 2] = [Self::Random, Self::Positional];

    /// Its name, as in the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Positional => "positional",
        }
    }

    /// The names of the win rate and of the ends of its 95 % interval, as metrics.
    pub(crate) fn metric_names(self) -> [&'static str; 3] {
        match self {
            Self::Random => ["win_rate_random", "win_rate_random_low", "win_rate_random_high"],
            Self::Positional => {
                ["win_rate_positional", "win_rate_positional_low", "win_rate_positional_high"]
            }
        }
    }

    fn player(self) -> &'static dyn Player {
        match self {
            Self::Random => &RandomPlayer,
            Self::Positional => &PositionalPlayer,
        }
    }
}

/// The games of a match in parts, each small enough that a stop request is heard soon.
pub(crate) fn parts(games: u64) -> impl Iterator<Item = Range<u64>> {
    let step = GAMES_PER_LOOK;
    (0..games).step_by(step as usize).map(move |first| first..(first + step).min(games))
}

/// Plays part of a match of the learned player against `rival`.
pub(crate) fn play_part(evaluator: &Evaluator, rival: Rival, seed: u64, games: Range<u64>) -> Tally {
    let openings = Openings { seed: seed ^ SEED_MARK, plies: OPENING_PLIES };
    play_match(&GreedyPlayer(evaluator), rival.player(), openings, games)
}

/// A result as metrics: the win rate (a draw counts half) and its 95 % interval, 0 to 1.
pub(crate) fn metrics(rival: Rival, tally: Tally) -> [(&'static str, f64); 3] {
    let [rate, low, high] = rival.metric_names();
    let interval = tally.interval();
    [(rate, tally.win_rate()), (low, interval.0), (high, interval.1)]
}

/// A result for people.
pub(crate) fn sentence(rival: Rival, tally: Tally) -> String {
    let (low, high) = tally.interval();
    let percent = |share: f64| 100.0 * share;
    format!(
        "against the {} player: {:.1} % of {} games (95 % interval {:.1} to {:.1}; {} won, {} drawn, {} lost)",
        rival.name(),
        percent(tally.win_rate()),
        tally.games(),
        percent(low),
        percent(high),
        tally.wins,
        tally.draws,
        tally.losses
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_game_once() {
        for games in [0, 1, 99, 100, 101, 1_000] {
            let all: Vec<u64> = parts(games).flatten().collect();
            assert_eq!(all, (0..games).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_result_is_told_with_its_interval() {
        let tally = Tally { wins: 590, draws: 20, losses: 390 };
        assert_eq!(
            sentence(Rival::Positional, tally),
            "against the positional player: 60.0 % of 1000 games (95 % interval 56.9 to 63.0; 590 won, 20 \
             drawn, 390 lost)"
        );
        let named = metrics(Rival::Positional, tally);
        assert_eq!(named[0], ("win_rate_positional", 0.6));
        assert_eq!(named[1].0, "win_rate_positional_low");
        assert!(named[1].1 < 0.6 && named[2].1 > 0.6);
    }
}
