//! Saving, and what a save that fails leaves behind.

#[macro_use]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{names, noise, save_bytes, save_sections, sparse};
use proptest::prelude::*;
use resus_checkpoint::{
    Compression, Draft, Element, HEADER_BYTES, Health, Meta, SaveError, SaveOptions, Taken, load, peek,
    remove_leftovers, save, save_with, verify,
};
use tempfile::TempDir;

#[test]
fn what_was_saved_is_what_is_read() {
    let folder = TempDir::new().unwrap();
    let (large, packed) = (noise(700_000), sparse(300_000));
    let meta = Meta {
        step: 12,
        epoch: Some(0.5),
        health: Health::Finite,
        metrics: BTreeMap::from([("loss".to_owned(), 0.25)]),
        writer: "tests".to_owned(),
    };
    let sections = [
        section!("weights", &[b"head", b"", &large], F32, Compression::None),
        section!("nothing", &[]),
        section!("lz4", &[&packed], Bytes, Compression::Lz4),
        section!("zstd", &[&packed, b"x"], Bytes, Compression::Zstd),
    ];
    let draft = Draft { games: 12, unix_time: -5, meta: &meta, sections: &sections };
    let saved = save(folder.path(), "a.prsm", &draft).unwrap();
    let loaded = load(&saved.path).unwrap();
    assert_eq!((loaded.header.version, loaded.header.games, loaded.header.unix_time), (3, 12, -5));
    assert!(loaded.header.is_sealed() && loaded.header.is_compressed());
    assert_eq!(loaded.meta.as_ref(), Some(&meta));
    let names: Vec<&str> = loaded.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["weights", "nothing", "lz4", "zstd"]);
    let elements: Vec<Element> = loaded.sections.iter().map(|section| section.element).collect();
    assert_eq!(elements, [Element::F32, Element::Bytes, Element::Bytes, Element::Bytes]);
    assert!(loaded.section("weights").unwrap().bytes == [b"head", &large[..]].concat());
    assert!(loaded.section("nothing").unwrap().bytes.is_empty());
    assert!(loaded.section("lz4").unwrap().bytes == packed);
    assert!(loaded.section("zstd").unwrap().bytes == [&packed[..], b"x"].concat());
    assert_eq!(saved.size_bytes, fs::metadata(&saved.path).unwrap().len());
    assert!(saved.size_bytes < 1_100_000, "{} bytes: nothing was packed", saved.size_bytes);
    assert_eq!((&loaded.digest, loaded.size_bytes), (&saved.digest, saved.size_bytes));
    let verified = verify(&saved.path).unwrap();
    assert_eq!((verified.digest, verified.meta), (saved.digest, loaded.meta));
    let peeked = peek(&saved.path).unwrap();
    assert_eq!((peeked.header, peeked.meta), (loaded.header, Some(meta)));
}

/// Sizes around the edges of chunks (4 MiB) and of the digest's slabs (4 MiB), in a pool of one thread
/// and in one of three.
#[test]
fn sections_of_every_awkward_size_come_back_whatever_the_pool() {
    const MIB: usize = 1 << 20;
    let folder = TempDir::new().unwrap();
    let bytes = sparse(13 * MIB);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for (first, second) in [(4 * MIB, 0), (4 * MIB - 1, 2), (8 * MIB + 1, 4 * MIB), (100, 13 * MIB)] {
            let (a, b) = (&bytes[..first], &bytes[..second]);
            let parts: Vec<&[u8]> = a.chunks(3 * MIB + 17).collect();
            for compression in [Compression::None, Compression::Zstd] {
                let sections =
                    [section!("a", &parts, Bytes, compression), section!("b", &[b], Bytes, compression)];
                pool.install(|| {
                    let saved = save_sections(&SaveOptions::default(), folder.path(), "a.prsm", &sections);
                    let stored = fs::read(&saved.path).unwrap();
                    let (before, digest) = stored.split_at(stored.len() - 32);
                    assert_eq!(blake3::hash(before).as_bytes(), digest);
                    assert_eq!(verify(&saved.path).unwrap().digest, saved.digest);
                    let loaded = load(&saved.path).unwrap();
                    assert!(
                        loaded.sections[0].bytes == a && loaded.sections[1].bytes == b,
                        "{first} {second}"
                    );
                });
            }
        }
    }
}

#[test]
fn a_checkpoint_without_sections_is_one_too() {
    let folder = TempDir::new().unwrap();
    let saved = save_sections(&SaveOptions::default(), folder.path(), "a.prsm", &[]);
    assert_eq!(load(&saved.path).unwrap().sections, []);
    assert_eq!(saved.size_bytes, 160);
}

#[test]
fn a_share_of_the_disk_and_no_read_back_change_nothing_in_the_file() {
    let folder = TempDir::new().unwrap();
    let bytes = noise(100_000);
    let sections = [section!("state", &[&bytes])];
    let plain = save_sections(&SaveOptions::default(), folder.path(), "a.prsm", &sections);
    let options = SaveOptions { disk_share_percent: 50, read_back: false, ..SaveOptions::default() };
    let paced = save_sections(&options, folder.path(), "b.prsm", &sections);
    assert_eq!(fs::read(plain.path).unwrap(), fs::read(paced.path).unwrap());
    assert_eq!((plain.digest, plain.size_bytes), (paced.digest, paced.size_bytes));
    assert!(paced.read_back.is_zero() && !plain.read_back.is_zero());
    assert!(plain.read_back < plain.duration);
}

#[test]
fn a_checkpoint_is_for_its_owner_only() {
    let folder = TempDir::new().unwrap();
    let saved = save_bytes(folder.path(), "a.prsm", 1, b"x");
    assert_eq!(fs::metadata(saved.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_save_of_a_taken_name_gets_the_next_one_and_touches_nothing() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("a.2.prsm")).unwrap();
    let names_of = [b"old", b"new", b"3rd"].map(|bytes| save_bytes(folder.path(), "a.prsm", 1, bytes).path);
    assert_eq!(names_of, ["a.prsm", "a.3.prsm", "a.4.prsm"].map(|name| folder.path().join(name)));
    for (path, bytes) in names_of.iter().zip([b"old", b"new", b"3rd"]) {
        assert_eq!(load(path).unwrap().sections[0].bytes, bytes);
    }
    assert_eq!(names(folder.path()), ["a.2.prsm", "a.3.prsm", "a.4.prsm", "a.prsm"]);
}

#[test]
fn a_newer_save_replaces_the_file_of_its_name_where_that_is_asked_for() {
    let folder = TempDir::new().unwrap();
    save_bytes(folder.path(), "a.prsm", 1, b"old, and longer");
    let options = SaveOptions { taken: Taken::Replace, ..SaveOptions::default() };
    let saved = save_sections(&options, folder.path(), "a.prsm", &[section!("a", &[b"new"])]);
    assert_eq!(load(&saved.path).unwrap().sections[0].bytes, b"new");
    assert_eq!(names(folder.path()), ["a.prsm"]);
}

#[test]
fn a_save_that_fails_at_its_last_step_leaves_everything_as_it_was() {
    let folder = TempDir::new().unwrap();
    let older = save_bytes(folder.path(), "a.prsm", 1, b"old");
    fs::create_dir(folder.path().join("b.prsm")).unwrap();
    let draft = Draft { games: 2, unix_time: 2, meta: &Meta::default(), sections: &[] };
    let options = SaveOptions { taken: Taken::Replace, ..SaveOptions::default() };
    let error = save_with(&options, folder.path(), "b.prsm", &draft).unwrap_err();
    assert!(matches!(error, SaveError::Rename { .. }), "{error}");
    assert_eq!(names(folder.path()), ["a.prsm", "b.prsm"]);
    assert_eq!(verify(&older.path).unwrap().header.games, 1);
}

#[test]
fn what_no_file_can_hold_is_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let sections = [section!("a", &[]), section!("a", &[])];
    let draft = Draft { games: 2, unix_time: 2, meta: &Meta::default(), sections: &sections };
    let error = save(folder.path(), "b.prsm", &draft).unwrap_err();
    assert!(matches!(error, SaveError::Draft(_)), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_save_into_a_folder_that_is_not_there_says_which() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let draft = Draft { games: 2, unix_time: 2, meta: &Meta::default(), sections: &[] };
    let error = save(&missing, "a.prsm", &draft).unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    assert!(matches!(error, SaveError::Create { .. }));
}

#[test]
fn saves_of_the_same_name_at_the_same_time_leave_each_its_whole_file() {
    let folder = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for games in 0..8_u64 {
            let folder = folder.path();
            scope.spawn(move || save_bytes(folder, "a.prsm", games, &vec![games as u8; 50_000]));
        }
    });
    let mut found = Vec::new();
    for name in names(folder.path()) {
        let loaded = load(&folder.path().join(name)).unwrap();
        assert_eq!(loaded.sections[0].bytes, vec![loaded.header.games as u8; 50_000]);
        found.push(loaded.header.games);
    }
    found.sort_unstable();
    assert_eq!(found, (0..8).collect::<Vec<u64>>());
}

#[test]
fn leftovers_of_a_killed_save_are_removed_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    save_bytes(folder.path(), "a.prsm", 1, b"x");
    // No system has so many processes.
    let [dead, ours] =
        [u32::MAX, std::process::id()].map(|id| folder.path().join(format!(".b.prsm.{id}.3.tmp")));
    fs::write(&dead, [0; HEADER_BYTES]).unwrap();
    fs::write(&ours, [0; HEADER_BYTES]).unwrap();
    fs::write(folder.path().join(".editor.tmp"), b"mine").unwrap();
    let mut leftovers = remove_leftovers(folder.path()).unwrap();
    leftovers.removed.sort();
    let mut expected = [dead, ours];
    expected.sort();
    assert_eq!((leftovers.removed, leftovers.stuck.len()), (expected.to_vec(), 0));
    assert_eq!(names(folder.path()), [".editor.tmp", "a.prsm"]);
    assert!(remove_leftovers(&folder.path().join("missing")).unwrap().removed.is_empty());
}

#[test]
fn what_a_process_that_lives_is_writing_is_left_to_it() {
    let folder = TempDir::new().unwrap();
    let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let name = format!(".a.prsm.{}.0.tmp", other.id());
    fs::write(folder.path().join(&name), b"half").unwrap();
    let meanwhile = remove_leftovers(folder.path()).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(meanwhile.removed.is_empty() && meanwhile.stuck.is_empty(), "{meanwhile:?}");
    assert_eq!(remove_leftovers(folder.path()).unwrap().removed, [folder.path().join(name)]);
}

#[test]
fn only_files_are_leftovers() {
    let folder = TempDir::new().unwrap();
    let [inner, link] = [0, 1].map(|number| format!(".a.prsm.{}.{number}.tmp", u32::MAX));
    fs::create_dir(folder.path().join(&inner)).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join(&link)).unwrap();
    let leftovers = remove_leftovers(folder.path()).unwrap();
    assert!(leftovers.removed.is_empty() && leftovers.stuck.is_empty(), "{leftovers:?}");
    assert_eq!(names(folder.path()), [inner, link]);
}

/// One section as a property test makes it up: the lengths of its parts, whether it can be packed, how.
type MadeUp = (Vec<usize>, bool, Compression);

fn made_up() -> impl Strategy<Value = Vec<MadeUp>> {
    let compression = prop_oneof![Just(Compression::None), Just(Compression::Lz4), Just(Compression::Zstd)];
    let parts = prop::collection::vec(prop_oneof![0..40_usize, 500..1100_usize, 0..9000_usize], 0..5);
    prop::collection::vec((parts, any::<bool>(), compression), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_is_saved_is_what_is_read(sections in made_up(), chunk_bits in 9..14_u32) {
        let (noise, sparse) = (noise(50_000), sparse(50_000));
        let parts: Vec<Vec<&[u8]>> = sections
            .iter()
            .map(|(lengths, packable, _)| {
                let mut rest = if *packable { &sparse[..] } else { &noise[..] };
                lengths.iter().map(|length| rest.split_off(..*length).unwrap()).collect()
            })
            .collect();
        let names: Vec<String> = (0..sections.len()).map(|n| format!("section {n}")).collect();
        let drafts: Vec<_> = sections
            .iter()
            .zip(parts.iter().zip(&names))
            .map(|((.., compression), (parts, name))| section!(name, parts, Bytes, *compression))
            .collect();
        let folder = TempDir::new().unwrap();
        let options = SaveOptions { chunk_bytes: 1 << chunk_bits, ..SaveOptions::default() };
        let saved = save_sections(&options, folder.path(), "a.prsm", &drafts);
        let loaded = load(&saved.path).unwrap();
        prop_assert_eq!(&loaded.digest, &saved.digest);
        prop_assert_eq!(loaded.sections.len(), parts.len());
        for (section, parts) in loaded.sections.iter().zip(&parts) {
            prop_assert!(section.bytes == parts.concat());
        }
    }
}
