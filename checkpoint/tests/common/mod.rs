//! What the tests of this crate share.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]
#![expect(dead_code, reason = "each test file uses some of it")]

pub mod memory;

use std::fs;
use std::path::{Path, PathBuf};

use resus_checkpoint::{Draft, Meta, SaveOptions, Saved, Section, save_with};

pub const GAMES: u64 = 4_200;
pub const TIME: i64 = 1_795_320_826;

/// Bytes without a pattern, always the same.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Bytes that can be packed to about a quarter.
pub fn sparse(count: usize) -> Vec<u8> {
    noise(count).into_iter().enumerate().map(|(n, byte)| if n / 16 % 4 == 0 { byte } else { 0 }).collect()
}

/// A section; a macro, so that what it borrows lives as long as it does.
macro_rules! section {
    ($name:expr, $parts:expr) => {
        section!($name, $parts, Bytes, resus_checkpoint::Compression::None)
    };
    ($name:expr, $parts:expr, $element:ident, $compression:expr) => {
        resus_checkpoint::Section {
            name: $name,
            element: resus_checkpoint::Element::$element,
            parts: $parts,
            compression: $compression,
        }
    };
}
/// Small chunks, so that small files have many.
pub fn small_chunks() -> SaveOptions {
    SaveOptions { chunk_bytes: 1024, ..SaveOptions::default() }
}

pub fn save_sections(options: &SaveOptions, folder: &Path, name: &str, sections: &[Section<'_>]) -> Saved {
    let meta = Meta { step: GAMES, writer: "tests".to_owned(), ..Meta::default() };
    let draft = Draft { games: GAMES, unix_time: TIME, meta: &meta, sections };
    save_with(options, folder, name, &draft).unwrap()
}

/// A checkpoint whose only section is `bytes`.
pub fn save_bytes(folder: &Path, name: &str, games: u64, bytes: &[u8]) -> Saved {
    let draft =
        Draft { games, unix_time: TIME, meta: &Meta::default(), sections: &[section!("state", &[bytes])] };
    save_with(&SaveOptions::default(), folder, name, &draft).unwrap()
}

pub fn written(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("written.prsm");
    fs::write(&path, bytes).unwrap();
    path
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
