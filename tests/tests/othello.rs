//! The first thing a newcomer types, made short.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, kill};
use std::path::{Path, PathBuf};

const SHORT: [&str; 9] = [
    "othello",
    "--backoff",
    "100ms",
    "--set",
    "games=6000",
    "--set",
    "checkpoint_every=1000",
    "--set",
    "eval_games=40",
];

fn newest_checkpoint(home: &Home, id: &str) -> PathBuf {
    let folder = home.run_dir(id).join("checkpoints");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

/// The sections by name, without the header, which holds the time of the save.
fn content(path: &Path) -> Vec<(String, Vec<u8>)> {
    let sections = resus_checkpoint::load(path).unwrap().sections;
    sections.into_iter().map(|section| (section.name, section.bytes)).collect()
}

#[test]
fn othello_is_killed_comes_back_and_learns_exactly_the_same() {
    let home = Home::new();
    let undisturbed = home.submit(&SHORT);
    home.resus(&["wait", &undisturbed]).expect_code(0);
    let id = home.submit(&[&SHORT[..], &["--set", "threads=1"]].concat());
    let mut last = 0;
    for games in [1_500.0, 3_500.0] {
        let run = home.until(&id, "progress", |run| {
            run["attempt"].as_u64() > Some(last)
                && run["progress"]["done"].as_f64().is_some_and(|done| done >= games)
                && run["pid"].is_u64()
        });
        last = run["attempt"].as_u64().unwrap();
        kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
    }
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!(run["attempt"], 3, "{run}");
    assert!(run["metrics"]["win_rate_random"].as_f64().unwrap() > 0.5, "{run}");
    let (one, two) = (newest_checkpoint(&home, &undisturbed), newest_checkpoint(&home, &id));
    assert_eq!(one.file_name(), two.file_name());
    assert!(content(&one) == content(&two), "the tables differ");
}
