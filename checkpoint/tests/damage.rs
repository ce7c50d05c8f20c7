//! What happens to a checkpoint file after it was written, and whether we see it.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use resus_checkpoint::{FLAG_SEALED, HEADER_BYTES, Header, Refusal, read, read_at_most, save, verify};
use tempfile::TempDir;

const GAMES: u64 = 4_200;
const TIME: i64 = 1_795_320_826;

/// A sealed file with 1 KiB of payload.
fn saved(folder: &TempDir) -> PathBuf {
    let payload: Vec<u8> = (0..1024_u32).map(|n| (n * 7 % 251) as u8).collect();
    save(folder.path(), "game.prsm", GAMES, TIME, &[&payload]).unwrap().path
}

/// An unsealed file, as other programs write it, with the standard check value of CRC-32/IEEE.
fn foreign(version: u32, games: u64) -> Vec<u8> {
    let header = Header { version, flags: 0, crc: 0xcbf4_3926, games, unix_time: TIME };
    [&header.encode()[..], b"123456789"].concat()
}

fn written(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("written.prsm");
    fs::write(&path, bytes).unwrap();
    path
}

fn refusal(path: &Path) -> Refusal {
    let refusal = verify(path).expect_err("the damage was not seen");
    assert!(read(path).is_err(), "verify refuses with \"{refusal}\" what read takes");
    refusal
}

#[test]
fn every_single_flipped_bit_is_seen() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder);
    let bytes = fs::read(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        let (offset, mask) = (bit / 8, 1 << (bit % 8));
        file.write_all_at(&[bytes[offset] ^ mask], offset as u64).unwrap();
        assert!(verify(&path).is_err(), "bit {} of byte {offset} was flipped unseen", bit % 8);
        file.write_all_at(&bytes[offset..=offset], offset as u64).unwrap();
    }
    assert_eq!(verify(&path).unwrap().size_bytes, bytes.len() as u64);
}

#[test]
fn every_truncation_is_seen() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for length in (0..fs::metadata(&path).unwrap().len()).rev() {
        file.set_len(length).unwrap();
        assert!(verify(&path).is_err(), "{length} bytes were taken for a whole file");
    }
}

#[test]
fn bytes_behind_the_end_are_seen() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(saved(&folder)).unwrap();
    for tail in [&b"\0"[..], b"\n", &[0; 512], &bytes] {
        let path = written(&folder, &[&bytes, tail].concat());
        assert!(matches!(refusal(&path), Refusal::Checksum { .. }));
    }
}

#[test]
fn a_changed_count_of_games_is_seen_in_a_sealed_file() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&9_999_u64.to_le_bytes(), 16).unwrap();
    assert_eq!(
        refusal(&path).to_string(),
        "header says 9999 games at 1795320826, but the payload was sealed with 4200 games at 1795320826"
    );
}

#[test]
fn a_damaged_payload_is_told_with_both_checksums() {
    let folder = TempDir::new().unwrap();
    let mut bytes = foreign(2, GAMES);
    bytes[12..16].copy_from_slice(&0x1b2c_3d4e_u32.to_le_bytes());
    assert_eq!(
        refusal(&written(&folder, &bytes)).to_string(),
        "payload checksum cbf43926 does not match header 1b2c3d4e: damaged or cut off after 9 bytes"
    );
}

#[test]
fn a_file_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let refused = refusal(&written(&folder, &[b"GGUF", &[0; 64][..]].concat()));
    assert_eq!(refused.to_string(), "not a checkpoint: starts with \"GGUF\", not \"PRSM\"");
}

#[test]
fn a_sealed_header_over_less_than_a_seal_is_refused() {
    let folder = TempDir::new().unwrap();
    let header = Header { version: 2, flags: FLAG_SEALED, crc: 0xcbf4_3926, games: GAMES, unix_time: TIME };
    let path = written(&folder, &[&header.encode()[..], b"123456789"].concat());
    assert!(matches!(refusal(&path), Refusal::SealMissing { payload_bytes: 9 }));
}

#[test]
fn unsealed_files_of_both_versions_are_read() {
    let folder = TempDir::new().unwrap();
    for version in [1, 2] {
        let path = written(&folder, &foreign(version, GAMES));
        let (header, payload) = read(&path).unwrap();
        assert_eq!((header.version, header.games, header.is_sealed()), (version, GAMES, false));
        assert_eq!(payload, b"123456789");
        assert_eq!(verify(&path).unwrap().header, header);
    }
}

#[test]
fn a_link_a_folder_and_a_pipe_are_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("link.prsm");
    symlink(saved(&folder), &link).unwrap();
    assert!(matches!(refusal(&link), Refusal::SymbolicLink));
    assert!(matches!(refusal(folder.path()), Refusal::NotAFile));
    let pipe = folder.path().join("pipe.prsm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    assert!(matches!(refusal(&pipe), Refusal::NotAFile));
}

#[test]
fn a_file_larger_than_its_reader_allows_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, &foreign(2, GAMES));
    assert!(matches!(read_at_most(&path, 8), Err(Refusal::TooLarge { limit: 8 })));
    assert_eq!(read_at_most(&path, 9).unwrap().1, b"123456789");
}

#[test]
fn a_huge_empty_file_costs_no_memory() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, &foreign(2, GAMES)[..HEADER_BYTES]);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(read_at_most(&path, 1 << 20), Err(Refusal::TooLarge { .. })));
}
