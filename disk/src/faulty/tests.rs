//! The model: it loses what was not synced, all of it and in every way, and nothing else.

use super::*;
use std::collections::BTreeSet;

const ALL: Effort = Effort { all_up_to: 16, singles: 0, samples: 0, seed: 0 };

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn write(disk: &Faulty, name: &str, bytes: &[u8], sync: bool) {
    let file = disk.create(&path(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    if sync {
        file.sync().unwrap();
    }
}

/// Everything in the root folder: name, size, and how many bytes are not zero.
fn seen(disk: &Faulty) -> Vec<(String, usize, usize)> {
    let names = disk.list(Path::new("/"), 100).unwrap();
    let looked = names.into_iter().filter_map(|name| {
        let bytes = disk.content(&Path::new("/").join(&name)).ok()?;
        let filled = bytes.iter().filter(|byte| **byte != 0).count();
        Some((name.into_string().unwrap(), bytes.len(), filled))
    });
    looked.collect()
}

fn states(disk: &Faulty, effort: Effort) -> BTreeSet<Vec<(String, usize, usize)>> {
    disk.crashes(disk.operations(), effort).map(|crash| seen(&crash.disk)).collect()
}

#[test]
fn what_was_synced_with_its_name_is_found_in_every_state() {
    let disk = Faulty::new(Plan::default());
    write(&disk, "a", &[1; 700], true);
    disk.sync_folder(Path::new("/")).unwrap();
    write(&disk, "b", &[1; 10], false);
    let states = states(&disk, ALL);
    assert!(states.iter().all(|state| state[0] == ("a".into(), 700, 700)), "{states:?}");
    assert!(states.len() > 1, "b may be there or not: {states:?}");
}

#[test]
fn an_unsynced_write_may_be_torn_lost_or_longer_than_its_bytes() {
    let disk = Faulty::new(Plan::default());
    write(&disk, "a", &[], true);
    disk.sync_folder(Path::new("/")).unwrap();
    disk.settle(Plan::default());
    disk.open_to_change(&path("a"), false).unwrap().write_all_at(&[1; 1024], 0).unwrap();
    let found: Vec<(usize, usize)> =
        states(&disk, ALL).into_iter().map(|state| (state[0].1, state[0].2)).collect();
    assert_eq!(found, [(0, 0), (1024, 0), (1024, 512), (1024, 1024)]);
}

#[test]
fn a_synced_file_without_a_synced_folder_may_have_no_name() {
    let disk = Faulty::new(Plan::default());
    write(&disk, "a", &[1; 10], true);
    assert_eq!(states(&disk, ALL), [vec![], vec![("a".into(), 10, 10)]].into());
}

#[test]
fn a_rename_without_a_sync_may_leave_an_empty_file_in_the_place_of_the_old_one() {
    let disk = Faulty::new(Plan::default());
    disk.plant_file(&path("a"), &[1; 10]).unwrap();
    write(&disk, ".new", &[1; 20], false);
    disk.rename(&path(".new"), &path("a")).unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    let sizes: BTreeSet<usize> = states(&disk, ALL).iter().map(|state| state[0].1).collect();
    assert_eq!(sizes, [0, 20].into());
    assert_eq!(seen(&disk.after_power_cut(disk.operations())), [("a".into(), 0, 0)]);
    assert_eq!(seen(&disk.after_kill(disk.operations())), [("a".into(), 20, 20)]);
}

#[test]
fn a_rename_is_found_as_a_whole_or_not_at_all() {
    let disk = Faulty::new(Plan::default());
    for folder in ["/x", "/y"] {
        disk.plant_folder(Path::new(folder)).unwrap();
    }
    disk.plant_file(Path::new("/x/a"), b"a").unwrap();
    disk.rename(Path::new("/x/a"), Path::new("/y/b")).unwrap();
    for crash in disk.crashes(1, ALL) {
        let names = ["/x", "/y"].map(|folder| crash.disk.list(Path::new(folder), 100).unwrap().len());
        assert_eq!(names.iter().sum::<usize>(), 1, "{:?}", crash.lost);
    }
    disk.sync_folder(Path::new("/y")).unwrap();
    assert_eq!(disk.crashes(2, ALL).count(), 1, "one of its folders is enough");
}

#[test]
fn names_are_lost_in_any_order_but_changes_of_one_name_only_from_the_last() {
    let disk = Faulty::new(Plan::default());
    for name in ["a", "b"] {
        write(&disk, name, &[], true);
    }
    disk.rename(&path("a"), &path("c")).unwrap();
    let names = states(&disk, ALL).into_iter().map(|state| {
        let names: Vec<String> = state.into_iter().map(|(name, _, _)| name).collect();
        names.concat()
    });
    assert_eq!(names.collect::<BTreeSet<_>>(), ["", "a", "ab", "b", "bc", "c"].map(String::from).into());
}

#[test]
fn a_removed_file_may_be_back_until_its_folder_is_synced() {
    let disk = Faulty::new(Plan::default());
    disk.plant_file(&path("a"), b"x").unwrap();
    disk.remove(&path("a")).unwrap();
    assert_eq!(states(&disk, ALL).len(), 2);
    disk.sync_folder(Path::new("/")).unwrap();
    assert_eq!(states(&disk, ALL), [vec![]].into());
}

#[test]
fn a_state_before_a_sync_does_not_know_of_it() {
    let disk = Faulty::new(Plan::default());
    write(&disk, "a", &[1; 10], true);
    disk.sync_folder(Path::new("/")).unwrap();
    let without = disk.crashes(0, ALL).map(|crash| seen(&crash.disk)).collect::<Vec<_>>();
    assert_eq!(without, [vec![]]);
    // Create, write, sync, sync of the folder: before the last one the name is in doubt.
    assert_eq!(disk.crashes(3, ALL).count(), 2);
    assert_eq!(disk.crashes(4, ALL).count(), 1);
}

#[test]
fn an_operation_fails_once_or_from_then_on_where_it_can() {
    let disk = Faulty::new(Plan::fail(0, Errno::NOSPC));
    assert_eq!(disk.create(&path("a")).unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    disk.create(&path("a")).unwrap();
    assert_eq!(disk.strikes(), 1);
    disk.settle(Plan::fail_from(1, Errno::ROFS));
    let file = disk.open_to_change(&path("a"), false).unwrap();
    for error in [file.write_at(b"x", 0).unwrap_err(), disk.remove(&path("a")).unwrap_err()] {
        assert_eq!(error.raw_os_error(), Some(Errno::ROFS.raw_os_error()));
    }
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 0, "reading goes on");
    assert_eq!(disk.strikes(), 2);
}

#[test]
fn a_short_write_takes_what_it_says_and_the_rest_comes_with_the_next() {
    let disk = Faulty::new(Plan::short_write(1, 3));
    let file = disk.create(&path("a")).unwrap();
    assert_eq!(file.write_at(b"hello", 0).unwrap(), 3);
    assert_eq!(disk.content(&path("a")).unwrap(), b"hel");
    disk.settle(Plan::short_write(0, 1));
    file.write_all_at(b"world", 0).unwrap();
    assert_eq!(disk.content(&path("a")).unwrap(), b"world");
}

#[test]
fn after_a_failed_sync_the_next_one_proves_nothing() {
    for (shows, expected) in [(Shows::New, 10), (Shows::Old, 0)] {
        let disk = Faulty::new(Plan::fail(2, Errno::IO).showing(shows));
        let file = disk.create(&path("a")).unwrap();
        file.write_all_at(&[1; 10], 0).unwrap();
        file.sync().unwrap_err();
        file.sync().unwrap();
        disk.sync_folder(Path::new("/")).unwrap();
        assert_eq!(seen(&disk), [("a".into(), 10, expected)], "{shows:?}");
        // The size came with the second sync, the bytes with neither.
        assert_eq!(states(&disk, ALL), [vec![("a".into(), 10, 0)], vec![("a".into(), 10, 10)]].into());
    }
}

#[test]
fn a_folder_that_could_not_be_opened_was_not_synced_and_can_be() {
    let disk = Faulty::new(Plan::fail(1, Errno::MFILE));
    disk.create(&path("a")).unwrap();
    disk.sync_folder(Path::new("/")).unwrap_err();
    assert_eq!(states(&disk, ALL).len(), 2);
    disk.sync_folder(Path::new("/")).unwrap();
    assert_eq!(states(&disk, ALL).len(), 1);
}

#[test]
fn a_failed_sync_of_a_folder_is_not_made_good_by_another() {
    let disk = Faulty::new(Plan::fail(1, Errno::IO));
    disk.create(&path("a")).unwrap();
    disk.sync_folder(Path::new("/")).unwrap_err();
    disk.sync_folder(Path::new("/")).unwrap();
    assert_eq!(states(&disk, ALL).len(), 2);
}

#[test]
fn a_lying_sync_says_that_all_is_well() {
    let disk = Faulty::new(Plan::lie_from(0));
    write(&disk, "a", &[1; 10], true);
    disk.sync_folder(Path::new("/")).unwrap();
    assert_eq!(seen(&disk), [("a".into(), 10, 10)]);
    assert_eq!(seen(&disk.after_power_cut(disk.operations())), []);
}

#[test]
fn many_parts_are_sampled_the_same_way_each_time() {
    let disk = Faulty::new(Plan::default());
    disk.plant_file(&path("a"), &[0; 64 * 512]).unwrap();
    disk.open_to_change(&path("a"), false).unwrap().write_all_at(&[1; 64 * 512], 0).unwrap();
    let effort = Effort { all_up_to: 8, singles: 64, samples: 100, seed: 7 };
    let lost = |effort| disk.crashes(2, effort).map(|crash| crash.lost).collect::<Vec<_>>();
    assert_eq!(lost(effort), lost(effort));
    assert_ne!(lost(effort), lost(Effort { seed: 8, ..effort }));
    let sectors: BTreeSet<usize> = states(&disk, effort).iter().map(|state| state[0].2 / 512).collect();
    for extreme in [0, 1, 63, 64] {
        assert!(sectors.contains(&extreme), "{extreme} of {sectors:?}");
    }
    assert!(lost(effort).len() > 250, "{}", lost(effort).len());
}

#[test]
fn a_cut_file_that_grows_again_shows_nothing_old() {
    let disk = Faulty::new(Plan::default());
    disk.plant_file(&path("a"), &[1; 1024]).unwrap();
    let file = disk.open_to_change(&path("a"), false).unwrap();
    file.resize(0).unwrap();
    file.write_all_at(&[2; 512], 512).unwrap();
    for crash in disk.crashes(3, ALL) {
        let bytes = crash.disk.content(&path("a")).unwrap();
        let old = bytes.iter().filter(|byte| **byte == 1).count();
        assert!(old == 0 || bytes == [1; 1024], "{:?}", crash.lost);
    }
}

/// The two ways to do the same thing wrong, and the right one.
#[test]
fn a_protocol_without_its_syncs_is_found_out() {
    let replace = |sync: bool, sync_folder: bool| {
        let disk = Faulty::new(Plan::default());
        disk.plant_file(&path("a"), &[1; 600]).unwrap();
        write(&disk, "b", &[2; 600], sync);
        disk.rename(&path("b"), &path("a")).unwrap();
        if sync_folder {
            disk.sync_folder(Path::new("/")).unwrap();
        }
        let end = disk.operations();
        let content = |disk: Faulty| disk.content(&path("a")).unwrap();
        let torn = (0..=end)
            .flat_map(|n| disk.crashes(n, ALL))
            .any(|crash| ![vec![1; 600], vec![2; 600]].contains(&content(crash.disk)));
        let lost = disk.crashes(end, ALL).any(|crash| content(crash.disk) != vec![2; 600]);
        (torn, lost)
    };
    assert_eq!(replace(true, true), (false, false));
    assert_eq!(replace(false, true), (true, true), "no fsync before the rename");
    assert_eq!(replace(true, false), (false, true), "no fsync of the folder");
}

#[test]
fn links_pipes_and_folders_behave_as_on_the_real_disk() {
    let disk = Faulty::new(Plan::default());
    disk.plant_folder(Path::new("/base/sub")).unwrap();
    disk.plant_file(Path::new("/base/sub/inside"), b"in").unwrap();
    disk.plant_link(Path::new("/base/up"), Path::new("..")).unwrap();
    disk.plant_link(Path::new("/base/sub/link"), Path::new("inside")).unwrap();
    disk.plant_pipe(Path::new("/base/pipe")).unwrap();
    let kind = |name: &str| disk.look_at(&Path::new("/base").join(name)).unwrap().kind;
    assert_eq!(
        (kind("up"), kind("pipe"), kind("sub")),
        (crate::Kind::Link, crate::Kind::Other, crate::Kind::Folder)
    );
    assert_eq!(disk.look_at(Path::new("/base/up/base/sub/inside")).unwrap().size, 2, "followed on the way");
    let number = |result: io::Result<Box<dyn DiskFile>>| result.err().and_then(|error| error.raw_os_error());
    assert_eq!(number(disk.open(Path::new("/base/sub/link"))), Some(Errno::LOOP.raw_os_error()));
    let beneath = |relative: &str| disk.open_beneath(Path::new("/base"), Path::new(relative));
    assert!(beneath("sub/inside").is_ok());
    assert_eq!(number(beneath("sub/link")), Some(Errno::LOOP.raw_os_error()));
    assert_eq!(number(beneath("up/base")), Some(Errno::NOTDIR.raw_os_error()));
    assert_eq!(beneath("../x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(disk.create(Path::new("/base/up")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(disk.remove_folder(Path::new("/base/sub")).is_err());
    assert!(disk.remove(Path::new("/base/sub")).is_err());
    assert_eq!(disk.read_link(Path::new("/base/up")).unwrap(), Path::new(".."));
}

#[test]
fn the_cache_hides_what_rots_until_it_is_dropped_or_the_power_goes() {
    let disk = Faulty::new(Plan::default());
    write(&disk, "a", &[1; 10], true);
    disk.sync_folder(Path::new("/")).unwrap();
    disk.corrupt_medium(&path("a"), |bytes| bytes[3] = 0).unwrap();
    let file = disk.open(&path("a")).unwrap();
    let read = || {
        let mut bytes = [0; 10];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes.iter().filter(|byte| **byte != 0).count()
    };
    assert_eq!(read(), 10);
    assert_eq!(states(&disk, ALL), [vec![("a".into(), 10, 9)]].into());
    assert_eq!(states(&disk.copy(Plan::default()), ALL), [vec![("a".into(), 10, 9)]].into());
    file.drop_cache();
    assert_eq!(read(), 9);
    disk.open_to_change(&path("a"), false).unwrap().write_all_at(&[1; 10], 0).unwrap();
    assert_eq!(read(), 10, "what is written anew is well");
}

#[test]
fn a_medium_that_gets_a_synced_byte_wrong_is_seen_from_behind_the_cache_alone() {
    let disk = Faulty::new(Plan::rot_after_sync(2, 13));
    write(&disk, "a", &[1; 10], true);
    assert_eq!(disk.strikes(), 1, "creating, writing, syncing");
    assert_eq!(seen(&disk), [("a".into(), 10, 10)]);
    disk.open(&path("a")).unwrap().drop_cache();
    assert_eq!(disk.content(&path("a")).unwrap(), [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]);
}
