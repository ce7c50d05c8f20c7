//! Whoever keeps the checkpoints of a run: saves, sets aside, and removes what is superfluous, as the
//! daemon and its workers do it together, one operation after the other. What is done to files is done by
//! the crate itself; only who does what when is written here.

use crate::bugs::Bug;
use resus_checkpoint::foreign::{DiscardError, discard, set_aside};
use resus_checkpoint::retention::{Entry, Rules, plan};
use resus_checkpoint::{
    Compression, Draft, Element, Meta, Refusal, SaveError, SaveOptions, Section, newest_verified_with,
    remove_leftovers_with, save_with, verify_with,
};
use resus_disk::Disk;
use resus_disk::faulty::Faulty;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The folder of all checkpoints.
pub const FOLDER: &str = "/run/checkpoints";
/// Where damaged files go.
pub const DAMAGED: &str = "/run/checkpoints/damaged";

/// Something that was said or begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The checkpoint of this step is saved, it was said.
    Saved { step: u64, path: PathBuf },
    /// From here on the file at this path may be missing or another.
    GivenUp { path: PathBuf },
}

/// One run's checkpoints on a disk.
pub struct Keeper {
    /// Counts operations and can crash.
    pub faulty: Faulty,
    /// The same, or a wrapper around it.
    pub disk: Arc<dyn Disk>,
    pub bug: Option<Bug>,
    /// The step that a worker begins from, which must stay.
    pub pointer: Option<u64>,
    /// Each with the number of operations done before.
    pub history: Mutex<Vec<(usize, Event)>>,
    /// The checkpoints that were announced: a file of which nobody said that it is saved counts for
    /// nothing, however whole it looks now.
    catalogue: Mutex<BTreeMap<PathBuf, u64>>,
}

/// What a restore found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The step to go on from.
    pub chosen: Option<u64>,
    /// How many files could not be read.
    pub unread: usize,
}

/// The name of a step's checkpoint.
pub fn path_of(step: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("step-{step:04}.prsm"))
}

/// What is saved at a step: some sectors long, never twice the same.
pub fn state(step: u64) -> Vec<u8> {
    let mut word = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word as u8
    };
    std::iter::repeat_with(next).take(2400).collect()
}

impl Keeper {
    /// Keeps what is on `faulty`, with a bug or without.
    pub fn of(faulty: &Faulty, bug: Option<Bug>) -> Self {
        let disk = crate::bugs::on(faulty, bug);
        let (history, catalogue) = (Mutex::default(), Mutex::default());
        Self { faulty: faulty.clone(), disk, bug, pointer: None, history, catalogue }
    }

    /// The same, knowing of the checkpoints of these steps.
    pub fn knowing(self, steps: &[u64]) -> Self {
        self.catalogue.lock().unwrap().extend(steps.iter().map(|step| (path_of(*step), *step)));
        self
    }

    /// The same, for a run that begins from that step.
    pub fn beginning_from(self, pointer: Option<u64>) -> Self {
        Self { pointer, ..self }
    }

    fn tell(&self, event: Event) {
        self.history.lock().unwrap().push((self.faulty.operations(), event));
    }

    /// Saves a step under its own name.
    pub fn save(&self, step: u64) -> Result<(), SaveError> {
        self.save_as(step, &path_of(step))
    }

    /// Saves a step under any name; what had that name is given up.
    pub fn save_as(&self, step: u64, path: &Path) -> Result<(), SaveError> {
        self.tell(Event::GivenUp { path: path.to_owned() });
        let name = path.file_name().and_then(OsStr::to_str).unwrap();
        let meta = Meta { step, writer: "crash tests".to_owned(), ..Meta::default() };
        let state = state(step);
        let (parts, element, compression) = (&[&state[..]][..], Element::Bytes, Compression::None);
        let sections = [Section { name: "state", element, parts, compression }];
        let draft = Draft { games: step, unix_time: 1_700_000_000, meta: &meta, sections: &sections };
        let options =
            SaveOptions { disk: Arc::clone(&self.disk), chunk_bytes: 512, ..SaveOptions::default() };
        let known = || self.catalogue.lock().unwrap();
        match save_with(&options, Path::new(FOLDER), name, &draft) {
            Ok(saved) => {
                known().insert(saved.path.clone(), step);
                self.tell(Event::Saved { step, path: saved.path });
                Ok(())
            }
            Err(error) => {
                // Which of the two is there is not known.
                known().remove(path);
                Err(error)
            }
        }
    }

    /// Saves a step; only where that went well is anything removed.
    pub fn save_and_retain(&self, step: u64, keep: usize) {
        if self.bug == Some(Bug::RetentionBeforeCommit) {
            // The one about to be saved is counted as if it were.
            let mut entries = self.entries();
            entries.push(Entry { verified: true, ..entry(&path_of(step), step) });
            drop(self.remove_superfluous(&entries, keep));
            drop(self.save(step));
        } else if self.save(step).is_ok() {
            // What could not be removed is tried again the next time.
            drop(self.retain(keep));
        }
    }

    /// Removes what is older than the newest `keep` verified ones, and not protected.
    pub fn retain(&self, keep: usize) -> Result<(), DiscardError> {
        self.remove_superfluous(&self.entries(), keep)
    }

    fn remove_superfluous(&self, entries: &[Entry<PathBuf>], keep: usize) -> Result<(), DiscardError> {
        for doomed in plan(entries, &Rules { keep_last: keep, ..Rules::default() }) {
            self.tell(Event::GivenUp { path: doomed.id.clone() });
            discard(&*self.disk, Path::new(FOLDER), &doomed.id)?;
            self.catalogue.lock().unwrap().remove(&doomed.id);
        }
        Ok(())
    }

    /// What is known, and whether it can be verified now; the bugs of a caller are in here.
    fn entries(&self) -> Vec<Entry<PathBuf>> {
        let known = self.catalogue.lock().unwrap().clone();
        let entries = known.into_iter().map(|(path, step)| {
            let verified =
                self.bug == Some(Bug::RetentionCountsUnverified) || verify_with(&*self.disk, &path).is_ok();
            let protected = self.pointer == Some(step) && self.bug != Some(Bug::RetentionForgetsThePointer);
            Entry { verified, protected, ..entry(&path, step) }
        });
        entries.collect()
    }

    /// Chooses what to go on from, and sets aside what is damaged.
    pub fn restore(&self) -> io::Result<Restored> {
        let picked = newest_verified_with(&*self.disk, Path::new(FOLDER), &[]);
        let picked = picked.map_err(|error| error.source)?;
        let mut unread = 0;
        for (path, refusal) in &picked.refused {
            if matches!(refusal, Refusal::Open(_) | Refusal::Read(_)) {
                // It may be whole: it is left where it is.
                unread += 1;
            } else {
                set_aside(&*self.disk, Path::new(FOLDER), path).map_err(io::Error::other)?;
            }
        }
        Ok(Restored { chosen: picked.chosen.map(|chosen| chosen.header.games), unread })
    }

    /// Restores, and says whether it is known now of every file what it is. Only then are names used
    /// again that files may have: one that could not be read would be replaced unseen.
    pub fn knows_all(&self) -> bool {
        self.restore().is_ok_and(|restored| restored.unread == 0)
    }

    /// What a worker does before its first save.
    pub fn remove_leftovers(&self) -> io::Result<()> {
        remove_leftovers_with(&*self.disk, Path::new(FOLDER)).map(drop)
    }
}

/// An entry of which nothing is known but where it lies.
fn entry(path: &Path, step: u64) -> Entry<PathBuf> {
    Entry {
        id: path.to_owned(),
        step,
        saved: 0,
        size_bytes: 0,
        verified: false,
        poisoned: false,
        protected: false,
        metric: None,
    }
}
