//! Files cut short or flipped at every place: the ledger refuses, reports damage or is whole. It
//! never panics, never shows a changed row, and never loses rows of the file without a word.

use crate::support::{raw, row, rows};
use resus_store::{Ledger, Replayed};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RUNS: [&str; 3] = ["alpha", "beta", "gamma"];

/// The bytes of a ledger: rows 1 and 2 of each run in the file, rows 3 and 4 in the log alone.
struct Image {
    file: Vec<u8>,
    log: Vec<u8>,
}

/// Rows of each run that are in the file, and that there are in all.
const IN_FILE: u64 = 2;
const IN_ALL: u64 = 4;

impl Image {
    /// Builds the image with the smallest pages SQLite has, so that a sweep crosses many of them.
    fn build() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("ledger.db");
        drop(Ledger::create(&path).expect("a new ledger"));
        raw(&path)
            .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;")
            .expect("small pages");
        let append = |ledger: &mut Ledger, seqs: [u64; 2]| {
            for seq in seqs {
                ledger.append(&RUNS.map(|run_id| row(run_id, seq))).expect("append");
            }
        };
        let mut ledger = Ledger::open(&path).expect("opened");
        append(&mut ledger, [1, IN_FILE]);
        drop(ledger);
        let file = fs::read(&path).expect("readable");
        let mut ledger = Ledger::open(&path).expect("opened");
        append(&mut ledger, [3, IN_ALL]);
        assert_eq!(fs::read(&path).expect("readable"), file, "the log was not moved yet");
        Self { file, log: fs::read(path.with_extension("db-wal")).expect("readable") }
    }
}

/// What opening and replaying an image gave.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Refused,
    /// Damage or missing rows were reported.
    Reported,
    /// Every run verified, each with so many rows.
    Whole(u64),
}

struct Bench {
    path: PathBuf,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { path: folder.path().join("ledger.db"), _folder: folder }
    }

    fn examine(&self, file: &[u8], log: Option<&[u8]>) -> Found {
        let log_path = self.path.with_extension("db-wal");
        for stale in [&log_path, &self.path.with_extension("db-shm")] {
            let _ = fs::remove_file(stale);
        }
        fs::write(&self.path, file).expect("written");
        if let Some(log) = log {
            fs::write(&log_path, log).expect("written");
        }
        let found = examine(&self.path);
        if found == Found::Refused {
            assert!(fs::read(&self.path).expect("readable") == file, "a refused file was changed");
            if let Some(log) = log {
                assert!(
                    fs::read(&log_path).expect("readable") == log,
                    "the log of a refused file was changed"
                );
            }
        }
        found
    }

    /// Flips another bit in each place, and now and then all of them. What goes unnoticed must
    /// have changed nothing.
    fn notices_a_flip(&self, file: &[u8], at: usize) -> bool {
        let mut flipped = file.to_vec();
        flipped[at] ^= if at % 9 == 8 { 0xff } else { 1 << (at % 9) };
        match self.examine(&flipped, None) {
            Found::Whole(rows) => {
                assert_eq!(rows, IN_FILE, "flipped at {at}");
                false
            }
            Found::Refused | Found::Reported => true,
        }
    }
}

fn examine(path: &Path) -> Found {
    let Ok(ledger) = Ledger::open(path) else { return Found::Refused };
    let mut runs = Vec::new();
    let Ok(summary) = ledger.replay(|run| runs.push(run)) else { return Found::Refused };
    let mut counts = Vec::new();
    for run in &runs {
        let (run_id, found) = match run {
            Replayed::Verified { run_id, rows } => {
                counts.push(rows.len() as u64);
                (run_id, rows)
            }
            Replayed::Damaged { run_id, good_rows, .. } => (run_id, good_rows),
        };
        assert_eq!(found, &rows(run_id, 1, found.len() as u64), "rows shown as good are the original ones");
    }
    if summary.runs_damaged > 0 || summary.rows_missing > 0 {
        return Found::Reported;
    }
    assert!(runs.is_empty() || counts.len() == RUNS.len(), "a run is gone without a word: {runs:?}");
    let count = counts.first().copied().unwrap_or(0);
    assert!(counts.iter().all(|other| *other == count), "commits are whole: {counts:?}");
    Found::Whole(count)
}

#[test]
fn a_file_cut_anywhere_is_refused_or_reported() {
    let (image, bench) = (Image::build(), Bench::new());
    assert_eq!(bench.examine(&image.file, None), Found::Whole(IN_FILE));
    assert_eq!(bench.examine(&image.file, Some(&image.log)), Found::Whole(IN_ALL));
    let cuts = (0..image.file.len()).filter(|cut| *cut < 128 || cut % 64 < 2 || cut % 64 == 63);
    for cut in cuts {
        let alone = bench.examine(&image.file[..cut], None);
        assert!(matches!(alone, Found::Refused | Found::Reported), "cut at {cut}: {alone:?}");
        let with_log = bench.examine(&image.file[..cut], Some(&image.log));
        assert!(
            with_log != Found::Whole(0) && with_log != Found::Whole(IN_FILE),
            "cut at {cut}: {with_log:?}"
        );
    }
}

/// A log is valid up to its last whole commit; a cut takes commits away from its end only.
#[test]
fn a_log_cut_anywhere_leaves_whole_commits_from_the_front() {
    let (image, bench) = (Image::build(), Bench::new());
    let mut before = IN_FILE;
    for cut in (0..=image.log.len()).filter(|cut| cut % 67 == 0 || *cut == image.log.len()) {
        match bench.examine(&image.file, Some(&image.log[..cut])) {
            Found::Whole(rows) => {
                assert!(rows >= before, "cut at {cut}: {rows} rows after {before}");
                before = rows;
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
    assert_eq!(before, IN_ALL);
}

/// True deep inside a run of zeros, where every eighth byte stands for the others.
fn in_free_space(file: &[u8], at: usize) -> bool {
    let around = at.saturating_sub(16)..(at + 16).min(file.len());
    file[around].iter().all(|byte| *byte == 0)
}

#[test]
fn a_byte_flipped_anywhere_in_the_file_changes_nothing_unnoticed() {
    let image = Image::build();
    let sweep = |places: std::ops::Range<usize>| {
        let bench = Bench::new();
        places
            .filter(|at| *at % 8 == 0 || !in_free_space(&image.file, *at))
            .filter(|at| bench.notices_a_flip(&image.file, *at))
            .count()
    };
    let (middle, end) = (image.file.len() / 2, image.file.len());
    let noticed = std::thread::scope(|scope| {
        let first = scope.spawn(|| sweep(0..middle));
        sweep(middle..end) + first.join().expect("the first half holds")
    });
    // The rest is free space in pages, and counters that SQLite rebuilds.
    assert!(noticed > end / 4, "{noticed} of {end} noticed");
}

#[test]
fn a_byte_flipped_in_the_log_ends_it_there() {
    let (image, bench) = (Image::build(), Bench::new());
    for at in (0..image.log.len()).step_by(13) {
        let mut flipped = image.log.clone();
        flipped[at] ^= 0x10;
        match bench.examine(&image.file, Some(&flipped)) {
            Found::Whole(rows) => assert!((IN_FILE..=IN_ALL).contains(&rows), "flipped at {at}: {rows}"),
            Found::Refused | Found::Reported => {}
        }
    }
}
