//! What happens to a checkpoint file after it was written, and whether we see it.

#[macro_use]
mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use common::memory::Memory;
use common::{noise, save_sections, small_chunks, sparse, written};
use resus_checkpoint::{
    Compression, Refusal, SaveOptions, load, load_at_most, load_with, verify, verify_with,
};
use tempfile::TempDir;

/// A file of about 64 KiB with some sixty chunks in three sections, one of them packed.
fn many_chunks(folder: &Path) -> PathBuf {
    let (a, b) = (noise(56_000), sparse(30_000));
    let sections = [
        section!("first", &[&a[..20_000]]),
        section!("packed", &[&b], Bytes, Compression::Zstd),
        section!("weights", &[&a[20_000..]]),
    ];
    save_sections(&small_chunks(), folder, "game.prsm", &sections).path
}

/// A disk in memory has one file, whatever it is called.
fn any() -> &'static Path {
    Path::new("any")
}

fn refusal(path: &Path) -> Refusal {
    let refusal = verify(path).expect_err("the damage was not seen");
    assert!(load(path).is_err(), "verify refuses with \"{refusal}\" what load takes");
    refusal
}

#[test]
fn every_single_flipped_bit_is_seen() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(many_chunks(folder.path())).unwrap();
    assert!((65_536..66_560).contains(&bytes.len()), "{} bytes", bytes.len());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let disk = Memory::new(bytes.clone());
            let bits = (0..bytes.len() * 8).filter(move |bit| bit % 2 == half);
            scope.spawn(move || {
                for bit in bits {
                    disk.flip(bit);
                    assert!(
                        verify_with(&disk, any()).is_err(),
                        "bit {} of byte {} was flipped unseen",
                        bit % 8,
                        bit / 8
                    );
                    disk.flip(bit);
                }
                verify_with(&disk, any()).unwrap();
            });
        }
    });
}

#[test]
fn a_flipped_bit_is_never_loaded() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(many_chunks(folder.path())).unwrap();
    let disk = Memory::new(bytes.clone());
    for bit in (0..bytes.len() * 8).step_by(11) {
        disk.flip(bit);
        assert!(load_with(&disk, any(), u64::MAX).is_err(), "bit {} of byte {} was loaded", bit % 8, bit / 8);
        disk.flip(bit);
    }
    load_with(&disk, any(), u64::MAX).unwrap();
}

#[test]
fn every_truncation_is_seen() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(many_chunks(folder.path())).unwrap();
    let (whole, disk) = (bytes.len() as u64, Memory::new(bytes));
    for length in (0..whole).rev() {
        disk.truncate(length as usize);
        match verify_with(&disk, any()).unwrap_err() {
            Refusal::Truncated { expected, found } => assert_eq!((expected, found), (whole, length)),
            Refusal::ShortHeader { found, .. } => assert!(found == length && length < 80),
            refusal => panic!("{length} bytes: {refusal}"),
        }
    }
}

#[test]
fn bytes_behind_the_end_are_seen() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(many_chunks(folder.path())).unwrap();
    for tail in [&b"\0"[..], b"\n", &[0; 512], &bytes] {
        let path = written(folder.path(), &[&bytes, tail].concat());
        assert!(matches!(refusal(&path), Refusal::Trailing { .. }));
    }
}

#[test]
fn random_bits_of_a_file_with_many_slabs_are_seen() {
    let folder = TempDir::new().unwrap();
    let bytes = noise(16 << 20);
    let options = SaveOptions { chunk_bytes: 1 << 20, ..SaveOptions::default() };
    let sections = [section!("a", &[&bytes[..5_000_000]]), section!("b", &[&bytes[5_000_000..]])];
    let path = save_sections(&options, folder.path(), "game.prsm", &sections).path;
    let stored = fs::read(&path).unwrap();
    let disk = Memory::new(stored.clone());
    let mut bit = 0_usize;
    for n in 0..500_usize {
        bit = (bit + 7_919 * (n + 1) * 97) % (stored.len() * 8);
        disk.flip(bit);
        assert!(verify_with(&disk, any()).is_err(), "bit {} of byte {} was flipped unseen", bit % 8, bit / 8);
        disk.flip(bit);
    }
    verify_with(&disk, any()).unwrap();
}

/// The same on a real disk, for a few.
#[test]
fn bits_that_are_flipped_on_disk_are_seen() {
    let folder = TempDir::new().unwrap();
    let path = many_chunks(folder.path());
    let bytes = fs::read(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for offset in (0..bytes.len()).step_by(997) {
        file.write_all_at(&[bytes[offset] ^ 0x10], offset as u64).unwrap();
        refusal(&path);
        file.write_all_at(&bytes[offset..=offset], offset as u64).unwrap();
    }
    load(&path).unwrap();
}

#[test]
fn a_link_a_folder_and_a_pipe_are_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("link.prsm");
    symlink(many_chunks(folder.path()), &link).unwrap();
    assert!(matches!(refusal(&link), Refusal::SymbolicLink));
    assert!(matches!(refusal(folder.path()), Refusal::NotAFile));
    let pipe = folder.path().join("pipe.prsm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    assert!(matches!(refusal(&pipe), Refusal::NotAFile));
}

#[test]
fn a_file_larger_than_its_reader_allows_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = many_chunks(folder.path());
    assert!(matches!(load_at_most(&path, 85_999), Err(Refusal::TooLarge { limit: 85_999 })));
    assert_eq!(load_at_most(&path, 86_000).unwrap().sections.len(), 3);
}
