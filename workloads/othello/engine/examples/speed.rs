//! Measures what training is made of, per processor second: `cargo run --release -p othello-engine
//! --example speed`. Prints one line per measurement.

use std::hint::black_box;
use std::time::Instant;

use othello_engine::board::Board;
use othello_engine::eval::Evaluator;
use othello_engine::perft::{Passes, perft};
use othello_engine::rng::Rng;
use othello_engine::selfplay::{Game, play};
use othello_engine::session::{Session, TrainConfig};
use othello_engine::solve::solve;
use othello_engine::view::View;

/// Runs `work`, which does `amount` of something, and prints how much of it a second holds.
fn measure<T>(what: &str, amount: f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = black_box(work());
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} per second, {:.1} ns each", amount / seconds, 1e9 * seconds / amount);
    result
}

/// Positions of random games with `empties` empty squares, the side to move having a move.
fn positions(empties: u32, count: usize) -> Vec<Board> {
    let position = |game| {
        let mut rng = Rng::for_stream(1, game);
        let mut board = Board::START;
        while board.empties() > empties {
            board = board.play(rng.pick(board.moves())?)?;
        }
        (board.moves() != 0).then_some(board)
    };
    (0..).filter_map(position).take(count).collect()
}

fn main() {
    // One thread, so that wall time is processor time on an idle machine.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    match pool {
        Ok(pool) => pool.install(measure_all),
        Err(error) => eprintln!("failed to start a thread: {error}"),
    }
}

fn measure_all() {
    measure("perft 10 leaves", 24_571_284.0, || perft(Board::START, 10, Passes::ArePlies));

    let mut session = Session::new(TrainConfig { games: 20_480, ..TrainConfig::default() });
    measure("games trained", 20_480.0, || while session.step().is_some() {});

    let mut games: Vec<Game> = (0..4_096).map(|_| Game::new()).collect();
    let rules = session.config().rules;
    measure("games played", 4_096.0, || play(&mut games, 0, &rules, session.evaluator()));

    measure_evaluation(session.evaluator());
    let endings = positions(8, 2_000);
    measure("8 empty squares solved", 2_000.0, || {
        endings.iter().map(|&board| solve(board).score).sum::<i32>()
    });
}

fn measure_evaluation(evaluator: &Evaluator) {
    let views: Vec<View> = positions(30, 2_000).into_iter().map(View::new).collect();
    measure("positions evaluated, one stage hot", 2e6, || {
        (0..1_000).flat_map(|_| &views).map(|view| evaluator.value(30, view.indices())).sum::<i32>()
    });
    let moves: u32 = views.iter().map(|view| view.board().moves().count_ones()).sum();
    measure("moves weighed (made, indexed, evaluated)", f64::from(moves), || {
        views.iter().filter_map(|view| evaluator.best_move(view)).map(|best| best.value).sum::<i32>()
    });
}
