//! Damage that the disk does by itself, and readers that look less closely than they should.

use crate::keeper::{Keeper, path_of, state};
use resus_checkpoint::{load_with, peek_with, verify_with};
use resus_disk::Disk;
use resus_disk::faulty::Faulty;
use std::path::Path;

/// A reader's verdict: whether it would go on from that file.
type Reader = fn(&dyn Disk, &Path) -> bool;

const STEP: u64 = 7;

fn disk() -> (Faulty, Vec<u8>) {
    let begin = crate::workloads::WORKLOADS[0].begin();
    Keeper::of(&begin, None).save(STEP).unwrap();
    begin.settle(resus_disk::faulty::Plan::default());
    let bytes = begin.content(&path_of(STEP)).unwrap();
    (begin, bytes)
}

/// How many damaged versions of a checkpoint the reader accepts, of how many: every bit flipped, and
/// every shorter length.
fn accepted(reader: Reader) -> (usize, usize) {
    let (disk, whole) = disk();
    let path = path_of(STEP);
    let (mut tried, mut accepted) = (0, 0);
    let mut examine = |bytes: Vec<u8>| {
        disk.corrupt(&path, |content| *content = bytes).unwrap();
        tried += 1;
        accepted += usize::from(reader(&disk, &path));
    };
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        examine(bytes);
    }
    for length in 0..whole.len() {
        examine(whole[..length].to_vec());
    }
    examine([&whole[..], &[0]].concat());
    (accepted, tried)
}

fn verifies(disk: &dyn Disk, path: &Path) -> bool {
    verify_with(disk, path).is_ok()
}

fn loads(disk: &dyn Disk, path: &Path) -> bool {
    load_with(disk, path, u64::MAX).is_ok()
}

/// Believes the size and the first bytes.
fn looks_at_the_size(disk: &dyn Disk, path: &Path) -> bool {
    let Ok(file) = disk.open(path) else { return false };
    let mut magic = [0; 4];
    let begins = file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"PRSM";
    begins && file.entry().is_ok_and(|entry| entry.size > state(STEP).len() as u64)
}

/// Checks the head as it should, and nothing behind it.
fn checks_the_head(disk: &dyn Disk, path: &Path) -> bool {
    peek_with(disk, path).is_ok()
}

#[test]
fn no_flipped_bit_and_no_cut_is_accepted() {
    for (reader, name) in [(verifies as Reader, "verify"), (loads, "load")] {
        let (accepted, tried) = accepted(reader);
        println!("D8 D9, {name}: {tried} damaged versions, {accepted} accepted");
        assert_eq!(accepted, 0, "{name}");
        assert!(tried > 8 * 1100, "{tried}");
    }
}

/// Planted bugs of readers; the same trials must see them.
#[test]
fn a_reader_that_skips_checks_is_found_out() {
    println!("planted bug | caught by | states");
    for (reader, name) in [
        (looks_at_the_size as Reader, "load skips the digest and every checksum"),
        (checks_the_head, "digest over the header only"),
    ] {
        let (accepted, tried) = accepted(reader);
        println!("{name} | I4: {accepted} damaged versions are accepted | {tried}");
        assert!(accepted > 0, "{name} went uncaught");
    }
}
