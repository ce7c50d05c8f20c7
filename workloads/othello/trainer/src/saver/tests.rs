use std::path::PathBuf;
use std::time::Duration;

use othello_engine::session::TrainConfig;
use resus_checkpoint::{SaveError, peek};
use resus_sdk::Environment;

use super::*;

fn saver(folder: &Path, events: Option<PathBuf>) -> Saver {
    let pulse = Pulse::new(Environment { events, ..Environment::default() });
    let options = SaverOptions { retry_delay: Duration::ZERO, ..SaverOptions::new(folder.to_owned()) };
    Saver::start(options, Compression::None, pulse).unwrap()
}

fn session(games_done: u64) -> Session {
    let config = TrainConfig { games: 16, batch: 1, ..TrainConfig::default() };
    let mut session = Session::new(config);
    while session.games_done() < games_done {
        session.step();
    }
    session
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_save_is_announced_and_says_what_is_known_of_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    let mut saver = saver(folder.path(), Some(events.clone()));
    assert_eq!(saver.request(&session(2), Some(4.5)), Ok(Requested::Started));
    saver.finish();
    let report = saver.reports().next().unwrap();
    let SaveEnd::Saved(saved) = report.end else { panic!("{report:?}") };
    assert_eq!(saved.path, folder.path().join("othello-000000002.prsm"));
    let peeked = peek(&saved.path).unwrap();
    let meta = peeked.meta.unwrap();
    assert_eq!((peeked.header.games, meta.step, meta.health), (2, 2, Health::Finite));
    assert_eq!(meta.metrics.get("loss"), Some(&4.5));
    let line: serde_json::Value =
        serde_json::from_str(fs::read_to_string(events).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(line["event_type"], "checkpoint");
    assert_eq!(line["payload"]["action"], "saved");
    assert_eq!(line["payload"]["checkpoint_id"], "othello-000000002");
    assert_eq!(line["payload"]["digest"], saved.digest);
    assert_eq!((&line["payload"]["health"], &line["payload"]["loss"]), (&"finite".into(), &4.5.into()));
}

#[test]
fn a_loss_that_is_no_number_makes_a_checkpoint_unhealthy() {
    let folder = tempfile::tempdir().unwrap();
    let mut saver = saver(folder.path(), None);
    saver.request(&session(1), Some(f64::NAN)).unwrap();
    saver.finish();
    let meta = peek(&folder.path().join("othello-000000001.prsm")).unwrap().meta.unwrap();
    assert_eq!(meta.health, Health::NotFinite);
}

#[test]
fn a_failed_save_is_tried_twice_told_twice_and_does_not_end_anything() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    let missing = folder.path().join("missing");
    let mut saver = saver(&missing, Some(events.clone()));
    saver.request(&session(1), None).unwrap();
    saver.finish();
    let last = saver.reports().last().unwrap();
    assert!(matches!(last.end, SaveEnd::GivenUp { error: SaveError::Create { .. } }), "{last:?}");
    let told = fs::read_to_string(events).unwrap();
    assert_eq!(told.matches("CHECKPOINT_SAVE_FAILED").count(), 2, "{told}");
    fs::create_dir(&missing).unwrap();
    saver.request(&session(2), None).unwrap();
    saver.finish();
    assert_eq!(names(&missing), ["othello-000000002.prsm"]);
}

#[test]
fn alone_the_newest_few_stay_and_under_a_supervisor_all_do() {
    for (events, expected) in [(None, 5), (Some("events"), 8)] {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("othello-000000000.prsm"), "of another process").unwrap();
        let mut saver = saver(folder.path(), events.map(|name| outside.path().join(name)));
        for games in 1..=8 {
            saver.request(&session(games), None).unwrap();
            saver.finish();
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 1 + expected);
        assert_eq!(names[0], "othello-000000000.prsm");
        assert_eq!(names.last().unwrap(), "othello-000000008.prsm");
    }
}

#[test]
fn after_a_failed_save_nothing_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut saver = saver(folder.path(), None);
    for games in 1..=5 {
        saver.request(&session(games), None).unwrap();
        saver.finish();
    }
    // A folder of that name cannot be replaced by a file.
    fs::create_dir_all(folder.path().join("othello-000000006.prsm/x")).unwrap();
    saver.request(&session(6), None).unwrap();
    saver.finish();
    assert!(saver.reports().any(|report| matches!(report.end, SaveEnd::GivenUp { .. })));
    assert_eq!(names(folder.path()).len(), 6, "five checkpoints and the folder");
}
