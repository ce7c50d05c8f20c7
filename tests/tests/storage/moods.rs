//! Real file systems on disks that fail, lie, or take their time.

use crate::fuse::Shelf;
use crate::image::Mood;
use crate::inside::with_own_mounts;
use crate::keeper;
use crate::mounts::{Kind, fresh, mount_image};
use std::path::Path;
use std::time::{Duration, Instant};

const BYTES: usize = 60_000;

fn shelf(scratch: &Path) -> Shelf {
    let folder = scratch.join("disks");
    std::fs::create_dir_all(&folder).unwrap();
    Shelf::open(&folder)
}

#[test]
fn a_disk_that_fails_never_costs_the_old_checkpoint() {
    with_own_mounts("moods::a_disk_that_fails_never_costs_the_old_checkpoint", |scratch| {
        let shelf = shelf(scratch);
        let mut trials = 0;
        for (kind, trial) in [Kind::Ext4, Kind::Xfs].into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]) {
            let (disk, mounted) = fresh(&shelf, kind, &scratch.join(format!("live-{kind:?}-{trial}")));
            keeper::save(&mounted.folder, 1, BYTES).unwrap();
            disk.lock().unwrap().mood = Mood::Fails;
            let refused = keeper::save(&mounted.folder, 2, BYTES).unwrap_err();
            assert!(disk.lock().unwrap().struck > 0, "nothing failed but the save: {refused}");
            // What it shows meanwhile comes from memory, where it can be shown at all.
            drop(mounted);
            let image = disk.lock().unwrap().now.clone();
            let found = mount_image(&shelf, image, kind, &scratch.join("found")).unwrap();
            assert_eq!(keeper::newest(&found.folder), Some(1), "{kind:?}: {refused}");
            keeper::save(&found.folder, 3, BYTES).unwrap();
            trials += 1;
        }
        println!("D2 D4, failing disk: {trials} trials, 0 violations");
    });
}

/// Nobody can save on such a disk. What can be done is to notice, and to go back to what was there
/// before it began to lie.
#[test]
fn a_disk_that_lies_about_flushes_is_found_out_by_verification() {
    with_own_mounts("moods::a_disk_that_lies_about_flushes_is_found_out_by_verification", |scratch| {
        let shelf = shelf(scratch);
        let (disk, mounted) = fresh(&shelf, Kind::Ext4, &scratch.join("live"));
        keeper::save(&mounted.folder, 1, BYTES).unwrap();
        disk.lock().unwrap().mood = Mood::Lies;
        keeper::save(&mounted.folder, 2, BYTES).unwrap();
        let told = disk.lock().unwrap().told();
        drop(mounted);
        let (mut new, mut old, mut broken) = (0, 0, 0);
        for seed in 0..40 {
            let image = disk.lock().unwrap().after_power_cut(told, Some(seed));
            // The file system may be beyond repair: it relies on flushes no less than we do.
            let Ok(found) = mount_image(&shelf, image, Kind::Ext4, &scratch.join("found")) else {
                broken += 1;
                continue;
            };
            match keeper::newest(&found.folder) {
                Some(2) => new += 1,
                Some(1) => old += 1,
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        println!("D5, lying flushes: {new} new, {old} old, {broken} file systems that can't be mounted");
        assert!(old > 0 && new + old >= 20, "{new} {old} {broken}");
    });
}

#[test]
fn a_slow_disk_delays_a_save_and_nothing_else() {
    with_own_mounts("moods::a_slow_disk_delays_a_save_and_nothing_else", |scratch| {
        let shelf = shelf(scratch);
        let (disk, mounted) = fresh(&shelf, Kind::Ext4, &scratch.join("live"));
        let elsewhere = scratch.join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        keeper::save(&mounted.folder, 1, BYTES).unwrap();
        keeper::save(&elsewhere, 1, BYTES).unwrap();
        let pause = Duration::from_millis(200);
        for step in 2..=6 {
            disk.lock().unwrap().mood = Mood::Slow(pause);
            let folder = mounted.folder.clone();
            let begin = Instant::now();
            let save =
                std::thread::spawn(move || keeper::save(&folder, step, BYTES).map(|()| begin.elapsed()));
            // The old one can be read, and others can save, before the slow one is done.
            while !save.is_finished() {
                assert!(keeper::newest(&mounted.folder) >= Some(step - 1));
                keeper::save(&elsewhere, step, BYTES).unwrap();
            }
            let took = save.join().unwrap().unwrap();
            assert!(took >= pause, "{took:?}: the disk was not slow");
            assert_eq!(keeper::newest(&mounted.folder), Some(step));
            disk.lock().unwrap().mood = Mood::Well;
        }
        println!("D13, slow disk: 5 trials, 0 violations");
    });
}
