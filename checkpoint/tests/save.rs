//! Saving, and what a save that fails leaves behind.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use resus_checkpoint::{FLAG_SEALED, HEADER_BYTES, SaveError, read, remove_leftovers, save, verify};
use tempfile::TempDir;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_saved_is_what_is_read() {
    let folder = TempDir::new().unwrap();
    let large = vec![0x5a; 700_000];
    let saved = save(folder.path(), "a.prsm", 12, -5, &[b"head", b"", &large]).unwrap();
    let (header, payload) = read(&saved.path).unwrap();
    assert_eq!((header.version, header.flags, header.games, header.unix_time), (2, FLAG_SEALED, 12, -5));
    assert_eq!(payload, [b"head", &large[..]].concat());
    assert_eq!(saved.size_bytes, fs::metadata(&saved.path).unwrap().len());
    assert_eq!(saved.digest(), format!("crc32:{:08x}", header.crc));
    assert_eq!(names(folder.path()), ["a.prsm"]);
}

#[test]
fn an_empty_payload_is_a_checkpoint_too() {
    let folder = TempDir::new().unwrap();
    let saved = save(folder.path(), "a.prsm", 0, 0, &[]).unwrap();
    assert_eq!(read(&saved.path).unwrap().1, b"");
}

/// Every byte of a stored file; computed by hand from the format and CRC-32/IEEE of `payload ‖ seal`.
#[test]
fn a_stored_file_is_byte_for_byte_that_of_the_format() {
    let folder = TempDir::new().unwrap();
    let saved = save(folder.path(), "a.prsm", 1, 2, &[b"123456789"]).unwrap();
    let seal = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    let mut expected = b"PRSM\x02\0\0\0\x02\0\0\0".to_vec();
    expected.extend(GOLDEN_CRC.to_le_bytes());
    expected.extend(seal);
    expected.extend(b"123456789");
    expected.extend(seal);
    assert_eq!(fs::read(saved.path).unwrap(), expected);
}

/// `zlib.crc32(b"123456789" + bytes([1] + [0]*7 + [2] + [0]*7))` in Python.
const GOLDEN_CRC: u32 = 0x7413_a13d;

#[test]
fn the_picture_in_the_format_page_is_that_file() {
    let folder = TempDir::new().unwrap();
    let saved = save(folder.path(), "a.prsm", 1, 2, &[b"123456789"]).unwrap();
    let rows = include_str!("../FORMAT.md").lines().filter(|line| line.starts_with("000000"));
    let drawn: Vec<u8> = rows
        .flat_map(|row| row[8..].split('|').next().unwrap().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(fs::read(saved.path).unwrap(), drawn);
}

#[test]
fn a_checkpoint_is_for_its_owner_only() {
    let folder = TempDir::new().unwrap();
    let saved = save(folder.path(), "a.prsm", 1, 1, &[b"x"]).unwrap();
    assert_eq!(fs::metadata(saved.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_newer_save_replaces_the_file_of_its_name() {
    let folder = TempDir::new().unwrap();
    save(folder.path(), "a.prsm", 1, 1, &[b"old, and longer"]).unwrap();
    let saved = save(folder.path(), "a.prsm", 2, 2, &[b"new"]).unwrap();
    assert_eq!(read(&saved.path).unwrap().1, b"new");
}

#[test]
fn a_save_that_fails_at_its_last_step_leaves_everything_as_it_was() {
    let folder = TempDir::new().unwrap();
    let older = save(folder.path(), "a.prsm", 1, 1, &[b"old"]).unwrap();
    fs::create_dir(folder.path().join("b.prsm")).unwrap();
    let error = save(folder.path(), "b.prsm", 2, 2, &[b"new"]).unwrap_err();
    assert!(matches!(error, SaveError::Rename { .. }), "{error}");
    assert_eq!(names(folder.path()), ["a.prsm", "b.prsm"]);
    assert_eq!(verify(&older.path).unwrap().header.games, 1);
}

#[test]
fn a_save_into_a_folder_that_is_not_there_says_which() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = save(&missing, "a.prsm", 1, 1, &[b"x"]).unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    assert!(matches!(error, SaveError::Create { .. }));
}

#[test]
fn saves_of_the_same_name_at_the_same_time_leave_one_whole_file() {
    let folder = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for games in 0..8 {
            let folder = folder.path();
            scope.spawn(move || save(folder, "a.prsm", games, 0, &[&vec![games as u8; 50_000]]).unwrap());
        }
    });
    let (header, payload) = read(&folder.path().join("a.prsm")).unwrap();
    assert_eq!(payload, vec![header.games as u8; 50_000]);
    assert_eq!(names(folder.path()), ["a.prsm"]);
}

#[test]
fn leftovers_of_a_killed_save_are_removed_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    save(folder.path(), "a.prsm", 1, 1, &[b"x"]).unwrap();
    fs::write(folder.path().join(".b.prsm.17.3.tmp"), [0; HEADER_BYTES]).unwrap();
    fs::write(folder.path().join(".editor.tmp"), b"mine").unwrap();
    assert_eq!(remove_leftovers(folder.path()).unwrap(), [folder.path().join(".b.prsm.17.3.tmp")]);
    assert_eq!(names(folder.path()), [".editor.tmp", "a.prsm"]);
    assert!(remove_leftovers(&folder.path().join("missing")).unwrap().is_empty());
}
