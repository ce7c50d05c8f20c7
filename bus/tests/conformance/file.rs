//! Files of events, heard by reading them.

use crate::suite::{Bench, Fallible, address};
use resus_bus::file::{FILE, Limits, OLDER_FILE, RunFiles};
use resus_bus::subject::run_of_event;
use std::fs;
use std::path::PathBuf;

/// Room for the largest event, and for turning over in the midst of a test.
const LIMITS: Limits = Limits { file_bytes_max: 100_000, open_max: 2 };

pub struct Hearing {
    root: tempfile::TempDir,
}

impl Default for Hearing {
    fn default() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }
}

impl Hearing {
    fn file(&self, subject: &str, name: &str) -> PathBuf {
        self.root.path().join(run_of_event(subject).unwrap().as_str()).join(name)
    }
}

impl Bench for Hearing {
    type Bus = RunFiles;

    async fn bus(&self) -> RunFiles {
        let root = self.root.path().to_owned();
        let folder_of = move |run: &resus_core::ids::RunId| {
            let folder = root.join(run.as_str());
            fs::create_dir_all(&folder).unwrap();
            Some(folder)
        };
        RunFiles::new(folder_of, LIMITS)
    }

    async fn heard(&self, subject: &str, _count: usize) -> Option<Vec<String>> {
        let text = |name| fs::read_to_string(self.file(subject, name)).unwrap_or_default();
        let whole = text(OLDER_FILE) + &text(FILE);
        assert!(whole.is_empty() || whole.ends_with('\n'));
        Some(whole.lines().map(str::to_owned).collect())
    }
}

impl Fallible for Hearing {
    fn too_large(&self) -> usize {
        usize::try_from(LIMITS.file_bytes_max).unwrap()
    }

    async fn take_away(&self) {
        let subject = address("w", "run");
        fs::rename(self.file(&subject, FILE), self.file(&subject, OLDER_FILE)).unwrap();
        // Writing to it fails as on a disk without room.
        std::os::unix::fs::symlink("/dev/full", self.file(&subject, FILE)).unwrap();
    }

    async fn bring_back(&self) {
        fs::remove_file(self.file(&address("w", "run"), FILE)).unwrap();
    }
}
