//! Which checkpoint of a folder is resumed from.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::save_bytes;
use resus_checkpoint::{Picked, Refusal, newest_verified, newest_verified_but};
use tempfile::TempDir;

fn saved(folder: &Path, name: &str, games: u64) -> PathBuf {
    save_bytes(folder, name, games, name.as_bytes()).path
}

fn damage_last_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn chosen(picked: &Picked) -> Option<&Path> {
    picked.chosen.as_ref().map(|candidate| candidate.path.as_path())
}

#[test]
fn the_one_with_the_most_games_is_chosen_whatever_its_name() {
    let folder = TempDir::new().unwrap();
    saved(folder.path(), "z.prsm", 9);
    let newest = saved(folder.path(), "a.prsm", 10);
    saved(folder.path(), "m.prsm", 8);
    let picked = newest_verified(folder.path()).unwrap();
    assert_eq!((chosen(&picked), picked.refused.len()), (Some(&*newest), 0));
    assert_eq!(picked.chosen.unwrap().header.games, 10);
}

#[test]
fn of_two_with_the_same_games_the_one_changed_last_is_chosen() {
    let folder = TempDir::new().unwrap();
    let [older, newer] = ["b.prsm", "a.prsm"].map(|name| saved(folder.path(), name, 5));
    for (path, seconds) in [(&older, 100), (&newer, 200)] {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
    assert_eq!(chosen(&newest_verified(folder.path()).unwrap()), Some(&*newer));
}

#[test]
fn a_damaged_one_is_named_and_the_next_older_is_chosen() {
    let folder = TempDir::new().unwrap();
    let whole = saved(folder.path(), "1.prsm", 1);
    let damaged = ["2.prsm", "3.prsm"].map(|name| saved(folder.path(), name, name.as_bytes()[0].into()));
    damaged.iter().for_each(|path| damage_last_byte(path));
    let picked = newest_verified(folder.path()).unwrap();
    assert_eq!(chosen(&picked), Some(&*whole));
    let refused: Vec<&Path> = picked.refused.iter().map(|(path, _)| path.as_path()).collect();
    assert_eq!(refused, [&damaged[1], &damaged[0]], "newest first");
}

#[test]
fn what_does_not_start_like_a_checkpoint_is_refused_but_hidden_and_other_files_are_not_looked_at() {
    let folder = TempDir::new().unwrap();
    let empty = folder.path().join("empty.prsm");
    for name in ["empty.prsm", ".b.prsm.1.2.tmp", ".hidden.prsm", "notes.txt", "prsm"] {
        fs::write(folder.path().join(name), b"").unwrap();
    }
    fs::create_dir(folder.path().join("folder.prsm")).unwrap();
    let picked = newest_verified(folder.path()).unwrap();
    assert_eq!(chosen(&picked), None);
    assert_eq!(picked.refused.len(), 2, "{:?}", picked.refused);
    assert!(matches!(&picked.refused[0], (path, Refusal::ShortHeader { found: 0, .. }) if *path == empty));
    assert!(matches!(&picked.refused[1].1, Refusal::NotAFile));
}

#[test]
fn a_folder_that_is_not_there_holds_nothing_but_one_that_is_no_folder_is_an_error() {
    let folder = TempDir::new().unwrap();
    let picked = newest_verified(&folder.path().join("missing")).unwrap();
    assert!(picked.chosen.is_none() && picked.refused.is_empty());
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(newest_verified(&file).unwrap_err().to_string().contains("file"));
}

#[test]
fn what_is_set_aside_is_not_chosen_and_not_complained_of() {
    let folder = TempDir::new().unwrap();
    let [old, damaged, newest] = [1, 2, 3].map(|games| saved(folder.path(), &format!("{games}.prsm"), games));
    damage_last_byte(&damaged);
    let picked = newest_verified_but(folder.path(), &[damaged, newest.clone()]).unwrap();
    assert_eq!((chosen(&picked), picked.refused.len()), (Some(&*old), 0));
    let all = newest_verified_but(folder.path(), &[]).unwrap();
    assert_eq!(chosen(&all), Some(&*newest));
}
