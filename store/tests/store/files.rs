//! Files that are not a ledger, or not one of ours, or of another version.

use crate::support::{new_ledger, raw, replay, row, rows, three_runs, verified};
use resus_store::schema::{APPLICATION_ID, VERSION};
use resus_store::{Ledger, OpenError, Reader, Replayed};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;

fn empty_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    (folder, path)
}

/// Every file of the folder with its content.
fn snapshot(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read(&path).expect("readable")))
        .collect();
    files.sort();
    files
}

#[test]
fn files_that_are_no_ledger_are_refused_and_left_alone() {
    let long_text = vec![b'x'; 5000];
    for content in [&b""[..], b"SQLite format 3\0", &long_text] {
        let (folder, path) = empty_folder();
        fs::write(&path, content).expect("a file");
        fs::write(path.with_extension("db-wal"), b"a log that must stay").expect("a log");
        let before = snapshot(&folder);
        let refused = Ledger::open(&path).expect_err("not a ledger");
        assert!(matches!(refused, OpenError::NotALedger { .. }), "{refused}");
        assert!(refused.to_string().contains(path.to_str().expect("text")), "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("nothing was changed")));
        assert!(Reader::open(&path).is_err());
        assert!(matches!(Ledger::create(&path), Err(OpenError::Exists { .. })));
        assert_eq!(snapshot(&folder), before);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let (folder, path) = empty_folder();
    raw(&path).execute_batch("PRAGMA application_id = 7; CREATE TABLE mine (x)").expect("a database");
    let before = snapshot(&folder);
    assert!(matches!(Ledger::open(&path), Err(OpenError::Foreign { found: 7, .. })));
    assert_eq!(snapshot(&folder), before);
}

#[test]
fn a_newer_version_is_refused_untouched_and_both_versions_named() {
    let (folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    drop(ledger);
    raw(&path).pragma_update(None, "user_version", VERSION + 3).expect("a newer file");
    let before = snapshot(&folder);
    let refused = Ledger::open(&path).expect_err("too new");
    let OpenError::Newer { found, known, .. } = refused else { panic!("{refused}") };
    assert_eq!((found, known), (VERSION + 3, VERSION));
    let text = refused.to_string();
    assert!(text.contains("version 4") && text.contains("up to 1"), "{text}");
    assert!(Reader::open(&path).is_err());
    assert_eq!(snapshot(&folder), before);
}

#[test]
fn a_newer_version_that_only_the_log_tells_of_is_refused_untouched() {
    let (_folder, path, mut ledger) = new_ledger();
    ledger.append(&[row("a", 1)]).expect("append");
    raw(&path).pragma_update(None, "user_version", VERSION + 1).expect("a newer file");
    let (copies, copy) = empty_folder();
    for (from, to) in
        [(path.clone(), copy.clone()), (path.with_extension("db-wal"), copy.with_extension("db-wal"))]
    {
        fs::copy(from, to).expect("a copy");
    }
    let before = snapshot(&copies);
    assert!(matches!(Ledger::open(&copy), Err(OpenError::Newer { .. })));
    let after = snapshot(&copies);
    assert!(before.iter().all(|file| after.contains(file)), "database and log are as they were");
}

#[test]
fn a_file_of_version_0_is_migrated() {
    let (_folder, path) = empty_folder();
    let raw = Connection::open(&path).expect("a connection");
    raw.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; VACUUM;"))
        .expect("an empty ledger");
    drop(raw);
    let mut ledger = Ledger::open(&path).expect("migrated");
    ledger.append(&rows("a", 1, 3)).expect("append");
    assert_eq!(verified(&ledger, "a"), rows("a", 1, 3));
    drop(ledger);
    let version: u32 = raw_version(&path);
    assert_eq!(version, VERSION);
}

fn raw_version(path: &std::path::Path) -> u32 {
    raw(path).pragma_query_value(None, "user_version", |cells| cells.get(0)).expect("a version")
}

#[test]
fn a_migration_that_fails_leaves_the_old_version() {
    let (_folder, path) = empty_folder();
    let raw = Connection::open(&path).expect("a connection");
    raw.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; CREATE TABLE events (x);"))
        .expect("a table in the way");
    drop(raw);
    let refused = Ledger::open(&path).expect_err("the table is in the way");
    assert!(
        matches!(&refused, OpenError::Migrate { source, .. } if (source.from, source.to) == (0, 1)),
        "{refused}"
    );
    assert_eq!(raw_version(&path), 0);
}

#[test]
fn a_ledger_written_by_version_1_is_read() {
    let (_folder, path) = empty_folder();
    let raw = raw(&path);
    raw.execute_batch(include_str!("../../testdata/v1.sql")).expect("the fixture");
    drop(raw);
    let mut ledger = Ledger::open(&path).expect("opened");
    let (runs, summary) = replay(&ledger);
    assert_eq!((summary.runs_verified, summary.runs_damaged, summary.rows_missing), (2, 0, 0), "{runs:?}");
    let Replayed::Verified { run_id, rows } = &runs[0] else { panic!("{runs:?}") };
    assert_eq!((run_id.as_str(), rows.len()), ("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77", 3));
    let third = &rows[2];
    assert_eq!(
        (third.seq, third.attempt, third.unix_ms, third.kind.as_str()),
        (3, 1, 1_732_245_230_500, "error")
    );
    assert_eq!(third.body, r#"{"message":"Größe: 3 µm \"quoted\""}"#);
    assert_eq!(ledger.reader().expect("a reader").cursor("nats").expect("intact"), Some(3));
    assert_eq!(ledger.append(&[row("nightly_7", 3)]).expect("the chain goes on"), 6);
    assert_eq!(replay(&ledger).1.runs_damaged, 0);
}

#[test]
fn a_schema_that_was_changed_is_damage() {
    let (_folder, path, ledger) = new_ledger();
    drop(ledger);
    raw(&path).execute_batch("ALTER TABLE heads RENAME COLUMN crc TO sum").expect("a change");
    let refused = Ledger::open(&path).expect_err("another schema");
    assert!(matches!(&refused, OpenError::Damaged { detail, .. } if detail.contains("heads")), "{refused}");
}

/// Two tables in one place: each row of either still reads well, and the next write spoils both.
#[test]
fn a_file_whose_pages_do_not_hold_together_is_refused_and_left_alone() {
    let (folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    drop(ledger);
    raw(&path)
        .execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'heads')
             WHERE name = 'cursors';",
        )
        .expect("a change");
    let before = snapshot(&folder);
    let refused = Ledger::open(&path).expect_err("pages are shared");
    assert!(matches!(refused, OpenError::Damaged { .. }) && refused.hint().is_some(), "{refused}");
    let after = snapshot(&folder);
    assert!(before.iter().all(|file| after.contains(file)));
}

#[test]
fn links_and_folders_in_place_of_a_ledger_are_refused() {
    let (_folder, real, ledger) = new_ledger();
    drop(ledger);
    let (_other, path) = empty_folder();
    symlink(&real, &path).expect("a link");
    assert!(matches!(Ledger::open(&path), Err(OpenError::NotAFile { .. })));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder");
    assert!(matches!(Ledger::open(&path), Err(OpenError::NotAFile { .. })));
    assert!(matches!(Ledger::create(&path), Err(OpenError::Exists { .. })));
}

#[test]
fn a_missing_ledger_is_not_created_by_opening() {
    let (folder, path) = empty_folder();
    let refused = Ledger::open(&path).expect_err("nothing there");
    assert!(matches!(refused, OpenError::Missing { .. }) && refused.hint().is_some());
    assert_eq!(snapshot(&folder), []);
}

#[test]
fn the_log_of_a_lost_ledger_never_becomes_part_of_a_new_one() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    let (folder, lost) = empty_folder();
    let log = lost.with_extension("db-wal");
    fs::copy(path.with_extension("db-wal"), &log).expect("a log with rows");
    let before = snapshot(&folder);
    let refused = Ledger::create(&lost).expect_err("a log in the way");
    assert!(matches!(&refused, OpenError::StrayLog { stray, .. } if *stray == log), "{refused}");
    assert_eq!(snapshot(&folder), before);
}

#[test]
fn a_creation_that_was_interrupted_is_begun_again() {
    let (_folder, path) = empty_folder();
    for leftover in ["ledger.db.new", "ledger.db.new-journal"] {
        fs::write(path.with_file_name(leftover), b"half a ledger").expect("a leftover");
    }
    let ledger = Ledger::create(&path).expect("created");
    assert_eq!(replay(&ledger).0, []);
    assert!(!path.with_file_name("ledger.db.new").exists());
    assert!(!path.with_file_name("ledger.db.new-journal").exists());
}
