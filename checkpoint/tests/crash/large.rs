//! Saves of more than one piece: packed by several threads, written while more is packed, the head last;
//! with a share of the disk, each piece is brought to disk by itself.

use resus_checkpoint::{
    Compression, Draft, Element, Meta, SaveError, SaveOptions, Section, load_with, newest_verified_with,
    save_with,
};
use resus_disk::Disk;
use resus_disk::faulty::{Call, Effort, Faulty, Plan};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

const FOLDER: &str = "/run";
const BYTES: usize = 9_000_000;

fn state(step: u64) -> Vec<u8> {
    (0..BYTES as u64 / 8).flat_map(|word| (word * 0x9e37_79b9 + step).to_le_bytes()).collect()
}

fn save(disk: &Faulty, step: u64, disk_share_percent: u8) -> Result<(), SaveError> {
    let state = state(step);
    let section = |name, parts, compression| Section { name, element: Element::U64, parts, compression };
    let (first, second) = state.split_at(BYTES / 16 * 8);
    let parts = [[first], [second]];
    let sections =
        [section("as it is", &parts[0], Compression::None), section("packed", &parts[1], Compression::Lz4)];
    let meta = Meta { step, ..Meta::default() };
    let draft = Draft { games: step, unix_time: 1, meta: &meta, sections: &sections };
    let options = SaveOptions { disk: Arc::new(disk.clone()), disk_share_percent, ..SaveOptions::default() };
    save_with(&options, Path::new(FOLDER), &format!("{step}.prsm"), &draft).map(drop)
}

/// The newest step that is whole, compared byte by byte.
fn newest(disk: &dyn Disk) -> Option<u64> {
    let chosen = newest_verified_with(disk, Path::new(FOLDER), &[]).unwrap().chosen?;
    let loaded = load_with(disk, &chosen.path, u64::MAX).unwrap();
    let joined: Vec<u8> = loaded.sections.iter().flat_map(|section| section.bytes.iter().copied()).collect();
    assert!(joined == state(loaded.header.games), "I4: {} loads wrong numbers", chosen.path.display());
    Some(loaded.header.games)
}

fn begin() -> Faulty {
    let disk = Faulty::new(Plan::default());
    disk.plant_folder(Path::new(FOLDER)).unwrap();
    save(&disk, 1, 100).unwrap();
    disk.copy(Plan::default())
}

#[test]
fn a_large_save_is_whole_or_not_there_wherever_the_power_goes() {
    let effort = Effort { all_up_to: 2, singles: 3, samples: 3, seed: 4 };
    let mut states = 0;
    for share in [100, 90] {
        let disk = begin();
        save(&disk, 2, share).unwrap();
        let end = disk.operations();
        for (after, operation) in disk.log().iter().enumerate().map(|(n, operation)| (n + 1, operation)) {
            let changes = [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::SyncFolder];
            if !changes.contains(&operation.call) {
                continue;
            }
            for crash in disk.crashes(after, effort) {
                let found = newest(&crash.disk);
                let said = if after == end { 2 } else { 1 };
                assert!(found >= Some(said), "{share} %, after {operation}: {found:?}, {:?}", crash.lost);
                states += 1;
            }
        }
    }
    println!("a large save, I4 I5 I6 after a power cut: {states} states, 0 violations");
    assert!(states > 50, "{states}");
}

#[test]
fn a_large_save_fails_with_any_of_its_writes_and_syncs() {
    let mut failures = 0;
    for share in [100, 90] {
        let begin = begin();
        let undisturbed = begin.copy(Plan::default());
        save(&undisturbed, 2, share).unwrap();
        let log = undisturbed.log();
        let due = log.iter().enumerate().filter(|(_, done)| matches!(done.call, Call::Write | Call::Sync));
        for (n, operation) in due {
            let disk = begin.copy(Plan::fail(n, Errno::IO));
            assert!(save(&disk, 2, share).is_err(), "{share} %, {operation} failed");
            assert_eq!(disk.strikes(), 1);
            let well = disk.copy(Plan::default());
            assert_eq!(
                well.list(Path::new(FOLDER), 1_000).unwrap(),
                ["1.prsm"],
                "{share} %, {operation} failed"
            );
            failures += 1;
        }
        assert!(log.iter().filter(|done| done.call == Call::Write).count() > 2, "it was large");
    }
    println!("a large save, D2 D4: {failures} failures, 0 violations");
    assert!(failures > 8, "{failures}");
}
