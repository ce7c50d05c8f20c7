//! Kills a process at any moment of a save, and looks for a good checkpoint afterwards.

use std::fs;
use std::path::Path;
use std::time::Duration;

use othello_engine::rng::Rng;
use resus_checkpoint::{SaveOptions, Taken, newest_verified, remove_leftovers};
use serde_json::{Map, Value, json};

use super::state::{State, path};
use super::victim::Victim;
use super::{CheckpointBenchError, tell};
use crate::rig::Fault;
use crate::sample::Sample;

/// Chooses the same moments every time, as shares of a save.
const SEED: u64 = 300;
/// Saves that are not killed, to know how long one takes.
const UNDISTURBED: u64 = 5;
/// How far behind the end of a usual save the last kill falls, as a factor of its duration.
const BEYOND: f64 = 1.1;
/// Kills that may be needed for one that falls into a save; more, and the saves are not what they were.
const TRIES_MAX: u64 = 10;

/// What was found after the kills.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The save had come so far: nothing was there yet, an unfinished file, the new checkpoint.
    nothing: u64,
    unfinished: u64,
    finished: u64,
    /// Neither the old checkpoint nor the new one could be taken.
    without_good: u64,
    /// Files under a checkpoint's name that are none.
    torn: u64,
}

/// Kills so many saves of so many bytes while they are under way, in a folder of its own within `folder`.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(
    folder: &Path,
    (kills, bytes): (u32, usize),
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let folder = &folder.join("kills");
    fs::create_dir(folder).map_err(CheckpointBenchError::io("create", folder))?;
    let mut good = 0;
    let mut undisturbed = Sample::default();
    for _ in 0..UNDISTURBED {
        undisturbed.add(Victim::start(folder, good + 1, bytes)?.finish()?);
        good = replaced(folder, good)?;
    }
    let usual = undisturbed.quantile_us(0.5).unwrap_or_default();
    let mut rng = Rng::for_stream(SEED, kills.into());
    let mut found = Found::default();
    let (mut within, mut behind) = (0, 0);
    while within < kills {
        if behind > TRIES_MAX * u64::from(kills) {
            return Err(Fault::wrong(format!("only {within} kills of {behind} fell into a save")).into());
        }
        let share = f64::from(rng.below(1 << 20)) / f64::from(1 << 20);
        let delay = Duration::from_secs_f64(usual * BEYOND * share / 1e6);
        match Victim::start(folder, good + 1, bytes)?.kill_after(delay)? {
            true => within += 1,
            false => behind += 1,
        }
        good = found.look(folder, good, bytes)?;
    }
    tell(result, "kills", within);
    tell(result, "kills_behind_save", behind);
    tell(result, "kills_state_bytes", bytes);
    tell(result, "kills_save_p50_ms", json!(undisturbed.quantile_ms(0.5)));
    tell(result, "kills_before_any_file", found.nothing);
    tell(result, "kills_unfinished_file", found.unfinished);
    tell(result, "kills_new_in_place", found.finished);
    tell(result, "kills_torn", found.torn);
    tell(result, "kills_without_good", found.without_good);
    Ok(())
}

impl Found {
    /// Looks at what a kill left, and makes the folder ready for the next one. `good` is the
    /// checkpoint that was there before; returns the one that is there now.
    fn look(&mut self, folder: &Path, good: u64, bytes: usize) -> Result<u64, CheckpointBenchError> {
        let is_finished = path(folder, good + 1).exists();
        let picked = newest_verified(folder)?;
        self.torn += picked.refused.len() as u64;
        let leftovers = remove_leftovers(folder).map_err(CheckpointBenchError::io("clean", folder))?;
        match (is_finished, leftovers.removed.is_empty()) {
            (true, _) => self.finished += 1,
            (false, true) => self.nothing += 1,
            (false, false) => self.unfinished += 1,
        }
        if picked.chosen.is_none_or(|chosen| chosen.header.games < good) {
            self.without_good += 1;
            // The next trials begin like this one did.
            let options = SaveOptions { taken: Taken::Replace, ..SaveOptions::default() };
            State::noise(&[bytes]).save(folder, good, &options)?;
        }
        if is_finished { replaced(folder, good) } else { Ok(good) }
    }
}

/// Removes a checkpoint that a newer one replaces; returns the newer one.
fn replaced(folder: &Path, old: u64) -> Result<u64, CheckpointBenchError> {
    let path = path(folder, old);
    if path.exists() {
        fs::remove_file(&path).map_err(CheckpointBenchError::io("remove", &path))?;
    }
    Ok(old + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_good_checkpoint_is_counted_and_made_good_again() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = place.path();
        let save = |games| State::noise(&[400]).save(folder, games, &SaveOptions::default()).expect("saved");
        let mut found = Found::default();
        let mut look = |good| found.look(folder, good, 400).expect("looked at");
        save(1);
        assert_eq!(look(1), 1);
        // No process has that number: Linux gives out none above 4,194,304.
        fs::write(folder.join(".game-00000002.prsm.99999999.0.tmp"), "half").expect("written");
        assert_eq!(look(1), 1);
        fs::write(path(folder, 1), "torn").expect("written");
        assert_eq!(look(1), 1);
        save(2);
        assert_eq!(look(1), 2);
        assert!(!path(folder, 1).exists() && path(folder, 2).exists());
        let expected = Found { nothing: 2, unfinished: 1, finished: 1, without_good: 1, torn: 1 };
        assert_eq!(found, expected);
    }
}
