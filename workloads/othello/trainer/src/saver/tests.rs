use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use othello_engine::session::TrainConfig;
use resus_checkpoint::{SaveError, peek};
use resus_disk::{Disk, DiskFile, Entry, Real};
use resus_sdk::Environment;

use super::*;

fn saver(folder: &Path, events: Option<PathBuf>) -> Saver {
    let pulse = Pulse::new(Environment { events, ..Environment::default() });
    let options = SaverOptions { retry_delay: Duration::ZERO, ..SaverOptions::new(folder.to_owned()) };
    Saver::start(options, Compression::None, pulse).unwrap()
}

/// The real disk, on which nothing can be created while it is full.
#[derive(Clone, Debug, Default)]
struct Filling(Arc<AtomicBool>);

impl Disk for Filling {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Real.create(path),
        }
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open(path)
    }
    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        Real.open_beneath(root, relative)
    }
    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        Real.look_at(path)
    }
    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        Real.list(folder, most)
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        Real.read_link(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Real.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Real.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Real.remove(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        Real.remove_folder(path)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        Real.make_folder(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Real.sync_folder(folder)
    }
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
    let disk = Filling::default();
    let mut options =
        SaverOptions { retry_delay: Duration::ZERO, ..SaverOptions::new(folder.path().to_owned()) };
    options.save.disk = Arc::new(disk.clone());
    let mut saver = Saver::start(options, Compression::None, Pulse::new(Environment::default())).unwrap();
    for games in 1..=5 {
        saver.request(&session(games), None).unwrap();
        saver.finish();
    }
    disk.0.store(true, Ordering::Relaxed);
    saver.request(&session(6), None).unwrap();
    saver.finish();
    assert!(saver.reports().any(|report| matches!(report.end, SaveEnd::GivenUp { .. })));
    assert_eq!(names(folder.path()).len(), 5);
}

#[test]
fn games_reached_again_are_saved_beside_the_first_and_announced_by_the_name_of_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    for _ in 0..2 {
        let mut saver = saver(folder.path(), Some(events.clone()));
        saver.request(&session(2), None).unwrap();
        saver.finish();
    }
    let said = fs::read_to_string(events).unwrap();
    let said: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let announced: Vec<&serde_json::Value> =
        said.iter().map(|line| &line["payload"]).filter(|payload| payload["action"] == "saved").collect();
    assert_eq!(announced.len(), 2);
    for (payload, id) in announced.iter().zip(["othello-000000002", "othello-000000002.2"]) {
        assert_eq!(payload["checkpoint_id"], id);
        let path = folder.path().join(format!("{id}.prsm"));
        assert_eq!(payload["path"], path.to_str().unwrap());
        assert_eq!(payload["digest"], resus_checkpoint::verify(&path).unwrap().digest);
    }
}

#[test]
fn whoever_waits_for_a_save_gives_signs_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    let pulse = Pulse::new(Environment { events: Some(events.clone()), ..Environment::default() });
    // Longer than the signs are apart: until then the failed save is waited for.
    let retry_delay = SIGN_INTERVAL + SIGN_INTERVAL / 2;
    let options = SaverOptions { retry_delay, ..SaverOptions::new(folder.path().join("missing")) };
    let mut saver = Saver::start(options, Compression::None, pulse).unwrap();
    saver.request(&session(1), None).unwrap();
    saver.finish();
    drop(saver);
    let said = fs::read_to_string(events).unwrap();
    let types: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event_type"].to_string())
        .collect();
    assert!(types.contains(&"\"heartbeat\"".to_owned()), "{types:?}");
}

#[test]
fn a_leftover_that_stays_is_a_warning_and_the_folder_is_made_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    assert_eq!(prepare_folder(&inner).unwrap(), Vec::<String>::new());
    let leftover = inner.join(format!(".othello-000000001.prsm.{}.0.tmp", u32::MAX));
    fs::write(&leftover, "half").unwrap();
    assert_eq!(prepare_folder(&inner).unwrap(), Vec::<String>::new());
    assert!(!leftover.exists());
    let told = unremoved(&leftover, &io::ErrorKind::PermissionDenied.into());
    assert!(told.contains(leftover.to_str().unwrap()) && told.contains("permission denied"), "{told}");
}
