//! Damaged checkpoints are set aside, superfluous ones deleted: nothing else is touched.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use resus_checkpoint::foreign::{AsideError, DiscardError, discard, empty_trash, set_aside};
use resus_disk::Real;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_damaged_one_keeps_its_name_or_gets_the_next_free_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ck.prsm");
    for content in ["first", "second", "third"] {
        fs::write(&path, content).unwrap();
        let to = set_aside(&Real, folder.path(), &path).unwrap();
        assert_eq!(fs::read_to_string(to).unwrap(), content);
    }
    let damaged = folder.path().join("damaged");
    assert_eq!(names(&damaged), ["ck.prsm", "ck.prsm.1", "ck.prsm.2"]);
    assert_eq!(names(folder.path()), ["damaged"]);
    assert_eq!(fs::metadata(&damaged).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_is_set_aside_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-5");
    fs::create_dir_all(path.join("sub")).unwrap();
    fs::write(path.join("sub/a"), "x").unwrap();
    let to = set_aside(&Real, folder.path(), &path).unwrap();
    assert_eq!(fs::read_to_string(to.join("sub/a")).unwrap(), "x");
    assert!(!path.exists());
}

#[test]
fn what_lies_elsewhere_is_neither_moved_nor_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("checkpoints");
    fs::create_dir_all(inner.join("sub")).unwrap();
    fs::create_dir(inner.join("damaged")).unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    fs::write(inner.join("sub/a"), "x").unwrap();
    let elsewhere = [
        folder.path().join("a"),
        inner.join("../a"),
        inner.join("sub/a"),
        inner.join("damaged"),
        inner.clone(),
    ];
    for path in &elsewhere {
        assert!(matches!(set_aside(&Real, &inner, path), Err(AsideError::Elsewhere { .. })), "{path:?}");
        assert!(matches!(discard(&Real, &inner, path), Err(DiscardError::Elsewhere { .. })), "{path:?}");
    }
    assert!(elsewhere.iter().all(|path| path.exists()));
}

#[test]
fn a_link_in_place_of_the_folder_for_damaged_ones_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, outside) = (folder.path().join("checkpoints"), folder.path().join("outside"));
    fs::create_dir(&inner).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, inner.join("damaged")).unwrap();
    fs::write(inner.join("a"), "x").unwrap();
    let refused = set_aside(&Real, &inner, &inner.join("a")).unwrap_err();
    assert!(matches!(refused, AsideError::NotAFolder { .. }), "{refused}");
    assert!(inner.join("a").exists() && names(&outside).is_empty());
}

#[test]
fn a_deleted_folder_takes_nothing_with_it_that_its_links_name() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let inner = folder.path().join("checkpoints");
    let path = inner.join("step-5");
    fs::create_dir_all(path.join("sub/empty")).unwrap();
    fs::write(path.join("sub/a"), "x").unwrap();
    symlink(&outside, path.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    discard(&Real, &inner, &path).unwrap();
    assert!(names(&inner).is_empty());
    assert_eq!(names(&outside), ["precious"]);
}

#[test]
fn files_links_and_what_is_gone_already_are_deleted_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "x").unwrap();
    symlink(&file, &link).unwrap();
    discard(&Real, folder.path(), &link).unwrap();
    assert_eq!(names(folder.path()), ["file"]);
    discard(&Real, folder.path(), &file).unwrap();
    discard(&Real, folder.path(), &file).unwrap();
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_a_killed_deletion_left_is_deleted_next_time_and_nothing_that_looks_like_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(".resus-trash-0/sub")).unwrap();
    fs::write(folder.path().join(".resus-trash-0/sub/a"), "x").unwrap();
    fs::create_dir(folder.path().join(".resus-trash-mine")).unwrap();
    let path = folder.path().join("step-5");
    fs::create_dir(&path).unwrap();
    discard(&Real, folder.path(), &path).unwrap();
    assert_eq!(names(folder.path()), [".resus-trash-0", ".resus-trash-mine"]);
    empty_trash(&Real, folder.path()).unwrap();
    assert_eq!(names(folder.path()), [".resus-trash-mine"]);
    empty_trash(&Real, &folder.path().join("nothing")).unwrap();
}
