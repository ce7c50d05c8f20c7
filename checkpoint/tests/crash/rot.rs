//! The medium holds something else than the cache shows.

use crate::bugs::at_each_sync;
use crate::keeper::{Keeper, path_of, state};
use crate::power::explore;
use crate::workloads::WORKLOADS;
use resus_checkpoint::{SaveError, newest_verified_with, peek_with, verify_from_disk_with, verify_with};
use resus_disk::Disk;
use resus_disk::faulty::{Call, Faulty, Meddled, Meddler, Plan};
use std::path::Path;
use std::sync::Arc;

const STEP: u64 = 7;
/// Where things are in a file that the keeper saves: `FORMAT.md`.
const HEADER_BYTES: usize = 80;
const PLACE_OF_META_BYTES: usize = 48;
const PLACE_OF_DATA_OFFSET: usize = 40;

fn saved() -> (Faulty, Vec<u8>) {
    let disk = WORKLOADS[0].begin();
    Keeper::of(&disk, None).save(STEP).unwrap();
    disk.settle(Plan::default());
    let bytes = disk.content(&path_of(STEP)).unwrap();
    (disk, bytes)
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// How many rotten bytes of that range the disk's verification does not see, of how many.
fn unseen(range: std::ops::Range<usize>) -> (usize, usize) {
    let (begin, _) = saved();
    let path = path_of(STEP);
    let mut unseen = 0;
    for at in range.clone() {
        let disk = begin.copy(Plan::default());
        disk.corrupt_medium(&path, |bytes| bytes[at] ^= 0x20).unwrap();
        assert!(verify_with(&disk, &path).is_ok(), "the cache is what a reader sees");
        unseen += usize::from(verify_from_disk_with(&disk, &path).is_ok());
        assert!(verify_with(&disk, &path).is_err(), "and now the medium: byte {at}");
    }
    (unseen, range.len())
}

#[test]
fn verification_from_the_disk_sees_what_rots_in_header_metadata_and_tables() {
    let (_, bytes) = saved();
    let meta_end = HEADER_BYTES + number(&bytes, PLACE_OF_META_BYTES);
    let data = number(&bytes, PLACE_OF_DATA_OFFSET);
    let parts =
        [("header", 0..HEADER_BYTES), ("metadata", HEADER_BYTES..meta_end), ("tables", meta_end..data)];
    for (part, range) in parts {
        let (unseen, tried) = unseen(range);
        println!("D8, rot under the cache, {part}: {tried} bytes, {unseen} unseen");
        assert_eq!(unseen, 0, "{part}");
        assert!(tried > 10, "{part}: {tried}");
    }
}

#[test]
fn verification_from_the_disk_sees_what_rots_in_data_and_digest() {
    let (_, bytes) = saved();
    let (unseen, tried) = unseen(number(&bytes, PLACE_OF_DATA_OFFSET)..bytes.len());
    println!("D8, rot under the cache, data: {tried} bytes, {unseen} unseen");
    assert_eq!(unseen, 0);
    assert!(tried > state(STEP).len(), "{tried}");
}

/// What a save has brought to disk is read from there before it gets its name.
#[test]
fn a_save_whose_medium_gets_a_byte_wrong_is_refused_and_leaves_nothing() {
    let (begin, bytes) = saved();
    let mut refused = 0;
    let log = {
        let disk = begin.copy(Plan::default());
        Keeper::of(&disk, None).save(STEP + 1).unwrap();
        disk.log()
    };
    let sync = log.iter().position(|operation| operation.call == Call::Sync).unwrap();
    for byte in (0..bytes.len()).step_by(7) {
        let disk = begin.copy(Plan::rot_after_sync(sync, byte));
        let saved = Keeper::of(&disk, None).save(STEP + 1);
        assert!(matches!(saved, Err(SaveError::ReadBack { .. })), "byte {byte}: {saved:?}");
        let left = disk.list(Path::new(crate::keeper::FOLDER), 1_000).unwrap();
        assert!(left.iter().all(|name| !name.as_encoded_bytes().starts_with(b".")), "{left:?}");
        refused += 1;
    }
    println!("D8, rot before the rename: {refused} saves refused, 0 violations");
    assert!(refused > 300, "{refused}");
}

#[test]
fn every_promise_holds_where_the_medium_gets_what_was_synced_wrong() {
    let (mut states, mut syncs) = (0, 0);
    for workload in &WORKLOADS {
        for plan in at_each_sync(workload, |n| Plan::rot_after_sync(n, 1000)) {
            let explored = explore(workload, plan, None);
            assert_eq!(explored.broken, None, "{}", workload.name);
            (states, syncs) = (states + explored.states, syncs + 1);
        }
    }
    println!("I4 I5 I6 I20 with rot after each of {syncs} syncs: {states} states, 0 violations");
    assert!(syncs > 10, "{syncs}");
}

/// Serves the file as it was written to whoever opens it first, and with one bit flipped from the
/// `opened`-th opening on.
#[derive(Debug)]
struct TwoFaced {
    opened: usize,
    at: u64,
}

impl Meddler for TwoFaced {
    fn after_read(&self, opened: usize, read: &mut [u8], offset: u64) {
        let place = self.at.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = place.and_then(|place| read.get_mut(place)).filter(|_| opened >= self.opened) {
            *byte ^= 4;
        }
    }
}

/// A search verifies and somebody loads later: that loading believes nothing of what the search found.
#[test]
fn what_verified_a_moment_ago_is_verified_again_when_it_is_loaded() {
    let (disk, bytes) = saved();
    // A search opens the only file twice, for its head and to read it; the third is the load.
    for (opened, chosen) in [(2, false), (3, true)] {
        for at in (0..bytes.len() as u64).step_by(5) {
            let disk = Meddled::new(Arc::new(disk.clone()), Arc::new(TwoFaced { opened, at }));
            let found = newest_verified_with(&disk, Path::new(crate::keeper::FOLDER), &[]).unwrap();
            assert_eq!(found.chosen.is_some(), chosen, "byte {at}, from opening {opened} on");
            if chosen {
                let loaded = crate::oracle::loads(&disk, &path_of(STEP));
                assert_eq!(loaded, Ok(None), "byte {at}: what was verified was another file");
            }
        }
    }
    println!("D8, intact to the search, damaged to the load: {} bytes, 0 accepted", bytes.len().div_ceil(5));
    assert!(peek_with(&disk, &path_of(STEP)).is_ok());
}
