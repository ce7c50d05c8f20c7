//! Saves checkpoints beside the training, which does not wait for the disk.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use resus_checkpoint::{SaveError, Saved, save};
use resus_sdk::{CheckpointSaved, ErrorReport, Pulse};

use crate::failure::with_causes;

/// How long after a failed save it is tried again, once.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Checkpoints of this process that stay when nobody supervises it. A supervisor has rules of its own.
const KEPT_ALONE: usize = 5;

/// A save that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Games done when the snapshot was taken.
    pub games: u64,
    /// What became of it.
    pub result: Result<Saved, SaveError>,
}

/// Saves one checkpoint at a time on a thread of its own.
#[derive(Debug)]
pub(crate) struct Saver {
    folder: PathBuf,
    pulse: Pulse,
    retry_delay: Duration,
    in_flight: Option<JoinHandle<Finished>>,
    kept: VecDeque<PathBuf>,
}

impl Saver {
    /// A saver into `folder`, which must exist.
    pub(crate) fn new(folder: PathBuf, pulse: Pulse) -> Self {
        Self { folder, pulse, retry_delay: RETRY_DELAY, in_flight: None, kept: VecDeque::new() }
    }

    /// Whether a save is on its way and not yet over.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Begins to save `payload`; waits for the save before it, if any, and returns how that one ended.
    pub(crate) fn start(&mut self, games: u64, payload: Vec<u8>) -> Option<Finished> {
        let before = self.finish();
        let (folder, pulse, retry_delay) = (self.folder.clone(), self.pulse.clone(), self.retry_delay);
        let work = move || save_and_tell(&folder, games, &payload, &pulse, retry_delay);
        let spawned = thread::Builder::new().name("checkpoint".to_owned()).spawn(work);
        match spawned {
            Ok(thread) => self.in_flight = Some(thread),
            Err(error) => tell_failure(&self.pulse, games, &format!("failed to start a thread: {error}")),
        }
        before
    }

    /// The last save, if it is over and was not asked for yet. Never waits.
    pub(crate) fn poll(&mut self) -> Option<Finished> {
        if self.is_busy() { None } else { self.finish() }
    }

    /// Waits for the last save; `None` when there is none that was not asked for yet.
    pub(crate) fn finish(&mut self) -> Option<Finished> {
        let finished = self.in_flight.take()?.join().ok()?;
        if let Ok(saved) = &finished.result
            && !self.pulse.is_enabled()
        {
            self.keep(saved.path.clone());
        }
        Some(finished)
    }

    /// Removes the oldest of our own checkpoints beyond [`KEPT_ALONE`].
    fn keep(&mut self, path: PathBuf) {
        self.kept.push_back(path);
        while self.kept.len() > KEPT_ALONE {
            if let Some(oldest) = self.kept.pop_front() {
                // Whoever moved it away is welcome to it.
                let _ = fs::remove_file(oldest);
            }
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        // A save that was begun is let finish, whatever ends the training.
        let _ = self.finish();
    }
}

/// The name a checkpoint is known by.
fn checkpoint_id(games: u64) -> String {
    format!("othello-{games:09}")
}

fn save_and_tell(folder: &Path, games: u64, payload: &[u8], pulse: &Pulse, delay: Duration) -> Finished {
    let id = checkpoint_id(games);
    let file_name = format!("{id}.prsm");
    let meta = resus_checkpoint::Meta { step: games, ..Default::default() };
    let sections = [resus_checkpoint::Section {
        name: "payload",
        element: resus_checkpoint::Element::Bytes,
        parts: &[payload],
        compression: resus_checkpoint::Compression::None,
    }];
    let attempt = || {
        save(
            folder,
            &file_name,
            &resus_checkpoint::Draft { games, unix_time: unix_time(), meta: &meta, sections: &sections },
        )
    };
    let result = attempt().or_else(|first| {
        tell_failure(pulse, games, &format!("{}; trying once more", with_causes(&first)));
        thread::sleep(delay);
        attempt()
    });
    match &result {
        Ok(saved) => pulse.checkpoint_saved(&CheckpointSaved {
            step: Some(games),
            size_bytes: Some(saved.size_bytes),
            duration_s: Some(saved.duration.as_secs_f64()),
            digest: Some(&saved.digest),
            ..CheckpointSaved::at(&id, &saved.path)
        }),
        Err(error) => tell_failure(pulse, games, &with_causes(error)),
    }
    Finished { games, result }
}

fn tell_failure(pulse: &Pulse, games: u64, reason: &str) {
    pulse.error(&ErrorReport {
        error_code: "CHECKPOINT_SAVE_FAILED",
        message: &format!("failed to save the checkpoint at {games} games: {reason}"),
        is_retryable: true,
        ..ErrorReport::default()
    });
}

/// Now, in seconds since 1970; 0 on a machine whose clock is before that.
fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Makes the folder, and clears what killed saves left in it.
pub(crate) fn prepare_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    resus_checkpoint::remove_leftovers(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_sdk::Environment;

    fn saver(folder: &Path, events: Option<PathBuf>) -> Saver {
        let pulse = Pulse::new(Environment { events, ..Environment::default() });
        let mut saver = Saver::new(folder.to_owned(), pulse);
        saver.retry_delay = Duration::ZERO;
        saver
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_save_can_be_read_back_and_is_announced() {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events.jsonl");
        let mut saver = saver(folder.path(), Some(events.clone()));
        assert!(saver.start(12_000, b"payload".to_vec()).is_none());
        let saved = saver.finish().unwrap().result.unwrap();
        assert_eq!(saved.path, folder.path().join("othello-000012000.prsm"));
        let (header, payload) = resus_checkpoint::read(&saved.path).unwrap();
        assert_eq!((header.games, payload.as_slice()), (12_000, b"payload".as_slice()));
        let line: serde_json::Value =
            serde_json::from_str(fs::read_to_string(events).unwrap().lines().next().unwrap()).unwrap();
        assert_eq!(line["event_type"], "checkpoint");
        assert_eq!(line["payload"]["action"], "saved");
        assert_eq!(line["payload"]["checkpoint_id"], "othello-000012000");
        assert_eq!(line["payload"]["digest"], saved.digest());
    }

    #[test]
    fn a_failed_save_is_tried_twice_told_twice_and_does_not_end_anything() {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events.jsonl");
        let mut saver = saver(&folder.path().join("missing"), Some(events.clone()));
        saver.start(1, vec![]);
        let finished = saver.finish().unwrap();
        assert!(matches!(finished.result, Err(SaveError::Create { .. })));
        let told = fs::read_to_string(events).unwrap();
        assert_eq!(told.matches("CHECKPOINT_SAVE_FAILED").count(), 2, "{told}");
        saver.start(2, vec![]);
        assert_eq!(saver.finish().unwrap().games, 2);
    }

    #[test]
    fn alone_the_newest_few_stay_and_under_a_supervisor_all_do() {
        for (events, expected) in [(None, KEPT_ALONE), (Some("events"), 8)] {
            let folder = tempfile::tempdir().unwrap();
            let outside = tempfile::tempdir().unwrap();
            let mut saver = saver(folder.path(), events.map(|name| outside.path().join(name)));
            for games in 1..=8 {
                saver.start(games, vec![1]);
            }
            saver.finish();
            let names = names(folder.path());
            assert_eq!(names.len(), expected);
            assert_eq!(names.last().unwrap(), "othello-000000008.prsm");
        }
    }
}
