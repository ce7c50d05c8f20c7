//! Damage that the disk does by itself, and files in which all checks but one were made right again, so
//! that only that one can refuse them: a reader that skipped it would be found out here.

use crate::keeper::{Keeper, path_of, state};
use crate::oracle;
use resus_checkpoint::{Refusal, load_with, verify_with};
use resus_disk::Disk;
use resus_disk::faulty::{Faulty, Plan};
use std::ops::Range;
use std::path::Path;

/// Reads a file as it should be read; why not, if it is refused.
type Reader = fn(&dyn Disk, &Path) -> Result<(), Refusal>;

const READERS: [(Reader, &str); 2] = [(verify, "verify"), (load, "load")];
const STEP: u64 = 7;
/// The chunks that the keeper saves in.
const CHUNK_BYTES: usize = 512;
const DIGEST_BYTES: usize = 32;

fn verify(disk: &dyn Disk, path: &Path) -> Result<(), Refusal> {
    verify_with(disk, path).map(drop)
}

/// What is accepted must also be the right numbers.
fn load(disk: &dyn Disk, path: &Path) -> Result<(), Refusal> {
    load_with(disk, path, u64::MAX).map(|_| assert_eq!(oracle::loads(disk, path), Ok(Some(STEP))))
}

fn disk() -> (Faulty, Vec<u8>) {
    let begin = crate::workloads::WORKLOADS[0].begin();
    Keeper::of(&begin, None).save(STEP).unwrap();
    begin.settle(Plan::default());
    let bytes = begin.content(&path_of(STEP)).unwrap();
    (begin, bytes)
}

#[test]
fn no_flipped_bit_and_no_cut_is_accepted() {
    for (reader, name) in READERS {
        let (disk, whole) = disk();
        let path = path_of(STEP);
        assert!(reader(&disk, &path).is_ok(), "{name}: the whole file");
        let mut tried = 0;
        let mut examine = |bytes: Vec<u8>, what: &str, at: usize| {
            disk.corrupt(&path, |content| *content = bytes).unwrap();
            tried += 1;
            assert!(reader(&disk, &path).is_err(), "{name} accepts it: {what} {at}");
        };
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            examine(bytes, "bit", bit);
        }
        for length in 0..whole.len() {
            examine(whole[..length].to_vec(), "length", length);
        }
        examine([&whole[..], &[0]].concat(), "length", whole.len() + 1);
        println!("D8 D9, {name}: {tried} damaged versions, 0 accepted");
        assert!(tried > 8 * 1100, "{tried}");
    }
}

/// Where the checks of a file stand, as `FORMAT.md` has it: one section, nothing packed.
struct Places {
    chunk_table: usize,
    data: Range<usize>,
    digest: usize,
}

impl Places {
    fn of(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (data, digest) = (number(40), bytes.len() - DIGEST_BYTES);
        let places = Self { chunk_table: 80 + number(48) + number(52), data: data..digest, digest };
        assert_eq!(&bytes[places.data.clone()], &state(STEP), "the data is where it is looked for");
        places
    }
}

fn put_crc(bytes: &mut [u8], range: Range<usize>, at: usize) {
    let crc = crc32fast::hash(&bytes[range]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Makes the checksum of every chunk right.
fn right_chunks(bytes: &mut [u8], places: &Places) {
    for (index, begin) in places.data.clone().step_by(CHUNK_BYTES).enumerate() {
        let end = (begin + CHUNK_BYTES).min(places.data.end);
        put_crc(bytes, begin..end, places.chunk_table + 8 * index + 4);
    }
    put_crc(bytes, places.data.clone(), 12);
}

/// Makes the checksums of tables and header right, in this order.
fn right_head(bytes: &mut [u8], places: &Places) {
    put_crc(bytes, 80..places.data.start, 72);
    put_crc(bytes, 0..76, 76);
}

fn right_digest(bytes: &mut [u8], places: &Places) {
    let digest = blake3::hash(&bytes[..places.digest]);
    bytes[places.digest..].copy_from_slice(digest.as_bytes());
}

/// Damages each byte of the data and lets `repair` make right what it wants: every reader must refuse it as
/// `expected`. How many readings.
fn each_damage(repair: fn(&mut [u8], &Places), expected: fn(&Refusal) -> bool) -> usize {
    let (disk, whole) = disk();
    let (places, path) = (Places::of(&whole), path_of(STEP));
    let mut tried = 0;
    for at in places.data.clone() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        repair(&mut bytes, &places);
        disk.corrupt(&path, |content| *content = bytes).unwrap();
        for (reader, name) in READERS {
            let read = reader(&disk, &path);
            assert!(read.as_ref().is_err_and(expected), "{name}, byte {at}: {read:?}");
            tried += 1;
        }
    }
    tried
}

/// Every checksum is right: a reader that takes them for enough, or whose digest is over the head alone,
/// accepts all of these.
#[test]
fn the_digest_alone_refuses_what_all_checksums_pass() {
    let repair = |bytes: &mut [u8], places: &Places| {
        right_chunks(bytes, places);
        right_head(bytes, places);
    };
    let tried = each_damage(repair, |refusal| matches!(refusal, Refusal::Digest { .. }));
    println!("D8, only the digest is wrong: {tried} damaged versions, 0 accepted");
    assert!(tried > 4000, "{tried}");
    // The damage is repaired so well that with the digest nothing is left to be refused.
    let (disk, mut bytes) = disk();
    let places = Places::of(&bytes);
    bytes[places.data.start] ^= 1;
    repair(&mut bytes, &places);
    right_digest(&mut bytes, &places);
    disk.corrupt(&path_of(STEP), |content| *content = bytes).unwrap();
    assert!(verify(&disk, &path_of(STEP)).is_ok());
    assert!(oracle::loads(&disk, &path_of(STEP)).is_err(), "and the comparison of the numbers sees it");
}

#[test]
fn the_checksum_of_a_chunk_alone_refuses_what_the_digest_passes() {
    let tried = each_damage(right_digest, |refusal| matches!(refusal, Refusal::Chunk { .. }));
    println!("D8, only a chunk's checksum is wrong: {tried} damaged versions, 0 accepted");
    assert!(tried > 4000, "{tried}");
}

/// Header and tables, with a digest that is right: their own checksums refuse.
#[test]
fn the_checksums_of_the_head_alone_refuse_what_the_digest_passes() {
    let (disk, whole) = disk();
    let (places, path) = (Places::of(&whole), path_of(STEP));
    let mut tried = 0;
    for bit in 0..places.data.start * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        right_digest(&mut bytes, &places);
        disk.corrupt(&path, |content| *content = bytes).unwrap();
        for (reader, name) in READERS {
            assert!(reader(&disk, &path).is_err(), "{name} accepts it: bit {bit}");
            tried += 1;
        }
    }
    println!("D8, head damaged, digest right: {tried} damaged versions, 0 accepted");
}
