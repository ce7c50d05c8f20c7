//! Whatever bytes a file has, reading it ends with an answer, and takes no more memory than the file is
//! long and a fixed amount. One test in a process of its own, because it limits the process's memory.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

#[macro_use]
mod common;

use std::fs;
use std::path::Path;

use common::memory::Memory;
use common::{save_sections, small_chunks, sparse, written};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use resus_checkpoint::{
    Compression, Refusal, SaveOptions, compare, load, load_at_most, load_with, peek, peek_with, verify,
    verify_with,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// What the process may have beyond what it has: thread stacks and the allocator's own reserve count, too.
const SPARE_BYTES: u64 = 768 << 20;

#[test]
fn reading_ends_with_an_answer_and_takes_no_memory_that_is_only_claimed() {
    small_files_need_no_pool();
    limit_memory();
    a_terabyte_of_nothing_is_refused();
    a_small_file_that_unpacks_to_two_gigabytes_is_verified_and_refused();
    arbitrary_bytes_are_refused();
    files_with_changed_bytes_and_right_checksums_are_read_or_refused();
}

/// A pool, once built, stays for the life of the process.
fn small_files_need_no_pool() {
    let folder = TempDir::new().unwrap();
    let bytes = sparse(2_000_000);
    let sections = [section!("a", &[&bytes], U8, Compression::Lz4), section!("b", &[&bytes])];
    let path = save_sections(&small_chunks(), folder.path(), "a.prsm", &sections).path;
    load(&path).unwrap();
    verify(&path).unwrap();
    assert!(compare(&path, &path).unwrap().is_same());
    // Would fail if there was one.
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
}

fn limit_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    let kibibytes: u64 = size.split_whitespace().nth(1).unwrap().parse().unwrap();
    let current = kibibytes * 1024 + SPARE_BYTES;
    let Rlimit { maximum, .. } = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(current), maximum }).unwrap();
}

fn a_small_file_that_unpacks_to_two_gigabytes_is_verified_and_refused() {
    let folder = TempDir::new().unwrap();
    let zeros = vec![0; 4 << 20];
    let parts: Vec<&[u8]> = vec![&zeros; 512];
    let sections = [section!("bomb", &parts, F32, Compression::Zstd)];
    let saved = save_sections(&SaveOptions::default(), folder.path(), "a.prsm", &sections);
    assert!(saved.size_bytes < 1 << 20, "{} bytes", saved.size_bytes);
    verify(&saved.path).unwrap();
    assert!(matches!(load_at_most(&saved.path, 1 << 30), Err(Refusal::TooLarge { .. })));
    assert!(matches!(load(&saved.path), Err(Refusal::OutOfMemory { .. })));
}

/// A file whose tables are right, of 65,536 chunks that were never written.
fn a_terabyte_of_nothing_is_refused() {
    let (chunks, chunk_bytes) = (65_536_u32, 16_u32 << 20);
    let data_bytes = u64::from(chunks) * u64::from(chunk_bytes);
    let meta = [1, 0, 0, 0, 0, 0];
    let mut tables = meta.to_vec();
    let data_offset = (80 + meta.len() as u64 + 33 + u64::from(chunks) * 8).next_multiple_of(64);
    tables.extend([0, 0, 1, 0]);
    tables.extend(chunks.to_le_bytes());
    [data_bytes, data_bytes, data_offset].iter().for_each(|long| tables.extend(long.to_le_bytes()));
    tables.push(b'a');
    (0..chunks).for_each(|_| tables.extend([chunk_bytes.to_le_bytes(), [0; 4]].concat()));
    tables.resize(data_offset as usize - 80, 0);
    let mut start = b"PRSM\x03\0\0\0\x02\0\0\0".to_vec();
    start.extend([0; 20]);
    let file_bytes = data_offset + data_bytes + 32;
    [file_bytes, data_offset].iter().for_each(|long| start.extend(long.to_le_bytes()));
    [6, 33, 1, chunks, chunk_bytes, 0, crc32fast::hash(&tables)]
        .iter()
        .for_each(|number| start.extend(number.to_le_bytes()));
    start.extend(crc32fast::hash(&start).to_le_bytes());
    let folder = TempDir::new().unwrap();
    let path = written(folder.path(), &[start, tables].concat());
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(file_bytes).unwrap();
    peek(&path).unwrap();
    assert!(matches!(load_at_most(&path, 1 << 30), Err(Refusal::TooLarge { .. })));
    assert!(matches!(load(&path), Err(Refusal::OutOfMemory { .. })));
}

/// Reads the file in all ways.
fn read(bytes: &[u8]) -> Result<(), Refusal> {
    let (disk, any) = (Memory::new(bytes.to_vec()), Path::new("any"));
    let loaded = load_with(&disk, any, 1 << 30);
    let verified = verify_with(&disk, any);
    let peeked = peek_with(&disk, any);
    assert_eq!(loaded.is_ok(), verified.is_ok(), "{:?} {:?}", loaded.err(), verified.err());
    assert!(peeked.is_ok() || verified.is_err());
    verified.map(drop)
}

fn arbitrary_bytes_are_refused() {
    let start = prop_oneof![
        Just(Vec::new()),
        (1..4_u8, 0..4_u8)
            .prop_map(|(version, flags)| [b"PRSM", &[version, 0, 0, 0, flags, 0, 0, 0][..]].concat()),
    ];
    let bytes =
        (start, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(start, rest)| [start, rest].concat());
    let refuse = |bytes: Vec<u8>| {
        prop_assert!(read(&bytes).is_err());
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(5000)).run(&bytes, refuse).unwrap();
}

/// Numbers that are likely to be believed, or to overflow.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..5_u64,
        (0..64_u32).prop_map(|bits| 1 << bits),
        (0..64_u32).prop_map(|bits| u64::MAX >> bits)
    ]
}

/// Changes up to three places of the head to any number, and makes all checksums of the head right again.
fn files_with_changed_bytes_and_right_checksums_are_read_or_refused() {
    let folder = TempDir::new().unwrap();
    let bytes = sparse(9000);
    let sections = [
        section!("a", &[&bytes[..4096]], F32, Compression::Lz4),
        section!("b", &[&bytes[..3000]]),
        section!("c", &[&bytes], U8, Compression::Zstd),
    ];
    let path = save_sections(&small_chunks(), folder.path(), "a.prsm", &sections).path;
    let whole = fs::read(path).unwrap();
    let data_offset = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
    let changes =
        prop::collection::vec((4..data_offset, prop_oneof![Just(1_usize), Just(4), Just(8)], number()), 1..4);
    let accept = |changes: Vec<(usize, usize, u64)>| {
        let mut bytes = whole.clone();
        for (at, width, number) in changes {
            let width = width.min(data_offset - at);
            bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
        let tables_crc = crc32fast::hash(&bytes[80..data_offset]);
        bytes[72..76].copy_from_slice(&tables_crc.to_le_bytes());
        let header_crc = crc32fast::hash(&bytes[..76]);
        bytes[76..80].copy_from_slice(&header_crc.to_le_bytes());
        let length = bytes.len();
        let digest = blake3::hash(&bytes[..length - 32]);
        bytes[length - 32..].copy_from_slice(digest.as_bytes());
        drop(read(&bytes));
        Ok(())
    };
    read(&whole).unwrap();
    TestRunner::new(ProptestConfig::with_cases(5000)).run(&changes, accept).unwrap();
}
