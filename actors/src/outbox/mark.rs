//! The durable mark: how far the server has acknowledged the ledger.

use resus_core::outbox::Mark;
use resus_store::file::replace;
use std::fs;
use std::path::{Path, PathBuf};

/// Shortest time between two saves. A mark that is too old costs a longer look at the stream.
const SAVE_INTERVAL_MS: u64 = 1_000;

/// The mark and its file.
pub(super) struct Kept {
    path: PathBuf,
    mark: Option<Mark>,
    saved_mono_ms: u64,
    saved_pos: u64,
}

impl Kept {
    /// What the file says. One that can't be read counts as none: then the stream itself is asked
    /// what it has.
    pub(super) fn load(path: PathBuf) -> Self {
        let mark = read(&path);
        let saved_pos = mark.as_ref().map_or(0, |mark| mark.pos);
        Self { path, mark, saved_mono_ms: 0, saved_pos }
    }

    pub(super) fn get(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// It is of no use.
    pub(super) fn forget(&mut self) {
        self.mark = None;
    }

    /// Moves the mark, and writes it from time to time.
    pub(super) fn put(&mut self, mark: Mark, now_mono_ms: u64) {
        self.mark = Some(mark);
        if now_mono_ms.saturating_sub(self.saved_mono_ms) >= SAVE_INTERVAL_MS {
            self.saved_mono_ms = now_mono_ms;
            self.save();
        }
    }

    /// When it should be written, if it has moved since it was.
    pub(super) fn due(&self) -> Option<u64> {
        let moved = self.mark.as_ref().is_some_and(|mark| mark.pos != self.saved_pos);
        moved.then_some(self.saved_mono_ms + SAVE_INTERVAL_MS)
    }

    /// Writes it. Not synced: an older one after a power cut does no harm.
    pub(super) fn save(&mut self) {
        let Some(mark) = &self.mark else { return };
        let written = serde_json::to_vec(mark).map_err(std::io::Error::other);
        match written.and_then(|bytes| replace(&self.path, &bytes, false)) {
            Ok(()) => self.saved_pos = mark.pos,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "how far the bus has come can't be written");
            }
        }
    }
}

fn read(path: &Path) -> Option<Mark> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "how far the bus had come can't be read");
            return None;
        }
    };
    serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "how far the bus had come is unknown"),
        )
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::outbox::Oldest;

    fn mark(pos: u64) -> Mark {
        Mark {
            link: "l".into(),
            stream_created: "c".into(),
            pos,
            stream_seq: 1,
            event_id: "r.1.1".into(),
            oldest: Oldest::default(),
        }
    }

    #[test]
    fn a_mark_is_written_at_most_once_a_second_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus.json");
        let mut kept = Kept::load(path.clone());
        assert!(kept.get().is_none() && kept.due().is_none());
        kept.put(mark(1), 5_000);
        kept.put(mark(2), 5_100);
        assert_eq!(Kept::load(path.clone()).get(), Some(&mark(1)));
        assert_eq!(kept.due(), Some(6_000));
        kept.save();
        assert_eq!((Kept::load(path.clone()).get(), kept.due()), (Some(&mark(2)), None));
        fs::write(&path, "{").unwrap();
        assert!(Kept::load(path).get().is_none());
    }
}
