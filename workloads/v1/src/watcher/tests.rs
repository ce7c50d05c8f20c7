//! What is said of a file that others write, with time in the hands of the test.

use super::*;
use resus_core::pulse::v1::reader::STALE_MESSAGE;

fn snapshot(status: StatusV1, epoch: f64, timestamp: u64) -> SnapshotV1 {
    SnapshotV1 { status, epoch, total_epochs: 3.0, loss: 0.5, message: "m".into(), timestamp }
}

/// Looks at `seconds` of both clocks.
fn look(watcher: &mut Watcher, seconds: u64, snapshot: &SnapshotV1) -> Vec<Word> {
    watcher.look(seconds * 1000, seconds, Some(&snapshot.to_bytes()))
}

#[test]
fn a_training_is_followed_from_its_start_to_its_end() {
    let mut watcher = Watcher::new(0);
    assert_eq!(watcher.look(0, 100, None), [], "nobody has begun");
    let idle = snapshot(StatusV1::Idle, 0.0, 100);
    assert_eq!(look(&mut watcher, 102, &idle), [Word::Waiting("m".into())]);
    assert!(!watcher.has_begun());
    let first = snapshot(StatusV1::Running, 0.5, 104);
    assert_eq!(look(&mut watcher, 104, &first), [Word::Begun(first.clone())]);
    let second = snapshot(StatusV1::Running, 1.0, 106);
    assert_eq!(look(&mut watcher, 106, &second), [Word::Progress(second.clone())]);
    assert_eq!(look(&mut watcher, 108, &second), []);
    assert_eq!(look(&mut watcher, 116, &second), [Word::Beat]);
    let done = snapshot(StatusV1::Done, 3.0, 118);
    assert_eq!(look(&mut watcher, 118, &done), [Word::Ended(done.clone())]);
}

#[test]
fn silence_is_said_once_and_taken_back_when_the_file_moves() {
    let mut watcher = Watcher::new(0);
    let silent = snapshot(StatusV1::Running, 0.5, 100);
    look(&mut watcher, 100, &silent);
    let words: Vec<_> = (1..50).flat_map(|n| look(&mut watcher, 100 + 2 * n, &silent)).collect();
    let stale: Vec<_> = words.iter().filter(|word| matches!(word, Word::Stale(_))).collect();
    let shown = SnapshotV1 { status: StatusV1::Error, message: STALE_MESSAGE.into(), ..silent };
    assert_eq!(stale, [&Word::Stale(shown)], "other fields are kept");
    assert!(words.contains(&Word::Beat), "we are still here");
    let again = snapshot(StatusV1::Running, 0.6, 200);
    assert_eq!(look(&mut watcher, 200, &again), [Word::Alive, Word::Progress(again.clone())]);
}

#[test]
fn an_end_that_was_known_already_is_an_old_story_and_a_new_one_is_not() {
    let old = snapshot(StatusV1::Done, 3.0, 100);
    let mut watcher = Watcher::new(100);
    assert_eq!(look(&mut watcher, 110, &old), [Word::Waiting("m".into())]);
    let next = snapshot(StatusV1::Running, 0.1, 120);
    assert_eq!(look(&mut watcher, 120, &next), [Word::Begun(next.clone())]);

    // Between two looks, or while the watcher was away.
    let new = snapshot(StatusV1::Error, 1.0, 101);
    let mut watcher = Watcher::new(100);
    assert_eq!(look(&mut watcher, 110, &new), [Word::Begun(new.clone()), Word::Ended(new.clone())]);
}

#[test]
fn a_training_that_was_silent_from_the_first_look_on_is_told_as_such() {
    let silent = snapshot(StatusV1::Running, 0.5, 100);
    let words = look(&mut Watcher::new(0), 500, &silent);
    assert!(matches!(&words[..], [Word::Begun(_), Word::Stale(_)]), "{words:?}");
}

#[test]
fn a_broken_file_is_told_and_changes_nothing() {
    let mut watcher = Watcher::new(0);
    let running = snapshot(StatusV1::Running, 0.5, 100);
    look(&mut watcher, 100, &running);
    let words = watcher.look(102_000, 102, Some(b"{\"status\": "));
    assert!(matches!(&words[..], [Word::Warning(_)]), "{words:?}");
    assert_eq!(look(&mut watcher, 104, &running), []);
}
