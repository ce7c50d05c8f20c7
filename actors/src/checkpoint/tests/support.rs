//! A run's folders, and checkpoints in them.

use super::super::files::{Files, named};
use super::super::foreign::register_now;
use resus_checkpoint::{Compression, Draft, Element, Meta, Section};
use resus_core::checkpoint::Health;
use resus_core::input::{CheckpointRef, CheckpointRefusal, Fact};
use resus_disk::Real;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Run {
    pub(super) files: Files,
    pub(super) folder: tempfile::TempDir,
}

impl Run {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("checkpoints");
        fs::create_dir(&checkpoints).unwrap();
        let manifests = folder.path().join("manifests");
        Self { files: Files { disk: Arc::new(Real), checkpoints, manifests }, folder }
    }

    /// A path in the run's folder.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.files.checkpoints.join(name)
    }

    /// A path beside it.
    pub(super) fn elsewhere(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves one of our own format.
    pub(super) fn saved(&self, games: u64) -> CheckpointRef {
        let name = format!("ck-{games:06}.prsm");
        save(&self.files.checkpoints, &name, games);
        CheckpointRef { step: Some(games as f64), ..named(&self.own(&name)) }
    }

    /// Writes one of another framework and catalogues it.
    pub(super) fn foreign(&self, path: &Path, step: u64) -> CheckpointRef {
        fs::write(path, zip(format!("weights of step {step}").as_bytes())).unwrap();
        register_now(&self.files, &announced(path, step), Duration::ZERO).unwrap()
    }

    /// Names in the folder of damaged ones.
    pub(super) fn damaged(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.own("damaged")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

pub(super) fn save(folder: &Path, name: &str, games: u64) {
    save_with(folder, name, &Meta { step: games, ..Meta::default() });
}

pub(super) fn save_with(folder: &Path, name: &str, meta: &Meta) {
    let part: &[u8] = b"tables";
    let element = Element::Bytes;
    let section = Section { name: "a", element, parts: &[part], compression: Compression::None };
    let draft = Draft { games: meta.step, unix_time: 0, meta, sections: &[section] };
    resus_checkpoint::save(folder, name, &draft).unwrap();
}

pub(super) fn announced(path: &Path, step: u64) -> CheckpointRef {
    CheckpointRef { step: Some(step as f64), ..named(path) }
}

pub(super) fn poisoned(checkpoint: CheckpointRef) -> CheckpointRef {
    CheckpointRef { health: Health::NotFinite, ..checkpoint }
}

/// The smallest file that looks like one of `torch.save`.
pub(super) fn zip(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(content);
    let directory_at = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02");
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 8]);
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(directory_at.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// Changes one bit of a file's last byte, which no reading of its beginning finds.
pub(super) fn flip(path: &str) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

pub(super) fn picked(fact: Fact) -> (Option<CheckpointRef>, Vec<CheckpointRefusal>) {
    match fact {
        Fact::CheckpointPicked { chosen, refused } => (chosen, refused),
        other => panic!("{other:?}"),
    }
}

pub(super) fn ids(checkpoints: &[CheckpointRef]) -> Vec<&str> {
    checkpoints.iter().map(|checkpoint| checkpoint.checkpoint_id.as_str()).collect()
}
