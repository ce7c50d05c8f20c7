//! The saver on a disk that waits and fails on order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, mpsc};

use resus_disk::{Disk, DiskFile, Entry, Real};

use super::*;
use crate::load::load;
use crate::meta::{Health, Meta};
use crate::section::{Compression, Element, Section};

/// This machine's disk, of which any operation that changes something can fail, and whose files are not
/// created while the gate is shut.
#[derive(Debug, Default)]
struct Rig {
    /// Changes asked for so far.
    changes: AtomicU64,
    /// From which change on (counted from 1), and up to which, they fail.
    fails: Mutex<(u64, u64)>,
    is_shut: Mutex<bool>,
    opened: Condvar,
    /// Somebody stands before the gate.
    is_waiting: AtomicBool,
}

impl Rig {
    fn change(&self) -> io::Result<()> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let (first, last) = *self.fails.lock().unwrap();
        if (first..=last).contains(&number) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn pass_gate(&self) {
        let shut = self.is_shut.lock().unwrap();
        self.is_waiting.store(*shut, Ordering::Relaxed);
        drop(self.opened.wait_while(shut, |is_shut| *is_shut).unwrap());
        self.is_waiting.store(false, Ordering::Relaxed);
    }

    fn set_gate(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn wait_until_somebody_waits(&self) {
        while !self.is_waiting.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}

#[derive(Debug)]
struct RiggedDisk(Arc<Rig>);

#[derive(Debug)]
struct RiggedFile(Arc<Rig>, Box<dyn DiskFile>);

impl Disk for RiggedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.pass_gate();
        self.0.change()?;
        Ok(Box::new(RiggedFile(Arc::clone(&self.0), Real.create(path)?)))
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
        self.0.change()?;
        Real.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change()?;
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
        self.0.change()?;
        Real.sync_folder(folder)
    }
}

impl DiskFile for RiggedFile {
    fn entry(&self) -> io::Result<Entry> {
        self.1.entry()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.change()?;
        self.1.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.change()?;
        self.1.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.change()?;
        self.1.sync()
    }
    fn drop_cache(&self) {
        self.1.drop_cache();
    }
}

/// A saver on a rigged disk, and what it reported.
struct Bench {
    folder: tempfile::TempDir,
    rig: Arc<Rig>,
    saver: Saver,
    reports: mpsc::Receiver<Report>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rig = Arc::new(Rig::default());
        let mut options = SaverOptions::new(folder.path().to_owned());
        options.save.disk = Arc::new(RiggedDisk(Arc::clone(&rig)));
        options.retry_delay = Duration::ZERO;
        let (sender, reports) = mpsc::channel();
        let saver = Saver::start(options, move |report| sender.send(report).unwrap()).unwrap();
        Self { folder, rig, saver, reports }
    }

    fn request(&mut self, games: u64) -> Requested {
        request(&mut self.saver, games, &state(games)).unwrap()
    }

    /// How all saves since the last call ended, as text: `saved 1`.
    fn ends(&mut self) -> Vec<String> {
        self.saver.finish();
        let text = |report: Report| match report.end {
            SaveEnd::Saved(_) => format!("saved {}", report.games),
            SaveEnd::Retried { .. } => format!("retried {}", report.games),
            SaveEnd::GivenUp { .. } => format!("given up {}", report.games),
        };
        self.reports.try_iter().map(text).collect()
    }

    fn path(&self, games: u64) -> PathBuf {
        self.folder.path().join(name(games))
    }

    /// Whether the checkpoint at `games` is there, whole, and what was asked for.
    fn holds(&self, games: u64) -> bool {
        load(&self.path(games)).is_ok_and(|found| {
            found.header.games == games
                && found.sections.len() == 1
                && found.sections[0].bytes == state(games)
        })
    }
}

fn name(games: u64) -> String {
    format!("{games}.prsm")
}

fn state(games: u64) -> Vec<u8> {
    (0..5_000).map(|index: u64| (index.wrapping_mul(games + 3) >> 2) as u8).collect()
}

fn request(saver: &mut Saver, games: u64, state: &[u8]) -> Result<Requested, RequestError> {
    let metrics = BTreeMap::from([("loss".to_owned(), 0.5)]);
    let meta = Meta { step: games, health: Health::Finite, metrics, ..Meta::default() };
    let parts = [state];
    let section =
        Section { name: "state", element: Element::U8, parts: &parts, compression: Compression::None };
    saver.request(&name(games), &Draft { games, unix_time: 1, meta: &meta, sections: &[section] })
}

#[test]
fn what_was_asked_for_lies_on_disk_as_it_was_then_and_is_told() {
    let mut bench = Bench::new();
    let mut training = state(1);
    assert_eq!(request(&mut bench.saver, 1, &training), Ok(Requested::Started));
    training.fill(0);
    bench.saver.finish();
    assert!(!bench.saver.is_busy());
    let report = bench.reports.try_recv().unwrap();
    assert_eq!((report.games, report.file_name.as_str(), report.meta.step), (1, "1.prsm", 1));
    let SaveEnd::Saved(saved) = report.end else { panic!("{report:?}") };
    assert_eq!(saved.path, bench.path(1));
    assert_eq!(saved.size_bytes, std::fs::metadata(&saved.path).unwrap().len());
    assert!(bench.holds(1));
    assert_eq!(load(&saved.path).unwrap().meta, Some(report.meta));
}

#[test]
fn a_checkpoint_of_the_same_name_stays_and_the_report_says_where_the_new_one_is() {
    let mut bench = Bench::new();
    std::fs::write(bench.path(1), "precious").unwrap();
    bench.request(1);
    bench.saver.finish();
    let SaveEnd::Saved(saved) = bench.reports.try_recv().unwrap().end else { panic!("not saved") };
    assert_eq!(saved.path, bench.folder.path().join("1.2.prsm"));
    assert_eq!(std::fs::read(bench.path(1)).unwrap(), b"precious");
    assert_eq!(load(&saved.path).unwrap().sections[0].bytes, state(1));
}

#[test]
fn whoever_waits_for_a_slow_disk_is_let_go_when_the_time_is_up() {
    let mut bench = Bench::new();
    assert!(bench.saver.finish_within(Duration::ZERO), "nothing was asked for");
    bench.rig.set_gate(true);
    bench.request(1);
    assert!(!bench.saver.finish_within(Duration::ZERO));
    assert!(!bench.saver.finish_within(Duration::from_millis(1)));
    bench.rig.set_gate(false);
    assert!(bench.saver.finish_within(Duration::MAX));
    assert!(bench.holds(1));
}

#[test]
fn of_the_requests_during_a_save_the_newest_wins_and_each_is_told_so() {
    let mut bench = Bench::new();
    bench.rig.set_gate(true);
    assert_eq!(bench.request(1), Requested::Started);
    bench.rig.wait_until_somebody_waits();
    assert_eq!(bench.request(2), Requested::Coalesced { instead_of: None });
    assert_eq!(bench.request(3), Requested::Coalesced { instead_of: Some(2) });
    assert_eq!(bench.request(4), Requested::Coalesced { instead_of: Some(3) });
    assert!(bench.saver.is_busy());
    bench.rig.set_gate(false);
    assert_eq!(bench.ends(), ["saved 1", "saved 4"]);
    assert!(bench.holds(1) && bench.holds(4) && !bench.path(2).exists() && !bench.path(3).exists());
}

#[test]
fn whichever_operation_fails_once_the_second_try_saves_it() {
    let operations = {
        let mut bench = Bench::new();
        bench.request(1);
        assert_eq!(bench.ends(), ["saved 1"]);
        bench.rig.changes.load(Ordering::Relaxed)
    };
    assert!(operations > 4, "{operations}");
    for failing in 1..=operations {
        let mut bench = Bench::new();
        *bench.rig.fails.lock().unwrap() = (failing, failing);
        bench.request(1);
        assert_eq!(bench.ends(), ["retried 1", "saved 1"], "operation {failing}");
        assert!(bench.holds(1), "operation {failing}");
        // The last is the folder's sync: the file was in place by then, and the second is beside it.
        let files = if failing == operations { 2 } else { 1 };
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), files, "operation {failing}");
    }
}

#[test]
fn whichever_operation_fails_for_good_it_is_given_up_and_what_was_there_stays() {
    let mut failing = 1;
    loop {
        let mut bench = Bench::new();
        bench.request(1);
        assert_eq!(bench.ends(), ["saved 1"]);
        let before = bench.rig.changes.load(Ordering::Relaxed);
        if failing > before {
            break;
        }
        *bench.rig.fails.lock().unwrap() = (before + failing, u64::MAX);
        bench.request(2);
        assert_eq!(bench.ends(), ["retried 2", "given up 2"], "operation {failing}");
        assert!(bench.holds(1), "operation {failing}");
        *bench.rig.fails.lock().unwrap() = (0, 0);
        assert_eq!(bench.request(3), Requested::Started, "the training went on");
        assert_eq!(bench.ends(), ["saved 3"], "operation {failing}");
        assert!(bench.holds(1) && bench.holds(3), "operation {failing}");
        failing += 1;
    }
}

#[test]
fn a_newer_request_takes_the_place_of_a_failed_one() {
    let mut bench = Bench::new();
    bench.rig.set_gate(true);
    *bench.rig.fails.lock().unwrap() = (1, 1);
    bench.request(1);
    bench.rig.wait_until_somebody_waits();
    bench.request(2);
    bench.rig.set_gate(false);
    assert_eq!(bench.ends(), ["given up 1", "saved 2"]);
    assert!(bench.holds(2) && !bench.path(1).exists());
}

#[test]
fn a_name_that_can_never_be_is_not_tried_twice() {
    let mut bench = Bench::new();
    let meta = Meta::default();
    let draft = Draft { games: 1, unix_time: 1, meta: &meta, sections: &[] };
    bench.saver.request("a/b", &draft).unwrap();
    assert_eq!(bench.ends(), ["given up 1"]);
}

#[test]
fn dropping_a_saver_finishes_what_is_under_way_and_what_waits() {
    let Bench { folder, rig, mut saver, reports } = Bench::new();
    rig.set_gate(true);
    for games in 1..=2 {
        request(&mut saver, games, &state(games)).unwrap();
        rig.wait_until_somebody_waits();
    }
    let dropper = thread::spawn(move || drop(saver));
    rig.set_gate(false);
    dropper.join().unwrap();
    let saved = reports.iter().filter(|report| matches!(report.end, SaveEnd::Saved(_))).count();
    assert_eq!(saved, 2);
    assert!((1..=2).all(|games| load(&folder.path().join(name(games))).unwrap().header.games == games));
}

#[test]
fn the_memory_of_the_copies_is_kept_and_is_no_more_than_two() {
    let mut bench = Bench::new();
    for games in 1..=20 {
        bench.request(games);
    }
    bench.saver.finish();
    // The thread may be about to give one more room.
    let rooms = loop {
        let rooms = bench.saver.desk.rooms();
        if rooms.len() == 2 && rooms[0] == rooms[1] {
            break rooms;
        }
        thread::yield_now();
    };
    assert!(rooms[0] >= 5_000, "{rooms:?}");
}

#[test]
fn a_large_state_goes_the_same_way() {
    let mut bench = Bench::new();
    let large: Vec<u8> =
        (0..9 << 20).map(|index: u32| (index.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect();
    request(&mut bench.saver, 1, &large).unwrap();
    assert_eq!(bench.ends(), ["saved 1"]);
    assert!(load(&bench.path(1)).unwrap().sections[0].bytes == large, "it differs");
}

#[test]
fn when_the_listener_panics_nobody_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let options = SaverOptions::new(folder.path().to_owned());
    let mut saver = Saver::start(options, |_| panic!("a listener that fails")).unwrap();
    request(&mut saver, 1, &state(1)).unwrap();
    saver.finish();
    assert_eq!(request(&mut saver, 2, &state(2)), Err(RequestError::Gone));
}
