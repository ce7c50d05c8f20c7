//! Other versions of a checkpoint, and what two of them have in common.

#[macro_use]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{GAMES, TIME, names, noise, save_sections, small_chunks, sparse, written};
use resus_checkpoint::{
    CompareError, Compression, ConvertError, ConvertOptions, Differences, Element, Health, Meta, Outcome,
    SaveOptions, compare, convert, load, verify,
};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(format!("{name}.prsm"))
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn every_version_is_converted_to_3_and_back_to_2_without_a_loss() {
    let folder = TempDir::new().unwrap();
    let (new, back) = (folder.path().join("new.prsm"), folder.path().join("back.prsm"));
    for name in ["v1", "v2", "v2-sealed", "v2-gzip", "v2-gzip-sealed", "v2-zlib", "v2-deflate"] {
        let options =
            ConvertOptions { compression: Compression::Zstd, replace: true, ..ConvertOptions::default() };
        let saved = convert(&golden(name), &new, &options).unwrap();
        let loaded = load(&new).unwrap();
        assert_eq!((loaded.header.version, loaded.header.games, loaded.header.unix_time), (3, GAMES, TIME));
        assert_eq!(loaded.meta.unwrap().step, GAMES);
        assert_eq!(verify(&new).unwrap().digest, saved.digest);
        assert!(compare(&golden(name), &new).unwrap().is_same());
        convert(&new, &back, &ConvertOptions { version: 2, ..options }).unwrap();
        // Our own older files come back byte for byte.
        assert_eq!(fs::read(&back).unwrap(), fs::read(golden("v2-sealed")).unwrap(), "{name}");
    }
}

#[test]
fn metadata_and_sections_are_kept_or_given() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.prsm");
    convert(&golden("v3"), &path, &ConvertOptions::default()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(golden("v3")).unwrap());
    let meta = Meta { step: 5, ..Meta::default() };
    let options = ConvertOptions { meta: Some(meta.clone()), replace: true, ..ConvertOptions::default() };
    convert(&path, &path, &options).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!((loaded.meta, loaded.sections.len()), (Some(meta), 2));
}

#[test]
fn nothing_is_overwritten_unasked_and_nothing_is_left_of_a_failure() {
    let folder = TempDir::new().unwrap();
    let there = written(folder.path(), b"precious");
    let error = convert(&golden("v1"), &there, &ConvertOptions::default()).unwrap_err();
    assert!(matches!(error, ConvertError::Exists { .. }), "{error}");
    let other = folder.path().join("b.prsm");
    let error = convert(&there, &other, &ConvertOptions::default()).unwrap_err();
    assert!(matches!(error, ConvertError::Refused { .. }), "{error}");
    let two = ConvertOptions { version: 2, ..ConvertOptions::default() };
    let error = convert(&golden("v3"), &other, &two).unwrap_err();
    assert!(matches!(error, ConvertError::Sections { sections: 2 }), "{error}");
    let four = ConvertOptions { version: 4, ..ConvertOptions::default() };
    assert!(matches!(convert(&golden("v1"), &other, &four), Err(ConvertError::Version(4))));
    assert_eq!(names(folder.path()), ["written.prsm"]);
    assert_eq!(fs::read(there).unwrap(), b"precious");
}

#[test]
fn a_state_that_is_not_finite_does_not_become_a_version_that_cannot_say_so() {
    let folder = TempDir::new().unwrap();
    let poisoned = folder.path().join("poisoned.prsm");
    let meta = Meta { health: Health::NotFinite, ..Meta::default() };
    let options = ConvertOptions { meta: Some(meta), ..ConvertOptions::default() };
    convert(&golden("v2"), &poisoned, &options).unwrap();
    let two = |meta| ConvertOptions { version: 2, meta, ..ConvertOptions::default() };
    let to = folder.path().join("two.prsm");
    for (from, meta) in
        [(&poisoned, None), (&poisoned, Some(Meta::default())), (&golden("v2"), options.meta.clone())]
    {
        let error = convert(from, &to, &two(meta)).unwrap_err();
        assert!(matches!(error, ConvertError::NotFinite), "{error}");
        assert!(error.to_string().contains("version 2 cannot say"), "{error}");
    }
    assert_eq!(names(folder.path()), ["poisoned.prsm"]);
}

#[test]
fn differences_are_counted_and_found_per_section() {
    let folder = TempDir::new().unwrap();
    let numbers: Vec<f32> = (0..5000).map(|n| n as f32).collect();
    let mut changed = numbers.clone();
    changed[700] += 0.5;
    changed[4999] -= 2.0;
    let (a, b, c) = (floats(&numbers), floats(&changed), sparse(3000));
    let one = [
        section!("weights", &[&a], F32, Compression::None),
        section!("counts", &[b"12345678"], U32, Compression::None),
        section!("same", &[&c], Bytes, Compression::Lz4),
        section!("old", &[]),
    ];
    let other = [
        section!("new", &[]),
        section!("same", &[&c], Bytes, Compression::Zstd),
        section!("counts", &[b"12345678"], F32, Compression::None),
        section!("weights", &[&b], F32, Compression::Lz4),
    ];
    let one = save_sections(&small_chunks(), folder.path(), "a.prsm", &one).path;
    let other = save_sections(&SaveOptions::default(), folder.path(), "b.prsm", &other).path;
    let found = compare(&one, &other).unwrap();
    assert!(!found.is_same() && compare(&one, &one).unwrap().is_same());
    let outcomes: Vec<(&str, &Outcome)> =
        found.sections.iter().map(|section| (section.name.as_str(), &section.outcome)).collect();
    let weights = Differences {
        element: Element::F32,
        first_elements: 5000,
        second_elements: 5000,
        differing: 2,
        first_differing: Some(700),
        max: 2.0,
        mean: 2.5 / 5000.0,
        not_numbers: 0,
    };
    assert_eq!(outcomes[0], ("weights", &Outcome::Compared(weights)));
    let elements = Outcome::OtherElement { first: Element::U32, second: Element::F32 };
    assert_eq!(outcomes[1], ("counts", &elements));
    assert!(outcomes[2].0 == "same" && outcomes[2].1.is_same());
    assert_eq!(outcomes[3..], [("old", &Outcome::OnlyInFirst), ("new", &Outcome::OnlyInSecond)]);
}

#[test]
fn sections_of_different_lengths_are_compared_as_far_as_both_go() {
    let folder = TempDir::new().unwrap();
    let bytes = noise(5000);
    let [long, short] = [5000, 3000].map(|length| {
        let sections = [section!("a", &[&bytes[..length]])];
        save_sections(&small_chunks(), folder.path(), &format!("{length}.prsm"), &sections).path
    });
    let found = compare(&long, &short).unwrap();
    let Outcome::Compared(differences) = &found.sections[0].outcome else { panic!("{found:?}") };
    assert_eq!((differences.first_elements, differences.second_elements), (5000, 3000));
    assert_eq!((differences.differing, found.is_same()), (0, false));
}

#[test]
fn a_damaged_checkpoint_is_not_compared() {
    let folder = TempDir::new().unwrap();
    let mut bytes = fs::read(golden("v3")).unwrap();
    bytes[256] ^= 1;
    let damaged = written(folder.path(), &bytes);
    assert!(matches!(compare(&damaged, &golden("v3")), Err(CompareError::First(_))));
    assert!(matches!(compare(&golden("v3"), &damaged), Err(CompareError::Second(_))));
}
