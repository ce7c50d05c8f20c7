//! Sessions: reproducible, resumable, and they learn.

use othello_engine::arena::{Openings, play_match};
use othello_engine::eval::Evaluator;
use othello_engine::learn::Learner;
use othello_engine::player::{GreedyPlayer, PositionalPlayer, RandomPlayer};
use othello_engine::selfplay::{Game, play};
use othello_engine::session::{Session, TrainConfig};

fn config(games: u64) -> TrainConfig {
    TrainConfig { games, batch: 128, ..TrainConfig::default() }
}

fn run(session: &mut Session) {
    while session.step().is_some() {}
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    pool.install(work)
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let train = |threads| {
        with_threads(threads, || {
            let mut session = Session::new(config(700));
            let reports: Vec<_> = std::iter::from_fn(|| session.step()).collect();
            (session, reports)
        })
    };
    let (one, one_reports) = train(1);
    for threads in [2, 3] {
        let (other, reports) = train(threads);
        assert_eq!(one_reports, reports, "{threads} threads");
        assert_eq!(one.learner().stages(), other.learner().stages(), "{threads} threads");
        assert_eq!(one.evaluator(), other.evaluator(), "{threads} threads");
    }
}

#[test]
fn a_resumed_session_ends_with_the_same_bits_as_an_undisturbed_one() {
    let mut undisturbed = Session::new(config(600));
    run(&mut undisturbed);
    let mut first = Session::new(config(600));
    first.step();
    first.step();
    let entries = first.learner().stages().to_vec();
    let mut second = Session::resume(config(600), first.games_done(), entries).expect("the shape fits");
    run(&mut second);
    assert_eq!(undisturbed.learner().stages(), second.learner().stages());
    assert_eq!(undisturbed.evaluator(), second.evaluator());
}

#[test]
fn the_last_batch_is_cut_to_the_number_of_games_asked_for() {
    let mut session = Session::new(config(300));
    let sizes: Vec<u64> = std::iter::from_fn(|| session.step()).map(|report| report.games).collect();
    assert_eq!(sizes, [128, 128, 44]);
    assert!(session.is_finished());
}

#[test]
fn a_batch_is_the_games_of_its_numbers_however_they_are_shared_out() {
    let config = TrainConfig { games: 300, batch: 150, ..TrainConfig::default() };
    let mut session = Session::new(config);
    run(&mut session);
    let mut learner = Learner::new(6);
    let mut evaluator = Evaluator::zero(6);
    for first in [0, 150] {
        let mut games: Vec<Game> = (0..150).map(|_| Game::new()).collect();
        play(&mut games, first, &config.rules, &evaluator);
        learner.learn(&games, config.rate(first), &mut evaluator);
    }
    assert_eq!(session.learner().stages(), learner.stages());
}

#[test]
fn another_seed_gives_another_session() {
    let mut other = config(128);
    other.rules.seed += 1;
    let (mut a, mut b) = (Session::new(config(128)), Session::new(other));
    run(&mut a);
    run(&mut b);
    assert_ne!(a.evaluator(), b.evaluator());
}

#[test]
fn the_learning_rate_falls_to_a_tenth() {
    let config = config(1_000);
    assert_eq!(config.rate(0), 0.025);
    assert!((config.rate(1_000) - 0.0025).abs() < 1e-7);
}

#[test]
fn twenty_thousand_games_beat_the_random_and_the_positional_player() {
    let mut session = Session::new(config(20_000));
    run(&mut session);
    let player = GreedyPlayer(session.evaluator());
    let openings = Openings { seed: 9, plies: 8 };
    let random = play_match(&player, &RandomPlayer, openings, 0..1_000);
    let positional = play_match(&player, &PositionalPlayer, openings, 0..1_000);
    assert!(random.win_rate() > 0.95, "{random:?}");
    assert!(positional.interval().0 > 0.5, "{positional:?}");
}
