//! Disks that are full, out of inodes, or read-only from one moment to the next.

use crate::inside::with_own_mounts;
use crate::keeper;
use crate::mounts::Mounted;
use std::path::Path;

fn nothing_is_left_over(folder: &Path) {
    let mut names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let over = names.find(|name| name.as_encoded_bytes().starts_with(b"."));
    assert_eq!(over, None);
}

#[test]
fn a_full_disk_never_costs_the_old_checkpoint() {
    with_own_mounts("room::a_full_disk_never_costs_the_old_checkpoint", |scratch| {
        let disk = Mounted::tmpfs("size=1m", &scratch.join("small"));
        keeper::save(&disk.folder, 1, 100_000).unwrap();
        let mut trials = 0;
        // As much room as is left, a little more, and far more.
        for bytes in (850_000..1_100_000).step_by(5_000).chain([20_000_000]) {
            let saved = keeper::save(&disk.folder, 2, bytes);
            nothing_is_left_over(&disk.folder);
            match saved {
                Ok(()) => assert_eq!(keeper::newest(&disk.folder), Some(2)),
                Err(_) => trials += 1,
            }
            let good = keeper::good(&disk.folder);
            assert!(good.contains(&1), "{bytes} bytes: {good:?}");
            let second = disk.folder.join(keeper::name(2));
            if second.exists() {
                std::fs::remove_file(second).unwrap();
            }
        }
        keeper::save(&disk.folder, 3, 100_000).unwrap();
        assert_eq!(keeper::newest(&disk.folder), Some(3), "there is room again");
        println!("D1, full disk: {trials} failed saves, 0 violations");
        assert!(trials > 10, "{trials}");
    });
}

#[test]
fn a_disk_without_inodes_never_costs_the_old_checkpoint() {
    with_own_mounts("room::a_disk_without_inodes_never_costs_the_old_checkpoint", |scratch| {
        let disk = Mounted::tmpfs("size=8m,nr_inodes=4", &scratch.join("few"));
        let mut saved = 0;
        let refused = loop {
            match keeper::save(&disk.folder, saved + 1, 1000) {
                Ok(()) => saved += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, resus_checkpoint::SaveError::Create { .. }), "{refused}");
        assert_eq!(keeper::newest(&disk.folder), Some(saved));
        keeper::retain(&disk.folder, 1).unwrap();
        keeper::save(&disk.folder, saved + 1, 1000).unwrap();
        assert_eq!(keeper::newest(&disk.folder), Some(saved + 1), "there are inodes again");
        println!("D1, no inodes: {saved} saved, then refused, 0 violations");
    });
}

#[test]
fn a_disk_that_turns_read_only_never_costs_the_old_checkpoint() {
    with_own_mounts("room::a_disk_that_turns_read_only_never_costs_the_old_checkpoint", |scratch| {
        let disk = Mounted::tmpfs("size=8m", &scratch.join("ro"));
        for trial in 0..20 {
            keeper::save(&disk.folder, trial + 1, 20_000).unwrap();
            disk.remount("ro");
            keeper::save(&disk.folder, trial + 2, 20_000).unwrap_err();
            assert_eq!(keeper::newest(&disk.folder), Some(trial + 1));
            assert!(keeper::retain(&disk.folder, 0).is_err() || keeper::good(&disk.folder).len() == 1);
            assert_eq!(keeper::newest(&disk.folder), Some(trial + 1));
            disk.remount("rw");
            nothing_is_left_over(&disk.folder);
        }
        println!("D3, read-only from one moment to the next: 20 trials, 0 violations");
    });
}

/// A rename from one file system to another does not work: the temporary file must be beside its goal.
#[test]
fn run_and_state_may_lie_on_different_file_systems() {
    with_own_mounts("room::run_and_state_may_lie_on_different_file_systems", |scratch| {
        let run = Mounted::tmpfs("size=8m", &scratch.join("run"));
        let elsewhere = Mounted::tmpfs("size=8m", &scratch.join("tmp"));
        elsewhere.remount("ro");
        for step in 1..=20 {
            let mut trainer = crate::trainer::trainer(&run.folder, &["save", &step.to_string(), "20000"]);
            let saved = trainer.env("TMPDIR", &elsewhere.folder).current_dir(&elsewhere.folder).status();
            assert!(saved.unwrap().success());
            assert_eq!(keeper::newest(&run.folder), Some(step));
        }
        println!("D16: 20 saves on another file system than all else, 0 violations");
    });
}
