use resus_checkpoint::{Draft, Meta, load, save};

use super::*;

fn config() -> TrainConfig {
    TrainConfig { games: 96, batch: 32, ..TrainConfig::default() }
}

fn session_after(batches: usize) -> Session {
    let mut session = Session::new(config());
    for _ in 0..batches {
        session.step();
    }
    session
}

/// The session as a checkpoint in memory, by way of the disk.
fn through_a_file(session: &Session) -> Checkpoint {
    let mut arrays = Arrays::default();
    arrays.take(session);
    let folder = tempfile::tempdir().expect("a folder");
    let meta = Meta::default();
    let saved = arrays.read(Compression::None, |sections| {
        let draft = Draft { games: session.games_done(), unix_time: 0, meta: &meta, sections };
        save(folder.path(), "a.prsm", &draft)
    });
    load(&saved.expect("a saved file").path).expect("a whole file")
}

fn bytes<'a>(checkpoint: &'a mut Checkpoint, name: &str) -> &'a mut Vec<u8> {
    let section = checkpoint.sections.iter_mut().find(|section| section.name == name);
    &mut section.expect(name).bytes
}

#[test]
fn a_session_survives_and_goes_on_exactly() {
    let mut before = session_after(1);
    let mut after = decode(config(), &through_a_file(&before)).expect("our own checkpoint");
    assert_eq!(after.games_done(), 32);
    while before.step().is_some() {}
    while after.step().is_some() {}
    assert_eq!(through_a_file(&before).sections, through_a_file(&after).sections);
}

#[test]
fn memory_that_held_another_session_holds_nothing_of_it() {
    let mut arrays = Arrays::default();
    arrays.take(&session_after(2));
    arrays.take(&session_after(0));
    arrays.read(Compression::None, |sections| {
        for section in sections.iter().filter(|section| ARRAYS.iter().any(|(name, _)| *name == section.name))
        {
            assert_eq!(section.raw_bytes(), 0, "{}", section.name);
        }
    });
}

#[test]
fn a_number_that_is_none_is_noticed_in_any_array() {
    let poisons: [fn(&mut Entry); 3] = [
        |entry| entry.weight = f32::NAN,
        |entry| entry.mean = f32::INFINITY,
        |entry| entry.square = f32::NAN,
    ];
    let entry = Entry { weight: 1.0, mean: 1.0, square: 1.0, steps: 1 };
    let is_finite = |entries: &[Entry]| {
        let mut stage = Stage::default();
        stage.take(entries);
        Arrays { config: String::new(), stages: vec![stage] }.is_finite()
    };
    assert!(is_finite(&[entry; 9]));
    for poison in poisons {
        let mut entries = [entry; 9];
        poison(&mut entries[8]);
        assert!(!is_finite(&entries));
    }
}

#[test]
fn a_checkpoint_has_room_within_the_limit() {
    let sections = through_a_file(&session_after(1)).sections;
    let bytes: usize = sections.iter().map(|section| section.bytes.len()).sum();
    assert!((bytes as u64) < bytes_max());
}

#[test]
fn a_section_of_another_length_is_refused() {
    let mut checkpoint = through_a_file(&session_after(1));
    for name in [LAYOUT_SECTION, SEEN, "weights", "means", "squares", "steps"] {
        let whole = bytes(&mut checkpoint, name).clone();
        for other in [&whole[1..], &[whole.as_slice(), &[0]].concat()] {
            *bytes(&mut checkpoint, name) = other.to_vec();
            let refused = decode(config(), &checkpoint).map(|_| ());
            assert!(matches!(refused, Err(SnapshotError::Length { .. })), "{name}: {refused:?}");
        }
        *bytes(&mut checkpoint, name) = whole;
    }
    assert!(decode(config(), &checkpoint).is_ok());
}

#[test]
fn a_section_that_is_missing_or_of_another_type_is_refused_by_name() {
    let whole = through_a_file(&session_after(1));
    for name in [CONFIG, SEEN, "weights", "means", "squares", "steps"] {
        let mut without = whole.clone();
        without.sections.retain(|section| section.name != name);
        let mut other = whole.clone();
        other
            .sections
            .iter_mut()
            .filter(|section| section.name == name)
            .for_each(|s| s.element = Element::F64);
        for checkpoint in [without, other] {
            let text = decode(config(), &checkpoint).expect_err(name).to_string();
            assert!(text.starts_with(&format!("has no section \"{name}\" of type ")), "{text}");
        }
    }
}

#[test]
fn another_layout_is_refused_naming_all_versions() {
    let mut checkpoint = through_a_file(&session_after(0));
    *bytes(&mut checkpoint, LAYOUT_SECTION) = 9u32.to_le_bytes().to_vec();
    let text = decode(config(), &checkpoint).expect_err("layout 9").to_string();
    assert_eq!(text, "has layout version 9; this program reads versions 1 and 2");
}

#[test]
fn other_settings_are_refused_naming_both_configurations_and_the_difference() {
    let checkpoint = through_a_file(&session_after(0));
    let other = TrainConfig { alpha: 0.05, ..config() };
    let text = decode(other, &checkpoint).expect_err("another alpha").to_string();
    let names = [config(), other].map(|config| short_name(&describe(&config)));
    let expected =
        format!("was written with configuration {}, this run has {}: alpha 0.025 → 0.05", names[0], names[1]);
    assert_eq!(text, expected);
}

#[test]
fn a_stranger_s_checkpoint_is_refused_by_what_it_has() {
    let mut checkpoint = through_a_file(&session_after(0));
    checkpoint.sections.drain(1..);
    checkpoint.sections[0].name = "fake".to_owned();
    let text = decode(config(), &checkpoint).expect_err("a stranger").to_string();
    let expected = "is not an Othello checkpoint: it has the sections \"fake\", and none \"othello-layout\"";
    assert_eq!(text, expected);
    checkpoint.sections[0].name = PAYLOAD.to_owned();
    checkpoint.sections[0].bytes = b"PK\x03\x04".to_vec();
    let text = decode(config(), &checkpoint).expect_err("a zip file").to_string();
    assert_eq!(text, "is not an Othello checkpoint: payload starts with \"PK\\x03\\x04\", not \"OTHL\"");
}

#[test]
fn more_games_than_the_run_has_are_refused() {
    let mut checkpoint = through_a_file(&session_after(0));
    checkpoint.header.games = 97;
    assert_eq!(decode(config(), &checkpoint).err(), Some(SnapshotError::Games { found: 97, games: 96 }));
}

/// A payload of layout 1 as programs wrote it; `tests/run.rs` goes on from the same file.
mod payload_of_layout_1 {
    use super::*;

    fn file() -> Checkpoint {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/v2-after-1-of-2-games.prsm");
        load(path.as_ref()).expect("a whole file")
    }

    fn its_config() -> TrainConfig {
        TrainConfig { games: 2, batch: 1, ..TrainConfig::default() }
    }

    #[test]
    fn it_is_read_whole_and_not_when_it_is_cut_or_longer() {
        let session = decode(its_config(), &file()).expect("an old checkpoint");
        assert_eq!(session.games_done(), 1);
        assert!(session.learner().entries_seen() > 0);
        let whole = file().sections[0].bytes.clone();
        let mut other = file();
        for length in (0..200).chain((200..whole.len()).step_by(10_007)) {
            other.sections[0].bytes = whole[..length].to_vec();
            assert!(decode(its_config(), &other).is_err(), "{length} bytes");
        }
        other.sections[0].bytes = [whole.as_slice(), b"x"].concat();
        let expected = SnapshotError::Length { part: "the end", found: 1, expected: 0 };
        assert_eq!(decode(its_config(), &other).err(), Some(expected));
    }

    #[test]
    fn another_layout_in_it_is_refused() {
        let mut other = file();
        other.sections[0].bytes[4] = 9;
        assert_eq!(decode(its_config(), &other).err(), Some(SnapshotError::Layout { found: 9 }));
    }
}

#[test]
fn the_first_save_needs_no_more_room_than_was_made_ready() {
    let config = TrainConfig { games: 64, batch: 8, ..TrainConfig::default() };
    let mut session = Session::new(config);
    let ready = expected_bytes(&session);
    while session.step().is_some() {}
    let mut arrays = Arrays::default();
    arrays.take(&session);
    let needed: usize = arrays.read(Compression::None, |sections| {
        sections.iter().flat_map(|section| section.parts).map(|part| part.len()).sum()
    });
    assert!((needed..bytes_max() as usize).contains(&ready), "{needed} bytes, {ready} made ready");
    assert!((needed..=ready).contains(&expected_bytes(&session)));
}
