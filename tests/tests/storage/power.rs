//! Power cuts on real file systems: every write that reached the disk is recorded, and what a cut
//! after any of them leaves is mounted and looked at.

use crate::fuse::{Disk, Shelf};
use crate::image::Recorder;
use crate::inside::with_own_mounts;
use crate::keeper;
use crate::mounts::{Kind, fresh, mount_image};
use std::path::Path;

/// How many cuts are tried per file system; more with `RESUS_POWER_CUTS`.
const CUTS: usize = 100;
const STEPS: u64 = 16;
const KEPT: usize = 3;
const STATE_BYTES: usize = 60_000;

fn cuts() -> usize {
    std::env::var("RESUS_POWER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CUTS)
}

/// When which step was said to be saved: records on the disk then, and the step.
type Told = Vec<(usize, u64)>;

type Save = fn(&Path, u64);

fn save(folder: &Path, step: u64) {
    keeper::save(folder, step, STATE_BYTES).unwrap();
}

/// As somebody does it who has not heard of power cuts.
fn save_without_sync(folder: &Path, step: u64) {
    let elsewhere = tempfile::tempdir().unwrap();
    keeper::save(elsewhere.path(), step, STATE_BYTES).unwrap();
    let bytes = std::fs::read(elsewhere.path().join(keeper::name(step))).unwrap();
    let draft = folder.join("draft");
    std::fs::write(&draft, bytes).unwrap();
    std::fs::rename(draft, folder.join(keeper::name(step))).unwrap();
}

/// Saves, retains and restores, and notes when each save was confirmed.
fn workload(disk: &Disk, folder: &Path, save: Save) -> Told {
    let checkpoints = folder.join("checkpoints");
    std::fs::create_dir(&checkpoints).unwrap();
    std::fs::File::open(folder).unwrap().sync_all().unwrap();
    let mut told = Vec::new();
    for step in 1..=STEPS {
        save(&checkpoints, step);
        told.push((disk.lock().unwrap().told(), step));
        keeper::retain(&checkpoints, KEPT).unwrap();
        assert_eq!(keeper::newest(&checkpoints), Some(step));
    }
    told
}

/// The last records first: evenly over the whole recording, and each one around a confirmation.
fn places(disk: &Recorder, told: &Told) -> Vec<usize> {
    let end = disk.told();
    let around = told.iter().flat_map(|(records, _)| records.saturating_sub(2)..=records + 1);
    let spread = (0..cuts()).map(|index| index * end / cuts());
    let mut places: Vec<usize> = around.chain(spread).chain([end]).filter(|place| *place <= end).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Days since 1970: a seed that is another one every day.
fn today() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400
}

/// What was tried, and the first broken promise.
struct Tried {
    whole: usize,
    torn: usize,
    broken: Option<String>,
}

fn try_all(kind: Kind, scratch: &Path, save: Save) -> Tried {
    let shelf_folder = scratch.join("disks");
    std::fs::create_dir(&shelf_folder).unwrap();
    let shelf = Shelf::open(&shelf_folder);
    let (disk, mounted) = fresh(&shelf, kind, &scratch.join("live"));
    let told = workload(&disk, &mounted.folder, save);
    drop(mounted);
    let disk = disk.lock().unwrap();
    let mut tried = Tried { whole: 0, torn: 0, broken: None };
    for place in places(&disk, &told) {
        let saved = told.iter().rev().find(|(records, _)| *records <= place).map_or(0, |(_, step)| *step);
        // Where a flush covers everything there is nothing to lose.
        // Half of the tails are the same every day.
        let seed = if place % 2 == 0 { 1 } else { today() };
        let seeds = if disk.unflushed(place) > 0 { vec![None, Some(seed)] } else { vec![None] };
        for seed in seeds {
            let image = disk.after_power_cut(place, seed);
            let checked = mount_image(&shelf, image, kind, &scratch.join("found"))
                .and_then(|found| check(&found.folder.join("checkpoints"), saved));
            *(if seed.is_some() { &mut tried.torn } else { &mut tried.whole }) += 1;
            if let Err(broken) = checked {
                let end = disk.told();
                tried.broken = Some(format!("{broken}; cut after record {place} of {end}, seed {seed:?}"));
                return tried;
            }
        }
    }
    tried
}

fn check(folder: &Path, saved: u64) -> Result<(), String> {
    if saved == 0 && !folder.exists() {
        return Ok(());
    }
    let newest = keeper::newest(folder).unwrap_or(0);
    if newest < saved {
        return Err(format!("step {saved} was saved, {newest} is the newest that loads"));
    }
    let good = keeper::good(folder).len() as u64;
    if good < saved.min(KEPT as u64) {
        return Err(format!("only {good} load, {KEPT} are to be kept"));
    }
    Ok(())
}

fn survives(kind: Kind, scratch: &Path) {
    let Tried { whole, torn, broken } = try_all(kind, scratch, save);
    assert_eq!(broken, None, "{kind:?}");
    let seeds = format!("seeds 1 and {}", today());
    println!("D6 D7, {kind:?}: {whole} power cuts, {torn} more with torn tails ({seeds}): 0 violations");
    assert!(whole >= CUTS, "{whole} cuts");
}

#[test]
fn a_saved_checkpoint_survives_a_power_cut_on_ext4() {
    with_own_mounts("power::a_saved_checkpoint_survives_a_power_cut_on_ext4", |scratch| {
        survives(Kind::Ext4, scratch);
    });
}

#[test]
fn a_saved_checkpoint_survives_a_power_cut_on_xfs() {
    with_own_mounts("power::a_saved_checkpoint_survives_a_power_cut_on_xfs", |scratch| {
        survives(Kind::Xfs, scratch);
    });
}

#[test]
fn a_save_without_sync_is_found_out_on_a_real_file_system() {
    with_own_mounts("power::a_save_without_sync_is_found_out_on_a_real_file_system", |scratch| {
        let Tried { whole, torn, broken } = try_all(Kind::Ext4, scratch, save_without_sync);
        println!("planted bug | caught by | states");
        println!("no fsync at all, on ext4 | {broken:?} | {}", whole + torn);
        assert!(broken.is_some(), "uncaught in {whole} and {torn} cuts");
    });
}
