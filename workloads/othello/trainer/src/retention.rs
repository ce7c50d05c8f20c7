//! Which checkpoints stay when nobody supervises the training: the newest few that this process saved, by
//! the library's rules. Files of others are never touched.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use resus_checkpoint::Health;
use resus_checkpoint::Saved;
use resus_checkpoint::background::Report;
use resus_checkpoint::retention::{Entry, Rules, plan};

/// How many stay.
const KEPT_ALONE: usize = 5;

/// The checkpoints of this process that are there.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    entries: Vec<Entry<PathBuf>>,
    /// How many were saved so far: the order of two of the same step.
    saved: u64,
}

impl Retention {
    /// A checkpoint was saved, and read back; removes those that need not stay any more.
    pub(crate) fn keep(&mut self, report: &Report, saved: &Saved) {
        self.entries.retain(|entry| entry.id != saved.path);
        self.saved += 1;
        self.entries.push(Entry {
            id: saved.path.clone(),
            step: report.games,
            saved: self.saved,
            size_bytes: saved.size_bytes,
            verified: true,
            poisoned: report.meta.health == Health::NotFinite,
            protected: false,
            metric: None,
        });
        let rules = Rules { keep_last: KEPT_ALONE, ..Rules::default() };
        for path in plan(&self.entries, &rules).into_iter().map(|doomed| doomed.id) {
            // One that cannot be removed now is tried again after the next save.
            if fs::remove_file(&path).err().is_none_or(|error| error.kind() == ErrorKind::NotFound) {
                self.entries.retain(|entry| entry.id != path);
            }
        }
    }
}
