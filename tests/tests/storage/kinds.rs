//! Links, pipes, devices and folders where a checkpoint belongs.

use crate::keeper;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

const SECRET: &str = "nobody but its owner writes here";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Link,
    LinkToNothing,
    HardLink,
    Pipe,
    Device,
    Folder,
    Socket,
}

const THINGS: [Thing; 7] = [
    Thing::Link,
    Thing::LinkToNothing,
    Thing::HardLink,
    Thing::Pipe,
    Thing::Device,
    Thing::Folder,
    Thing::Socket,
];

/// Puts the thing there. False where that takes a right that we don't have.
fn put(thing: Thing, path: &Path, outside: &Path) -> bool {
    let node = |kind, device| mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device).is_ok();
    match thing {
        Thing::Link => symlink(outside, path).is_ok(),
        Thing::LinkToNothing => symlink(outside.with_extension("none"), path).is_ok(),
        Thing::HardLink => fs::hard_link(outside, path).is_ok(),
        Thing::Pipe => node(FileType::Fifo, 0),
        Thing::Device => node(FileType::CharacterDevice, makedev(1, 5)),
        Thing::Folder => fs::create_dir(path).is_ok(),
        Thing::Socket => node(FileType::Socket, 0),
    }
}

#[test]
fn nothing_but_a_file_is_read_as_a_checkpoint() {
    let mut trials = 0;
    for thing in THINGS {
        let folder = TempDir::new().unwrap();
        let outside = TempDir::new().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        keeper::save(folder.path(), 1, 1000).unwrap();
        let path = folder.path().join(keeper::name(9));
        if !put(thing, &path, &secret) {
            assert!(std::env::var_os("CI").is_none(), "{thing:?} can't be made here");
            println!("SKIPPED {thing:?}: we may not make one");
            continue;
        }
        assert!(resus_checkpoint::verify(&path).is_err(), "{thing:?}");
        assert_eq!(keeper::loads(&path), None, "{thing:?}");
        assert_eq!(keeper::newest(folder.path()), Some(1), "{thing:?}");
        trials += 1;
    }
    println!("D12, read: {trials} kinds, 0 violations");
    assert!(trials >= 5);
}

/// A good checkpoint that lies elsewhere is not ours because a link says so.
#[test]
fn a_link_to_a_good_checkpoint_is_refused() {
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    keeper::save(outside.path(), 9, 1000).unwrap();
    keeper::save(folder.path(), 1, 1000).unwrap();
    symlink(outside.path().join(keeper::name(9)), folder.path().join(keeper::name(9))).unwrap();
    assert_eq!(keeper::newest(folder.path()), Some(1));
}

#[test]
fn a_save_writes_to_no_other_place() {
    let mut trials = 0;
    for thing in THINGS {
        let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        let path = folder.path().join(keeper::name(1));
        if !put(thing, &path, &secret) {
            continue;
        }
        keeper::save(folder.path(), 1, 1000).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), SECRET, "{thing:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{thing:?}");
        assert_eq!(keeper::newest(folder.path()), Some(1), "{thing:?}");
        assert!(path.symlink_metadata().is_ok(), "{thing:?}: what had the name has it still");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{thing:?}: nothing is left over");
        trials += 1;
    }
    println!("D12, save: {trials} kinds in its place, 0 violations");
    assert!(trials >= 5);
}

/// A guess of the temporary name, taken by a link beforehand.
#[test]
fn a_link_in_the_place_of_the_temporary_file_is_not_written_through() {
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    for number in 0..50 {
        let temp = format!(".{}.{}.{number}.tmp", keeper::name(1), std::process::id());
        symlink(&secret, folder.path().join(temp)).unwrap();
    }
    keeper::save(folder.path(), 1, 1000).unwrap();
    assert_eq!(keeper::newest(folder.path()), Some(1));
    assert_eq!(fs::read_to_string(&secret).unwrap(), SECRET);
    println!("D12, temporary names taken by links: 50, 0 violations");
}
