//! A trainer's side of checkpoints, as small as it can be: saves, keeps the newest few, loads the newest.

use resus_checkpoint::retention::{Entry, Rules, plan};
use resus_checkpoint::{Compression, Draft, Element, Meta, SaveError, Section};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The name of a step's checkpoint.
pub fn name(step: u64) -> String {
    format!("step-{step:06}.prsm")
}

/// What is saved at a step.
pub fn state(step: u64, bytes: usize) -> Vec<u8> {
    let mut word = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut state = Vec::with_capacity(bytes + 8);
    // Word by word: this runs unoptimised, and a state can be large.
    while state.len() < bytes {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        state.extend_from_slice(&word.to_le_bytes());
    }
    state.truncate(bytes);
    state
}

/// Saves a step.
pub fn save(folder: &Path, step: u64, bytes: usize) -> Result<(), SaveError> {
    let meta = Meta { step, writer: "tests".to_owned(), ..Meta::default() };
    let state = state(step, bytes);
    let (parts, element, compression) = (&[&state[..]][..], Element::Bytes, Compression::None);
    let sections = [Section { name: "state", element, parts, compression }];
    let draft = Draft { games: step, unix_time: 1_700_000_000, meta: &meta, sections: &sections };
    resus_checkpoint::save(folder, &name(step), &draft).map(drop)
}

/// Loads a file and compares every byte with what was saved at its step.
pub fn loads(path: &Path) -> Option<u64> {
    let loaded = resus_checkpoint::load(path).ok()?;
    let (step, bytes) = (loaded.header.games, &loaded.sections[0].bytes);
    assert!(*bytes == state(step, bytes.len()), "{} loads wrong numbers", path.display());
    Some(step)
}

/// The step to go on from: that of the newest whole one, which must load as it was saved.
pub fn newest(folder: &Path) -> Option<u64> {
    let picked = resus_checkpoint::newest_verified(folder).unwrap();
    let chosen = picked.chosen?;
    // Verified a moment ago; should it be unreadable now, there is nothing to go on from.
    let step = loads(&chosen.path)?;
    assert_eq!(step, chosen.header.games);
    Some(step)
}

/// The steps that load as they were saved.
pub fn good(folder: &Path) -> BTreeSet<u64> {
    checkpoints(folder).iter().filter_map(|path| loads(path)).collect()
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "prsm")).collect()
}

/// Removes what is older than the newest `keep` that are whole.
pub fn retain(folder: &Path, keep: usize) -> io::Result<usize> {
    let entries: Vec<Entry<PathBuf>> = checkpoints(folder)
        .into_iter()
        .filter_map(|path| {
            let step = resus_checkpoint::peek(&path).ok()?.header.games;
            let verified = resus_checkpoint::verify(&path).is_ok();
            Some(Entry {
                id: path,
                step,
                saved: 0,
                size_bytes: 0,
                verified,
                poisoned: false,
                protected: false,
                metric: None,
            })
        })
        .collect();
    let rules = Rules { keep_last: keep, ..Rules::default() };
    let superfluous: Vec<PathBuf> = plan(&entries, &rules).into_iter().map(|doomed| doomed.id).collect();
    for path in &superfluous {
        std::fs::remove_file(path)?;
    }
    File::open(folder)?.sync_all()?;
    Ok(superfluous.len())
}
