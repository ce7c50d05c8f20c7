//! What a refusal says: where the damage is, or what the file is instead of a checkpoint.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

#[macro_use]
mod common;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use common::{GAMES, TIME, noise, save_sections, small_chunks, written};
use resus_checkpoint::{
    FLAG_SEALED, HEADER_BYTES, Header, Refusal, SaveOptions, load, load_at_most, peek, verify,
};
use tempfile::TempDir;

/// A section `notes` of 3 bytes and one `weights` of 16 KiB.
fn saved(folder: &Path) -> PathBuf {
    let bytes = noise(16 << 10);
    let sections = [section!("notes", &[b"abc"]), section!("weights", &[&bytes])];
    save_sections(&small_chunks(), folder, "game.prsm", &sections).path
}

/// What is said of that file after the byte at `offset` was changed.
fn said_of_byte(offset: impl Fn(usize) -> usize) -> (String, usize) {
    let folder = TempDir::new().unwrap();
    let path = saved(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let offset = offset(bytes.len());
    bytes[offset] ^= 4;
    (said(&written(folder.path(), &bytes)), offset)
}

fn said(path: &Path) -> String {
    let refusal = verify(path).unwrap_err().to_string();
    assert_eq!(load(path).unwrap_err().to_string(), refusal);
    refusal
}

/// A file of the older versions, unsealed, with the standard check value of CRC-32/IEEE.
fn foreign(version: u32, games: u64) -> Vec<u8> {
    let header = Header { version, flags: 0, crc: 0xcbf4_3926, games, unix_time: TIME };
    [&header.encode()[..], b"123456789"].concat()
}

#[test]
fn a_damaged_chunk_is_named_with_its_section_and_its_bytes() {
    // The last bytes are 16 chunks of 1 KiB and the digest.
    let (said, offset) = said_of_byte(|length| length - 32 - 12 * 1024 - 1);
    let (first, last) = (offset - 1023, offset);
    let begin = format!("chunk 3 of section \"weights\" (bytes {first}–{last}) is damaged: its checksum is ");
    assert!(said.starts_with(&begin), "{said}");
}

#[test]
fn of_several_damaged_chunks_the_first_is_named() {
    let folder = TempDir::new().unwrap();
    let bytes = noise(13 << 20);
    let sections = [section!("a", &[&bytes[..6 << 20]]), section!("b", &[&bytes[6 << 20..]])];
    let path = save_sections(&SaveOptions::default(), folder.path(), "a.prsm", &sections).path;
    let mut stored = fs::read(&path).unwrap();
    for place in [5 << 20, 9 << 20, 12 << 20] {
        stored[place] ^= 1;
    }
    assert!(said(&written(folder.path(), &stored)).starts_with("chunk 1 of section \"a\" (bytes 41"));
}

#[test]
fn damage_outside_of_the_data_is_told_by_its_place() {
    assert!(said_of_byte(|_| 20).0.starts_with("header is damaged: its checksum is "));
    assert!(said_of_byte(|_| 60).0.starts_with("header is damaged"));
    assert!(said_of_byte(|_| 100).0.starts_with("metadata or tables are damaged (bytes 80–"));
    let (said, offset) = said_of_byte(|length| length - 32 - 16 * 1024 - 10);
    assert_eq!(said, format!("byte {offset} lies between two sections and is not zero"));
    assert!(said_of_byte(|length| length - 1).0.starts_with("digest at the end is damaged: it is blake3:"));
}

#[test]
fn a_cut_and_a_longer_file_are_told_with_both_lengths() {
    let folder = TempDir::new().unwrap();
    let path = saved(folder.path());
    let length = fs::metadata(&path).unwrap().len();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length - 5).unwrap();
    assert_eq!(said(&path), format!("cut off: {} bytes of {length}", length - 5));
    assert!(peek(&path).is_err());
    file.set_len(length + 7).unwrap();
    assert_eq!(said(&path), format!("7 bytes too long: {} instead of {length}", length + 7));
    file.set_len(79).unwrap();
    assert_eq!(said(&path), "cut off within the header: 79 bytes of 80");
    file.set_len(31).unwrap();
    assert_eq!(said(&path), "cut off within the header: 31 bytes of 32");
}

#[test]
fn a_file_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    for (start, expected) in [
        (&b"GGUF"[..], "not a checkpoint: starts with \"GGUF\", not \"PRSM\"; it looks like a GGUF model"),
        (
            b"PK\x03\x04",
            "starts with \"PK\\x03\\x04\", not \"PRSM\"; it looks like a zip file, as torch.save",
        ),
        (b"\x80\x04\x95", "it looks like a Python pickle"),
        (b"who knows", "starts with \"who \", not \"PRSM\""),
        (b"PRSM\x09", "format version 9 is not one of the supported versions 1, 2 and 3"),
        (b"PRSM\x03\0\0\0\x10", "header has flags we do not know: 0x00000010"),
    ] {
        let path = written(folder.path(), &[start, &[0; 100]].concat());
        assert!(said(&path).contains(expected), "{}", said(&path));
    }
}

#[test]
fn a_changed_count_of_games_is_told_of_a_sealed_older_file() {
    let folder = TempDir::new().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v2-sealed.prsm");
    let mut bytes = fs::read(golden).unwrap();
    bytes[16..24].copy_from_slice(&9_999_u64.to_le_bytes());
    assert_eq!(
        said(&written(folder.path(), &bytes)),
        "header says 9999 games at 1795320826, but the payload was sealed with 4200 games at 1795320826"
    );
    bytes[16..24].copy_from_slice(&GAMES.to_le_bytes());
    bytes[8] = 0;
    assert_eq!(
        said(&written(folder.path(), &bytes)),
        "payload is sealed, but the header's flags say it is not"
    );
}

#[test]
fn a_damaged_payload_is_told_with_both_checksums() {
    let folder = TempDir::new().unwrap();
    let mut bytes = foreign(2, GAMES);
    bytes[12..16].copy_from_slice(&0x1b2c_3d4e_u32.to_le_bytes());
    assert_eq!(
        said(&written(folder.path(), &bytes)),
        "payload checksum cbf43926 does not match header 1b2c3d4e: damaged or cut off after 9 bytes"
    );
}

#[test]
fn a_sealed_header_over_less_than_a_seal_is_refused() {
    let folder = TempDir::new().unwrap();
    let header = Header { version: 2, flags: FLAG_SEALED, crc: 0xcbf4_3926, games: GAMES, unix_time: TIME };
    let path = written(folder.path(), &[&header.encode()[..], b"123456789"].concat());
    assert_eq!(said(&path), "header says sealed, but the payload has only 9 bytes");
}

#[test]
fn a_huge_empty_file_costs_no_memory() {
    let folder = TempDir::new().unwrap();
    let terabyte = |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    let old = written(folder.path(), &foreign(2, GAMES)[..HEADER_BYTES]);
    terabyte(&old);
    assert!(matches!(load_at_most(&old, 1 << 20), Err(Refusal::TooLarge { .. })));
    let new = saved(folder.path());
    terabyte(&new);
    assert!(matches!(load(&new), Err(Refusal::Trailing { .. })));
    assert!(matches!(verify(&new), Err(Refusal::Trailing { .. })));
}
