//! A process that saves and retains in a loop is killed at random moments, again and again.

use crate::image::Chance;
use crate::keeper;
use crate::trainer::trainer;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TRIALS: usize = 300;
const BYTES: &str = "200000";

/// A trainer that has begun its loop.
fn begun(folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = trainer(folder, &["loop", BYTES]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "began");
    (child, lines)
}

/// How long a step takes here and now.
fn step_time(folder: &Path) -> Duration {
    let (mut child, mut lines) = begun(folder);
    let begin = Instant::now();
    let steps = 10;
    assert!(lines.nth(steps - 1).is_some());
    let took = begin.elapsed() / steps as u32;
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

fn half_files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(b".")).count()
}

/// The moments have a seed; what they hit depends on the machine.
#[test]
fn a_process_that_is_killed_while_it_saves_always_leaves_a_good_checkpoint() {
    let folder = TempDir::new().unwrap();
    keeper::save(folder.path(), 1, 200_000).unwrap();
    let window = step_time(folder.path()) * 2;
    let mut chance = Chance(300);
    let (mut saved, mut torn) = (keeper::newest(folder.path()).unwrap(), 0);
    let first = saved;
    for trial in 0..TRIALS {
        let (mut child, lines) = begun(folder.path());
        let moment = chance.next() % window.as_micros().max(1) as u64;
        std::thread::sleep(Duration::from_micros(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("saved ")?.parse().ok());
        saved = said.last().unwrap_or(saved);
        torn += half_files(folder.path());
        let newest = keeper::newest(folder.path());
        assert!(newest >= Some(saved), "trial {trial}: step {saved} was saved, {newest:?} is found");
    }
    let steps = saved - first;
    println!("W1, {TRIALS} kills, {steps} steps saved, {torn} times in the middle of a file: 0 violations");
    assert!(steps > 20 && torn > 20, "the kills came when nothing happened");
}
