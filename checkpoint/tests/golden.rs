//! Files that an independent program wrote after FORMAT.md (`testdata/make_golden.py`), and the pictures
//! on that page.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

#[macro_use]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::memory::Memory;
use common::{GAMES, TIME, noise};
use resus_checkpoint::{
    Checkpoint, Compression, Draft, Element, Health, Meta, PAYLOAD, Refusal, SaveOptions, load, load_at_most,
    load_with, save_with, verify, verify_with,
};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(format!("{name}.prsm"))
}

fn whole(name: &str) -> Checkpoint {
    let loaded = load(&golden(name)).unwrap();
    assert_eq!((loaded.header.games, loaded.header.unix_time), (GAMES, TIME));
    let verified = verify(&golden(name)).unwrap();
    assert_eq!((verified.header, &verified.meta), (loaded.header, &loaded.meta));
    assert_eq!((&verified.digest, verified.size_bytes), (&loaded.digest, loaded.size_bytes));
    loaded
}

/// The state that most of the files hold.
fn numbers() -> Vec<u8> {
    (0..300).flat_map(|n| (n as f32 / 8.0 - 3.0).to_le_bytes()).collect()
}

/// What the file `v3` holds.
fn known_meta() -> Meta {
    Meta {
        step: 70_000,
        epoch: Some(1.5),
        health: Health::Finite,
        metrics: BTreeMap::from([("loss".to_owned(), 0.25), ("accuracy".to_owned(), 0.5)]),
        writer: "golden 1.0".to_owned(),
    }
}

#[test]
fn every_kind_of_the_older_versions_is_read() {
    for (name, version, sealed, packed) in [
        ("v1", 1, false, false),
        ("v2", 2, false, false),
        ("v2-sealed", 2, true, false),
        ("v2-gzip", 2, false, true),
        ("v2-gzip-sealed", 2, true, true),
        ("v2-zlib", 2, false, true),
        ("v2-deflate", 2, false, true),
    ] {
        let loaded = whole(name);
        let header = loaded.header;
        assert_eq!((header.version, header.is_sealed(), header.is_compressed()), (version, sealed, packed));
        assert_eq!(loaded.digest, format!("crc32:{:08x}", header.crc));
        assert_eq!((loaded.meta, loaded.sections.len()), (None, 1));
        assert_eq!((loaded.sections[0].name.as_str(), loaded.sections[0].element), (PAYLOAD, Element::Bytes));
        assert!(loaded.sections[0].bytes == numbers(), "{name}");
        assert!(load_at_most(&golden(name), 1200).is_ok(), "{name}");
        let refused = load_at_most(&golden(name), 1199);
        assert!(matches!(refused, Err(Refusal::TooLarge { limit: 1199 })), "{name}");
    }
}

#[test]
fn a_stored_file_is_byte_for_byte_that_of_the_format() {
    let loaded = whole("v3");
    assert_eq!(loaded.meta, Some(known_meta()));
    assert_eq!(
        loaded.section("weights").unwrap().bytes,
        [1.0_f32.to_le_bytes(), (-2.5_f32).to_le_bytes()].concat()
    );
    assert_eq!(loaded.section("notes").unwrap().bytes, b"hello");
    let folder = TempDir::new().unwrap();
    let (one, two) = (1.0_f32.to_le_bytes(), (-2.5_f32).to_le_bytes());
    let sections =
        [section!("weights", &[&one, &two], F32, Compression::None), section!("notes", &[b"hel", b"lo"])];
    let draft = Draft { games: GAMES, unix_time: TIME, meta: &known_meta(), sections: &sections };
    let saved = save_with(&SaveOptions::default(), folder.path(), "a.prsm", &draft).unwrap();
    assert_eq!(saved.digest, loaded.digest);
    assert_eq!(fs::read(saved.path).unwrap(), fs::read(golden("v3")).unwrap());
}

#[test]
fn chunks_empty_sections_and_padding_are_where_the_format_says() {
    let loaded = whole("v3-chunks");
    let state = numbers();
    let sections = [
        section!("a", &[&state], F32, Compression::None),
        section!("empty", &[]),
        section!("b", &[&state[..777]], U8, Compression::None),
    ];
    assert!(
        loaded.sections.iter().zip(&sections).all(|(loaded, saved)| loaded.bytes == saved.parts.concat())
    );
    let folder = TempDir::new().unwrap();
    let draft = Draft { games: GAMES, unix_time: TIME, meta: &known_meta(), sections: &sections };
    let options = SaveOptions { chunk_bytes: 512, ..SaveOptions::default() };
    let saved = save_with(&options, folder.path(), "a.prsm", &draft).unwrap();
    assert_eq!(fs::read(saved.path).unwrap(), fs::read(golden("v3-chunks")).unwrap());
}

#[test]
fn each_compression_is_read() {
    let expected = [&[b'A'; 512][..], &numbers()[..512], &[0; 512], b"end"].concat();
    for name in ["v3-lz4", "v3-zstd"] {
        let loaded = whole(name);
        assert!(loaded.header.is_compressed());
        assert!(loaded.sections[0].bytes == expected, "{name}");
    }
    assert_eq!(whole("v3-zstd").meta.unwrap().health, Health::NotFinite);
}

/// The rows of hexadecimal digits on the page, below the heading `title`.
fn drawn(title: &str) -> Vec<u8> {
    let page = include_str!("../FORMAT.md");
    let rows = page.split_once(title).unwrap().1.lines().skip_while(|line| !line.starts_with("0000"));
    rows.take_while(|line| line.starts_with("0000"))
        .flat_map(|row| row[8..].split('|').next().unwrap().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn the_pictures_in_the_format_page_are_files() {
    assert_eq!(drawn("A whole file of version 3"), fs::read(golden("v3")).unwrap());
    let folder = TempDir::new().unwrap();
    let path = common::written(folder.path(), &drawn("A whole file of version 2"));
    let loaded = load(&path).unwrap();
    assert_eq!((loaded.header.games, loaded.header.unix_time), (1, 2));
    assert_eq!(loaded.sections[0].bytes, b"123456789");
}

#[test]
fn every_flipped_bit_of_a_sealed_or_packed_older_file_is_seen() {
    for (name, protected_from) in [("v2-sealed", 0), ("v2-gzip", 32), ("v2-zlib", 32), ("v2-deflate", 32)] {
        let bytes = fs::read(golden(name)).unwrap();
        let disk = Memory::new(bytes.clone());
        for bit in protected_from * 8..bytes.len() * 8 {
            disk.flip(bit);
            let any = Path::new("any");
            assert!(
                verify_with(&disk, any).is_err() && load_with(&disk, any, u64::MAX).is_err(),
                "{name}: bit {bit}"
            );
            disk.flip(bit);
        }
    }
}

#[test]
fn a_packed_payload_that_is_garbage_or_goes_on_is_refused() {
    let folder = TempDir::new().unwrap();
    let gzip = fs::read(golden("v2-gzip")).unwrap();
    let zlib = fs::read(golden("v2-zlib")).unwrap();
    let garbage = noise(100);
    for payload in [&gzip[32..gzip.len() - 1], &[&zlib[32..], b"x"].concat(), &garbage, &[0x1f, 0x8b], b""] {
        let crc = crc32fast::hash(payload);
        let bytes = [&gzip[..12], &crc.to_le_bytes(), &gzip[16..32], payload].concat();
        let path = common::written(folder.path(), &bytes);
        let refusal = verify(&path).unwrap_err();
        assert!(matches!(refusal, Refusal::UnpackPayload { .. }), "{refusal}");
        assert!(matches!(load(&path), Err(Refusal::UnpackPayload { .. })));
    }
}
