//! What must be true of a folder of checkpoints that is found after whatever happened.

use crate::keeper::{DAMAGED, Event, FOLDER, path_of, state};
use crate::workloads::Workload;
use resus_checkpoint::{Refusal, load_with, newest_verified_with, verify_with};
use resus_disk::Disk;
use resus_disk::faulty::Faulty;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A broken promise, with the name of the invariant first.
pub type Broken = String;

/// The files that must be there, bit by bit, after the first `operations` operations: path and step.
pub fn promised(
    workload: &Workload,
    history: &[(usize, Event)],
    operations: usize,
) -> BTreeMap<PathBuf, u64> {
    let mut promised: BTreeMap<PathBuf, u64> =
        workload.whole_before().map(|step| (path_of(step), step)).collect();
    for (at, event) in history {
        match event {
            // What is given up may be gone from that operation on, not only after it.
            Event::GivenUp { path } if *at < operations => drop(promised.remove(path)),
            Event::Saved { step, path } if *at <= operations => drop(promised.insert(path.clone(), *step)),
            Event::GivenUp { .. } | Event::Saved { .. } => {}
        }
    }
    promised
}

/// How many steps were saved after the first `operations` operations, whatever became of them.
fn ever_saved(workload: &Workload, history: &[(usize, Event)], operations: usize) -> Vec<u64> {
    let saved = history.iter().filter_map(|(at, event)| match event {
        Event::Saved { step, .. } if *at <= operations => Some(*step),
        Event::Saved { .. } | Event::GivenUp { .. } => None,
    });
    workload.whole_before().chain(saved).collect()
}

/// Loads a file and compares every byte. None if it is refused.
pub fn loads(disk: &dyn Disk, path: &Path) -> Result<Option<u64>, Broken> {
    let loaded = match load_with(disk, path, u64::MAX) {
        Ok(loaded) => loaded,
        Err(_) => return Ok(None),
    };
    let step = loaded.header.games;
    let same = loaded.sections.first().is_some_and(|section| section.bytes == state(step));
    if same { Ok(Some(step)) } else { Err(format!("I4: {} loads wrong numbers", path.display())) }
}

/// A run of a workload that is to be judged.
pub struct Trial<'a> {
    pub workload: &'a Workload,
    /// What nobody may lose although it is damaged.
    pub precious: &'a [Vec<u8>],
    pub history: &'a [(usize, Event)],
}

impl Trial<'_> {
    /// I4, I5, I6 and I20 of what is found on `disk` when the power went after so many operations.
    pub fn check(&self, disk: &Faulty, operations: usize) -> Result<(), Broken> {
        for (path, step) in promised(self.workload, self.history, operations) {
            if loads(disk, &path)? != Some(step) {
                return Err(format!("I5: step {step} was saved and does not load: {}", why(disk, &path)));
            }
        }
        if let Some(step) = self.workload.pointer
            && loads(disk, &path_of(step))? != Some(step)
        {
            return Err(format!("I6: step {step}, from which a worker begins, is gone"));
        }
        let saved = ever_saved(self.workload, self.history, operations);
        match (saved.iter().max(), newest(disk)?) {
            (Some(saved), None) => return Err(format!("I6: step {saved} was saved, none is found")),
            (Some(saved), Some(found)) if found < *saved => {
                return Err(format!("I5: step {saved} was saved, {found} is the newest that is found"));
            }
            (Some(_) | None, _) => {}
        }
        let mut whole = 0;
        for name in disk.list(Path::new(FOLDER), 1_000).unwrap() {
            let path = Path::new(FOLDER).join(name);
            whole += usize::from(path.extension().is_some() && loads(disk, &path)?.is_some());
        }
        let wanted = distinct(&saved, self.workload);
        if whole < wanted {
            return Err(format!("I6: {whole} whole ones are found, {wanted} are to be kept"));
        }
        self.damaged_are_kept(disk)
    }

    /// I20: the bytes of every damaged file are still somewhere.
    fn damaged_are_kept(&self, disk: &Faulty) -> Result<(), Broken> {
        let mut found = Vec::new();
        for folder in [FOLDER, DAMAGED] {
            for name in disk.list(Path::new(folder), 1_000).unwrap_or_default() {
                found.extend(disk.content(&Path::new(folder).join(name)).ok());
            }
        }
        let lost = self.precious.iter().filter(|bytes| !found.contains(bytes)).count();
        if lost == 0 { Ok(()) } else { Err(format!("I20: {lost} damaged files are lost")) }
    }
}

/// Steps that were saved under names of their own.
fn distinct(saved: &[u64], workload: &Workload) -> usize {
    let mut saved = saved.to_vec();
    saved.sort_unstable();
    saved.dedup();
    saved.len().min(workload.keep)
}

/// What a restore would choose, loaded.
pub fn newest(disk: &dyn Disk) -> Result<Option<u64>, Broken> {
    let picked = newest_verified_with(disk, Path::new(FOLDER), &[]).map_err(|error| error.to_string())?;
    let Some(chosen) = picked.chosen else { return Ok(None) };
    match loads(disk, &chosen.path)? {
        Some(step) if step == chosen.header.games => Ok(Some(step)),
        loaded => Err(format!("I4: {} was chosen and loads as {loaded:?}", chosen.path.display())),
    }
}

fn why(disk: &Faulty, path: &Path) -> String {
    match verify_with(disk, path) {
        Ok(verified) => format!("it is step {}", verified.header.games),
        Err(Refusal::Open(error)) => error.to_string(),
        Err(refusal) => refusal.to_string(),
    }
}
