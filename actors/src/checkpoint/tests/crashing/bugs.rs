//! Planted bugs: disks that do a step otherwise than asked, and retention that is told wrong things. The
//! same trials that find nothing must find each of them.

use super::explore::{Explored, explore, plainly};
use super::scenes::{
    DAMAGED, SCENES, Scene, Stage, check_all, damaged, damaged_again, entries, retain, whole,
};
use crate::checkpoint::files::Files;
use resus_core::input::Fact;
use resus_core::retention::RetentionEntry;
use resus_disk::faulty::{Faulty, Meddled, Meddler};
use resus_disk::{Disk, DiskFile};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    NoSyncOfFolder,
    AsideBeforeItsFolder,
    AsideOverwrites,
    AsideDeletes,
    VerifiesTheCache,
}

const OF_DISK: [(Bug, &str); 5] = [
    (Bug::NoSyncOfFolder, "no fsync of the folder"),
    (Bug::AsideBeforeItsFolder, "set aside into a folder that may be lost"),
    (Bug::AsideOverwrites, "set aside over an older damaged file"),
    (Bug::AsideDeletes, "damaged ones deleted, not set aside"),
    (Bug::VerifiesTheCache, "verified from the cache, not the medium"),
];

#[derive(Debug)]
struct Mistaken {
    bug: Bug,
    /// The next sync of a folder is left out.
    skips_sync: AtomicBool,
}

impl Meddler for Mistaken {
    fn drop_cache(&self, file: &dyn DiskFile) {
        if self.bug != Bug::VerifiesTheCache {
            file.drop_cache();
        }
    }

    fn make_folder(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.make_folder(path)?;
        self.skips_sync.store(self.bug == Bug::AsideBeforeItsFolder, Ordering::Relaxed);
        Ok(())
    }

    fn sync_folder(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let skips = self.skips_sync.swap(false, Ordering::Relaxed) || self.bug == Bug::NoSyncOfFolder;
        if skips { Ok(()) } else { disk.sync_folder(folder) }
    }

    fn rename_new(&self, disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
        let is_aside = to.starts_with(DAMAGED);
        match self.bug {
            Bug::AsideOverwrites if is_aside => disk.rename(from, to),
            Bug::AsideDeletes if is_aside => disk.remove(from),
            Bug::NoSyncOfFolder
            | Bug::AsideBeforeItsFolder
            | Bug::AsideOverwrites
            | Bug::AsideDeletes
            | Bug::VerifiesTheCache => disk.rename_new(from, to),
        }
    }
}

fn with(bug: Bug) -> impl Fn(&Faulty) -> Arc<dyn Disk> {
    move |disk| {
        let mistaken = Arc::new(Mistaken { bug, skips_sync: AtomicBool::new(false) });
        Arc::new(Meddled::new(Arc::new(disk.clone()), mistaken))
    }
}

/// What retention is told if nothing was checked: all that was announced counts as verified.
fn unchecked(stage: &Stage) -> Vec<RetentionEntry> {
    let verified = |checkpoint| RetentionEntry { checkpoint, verified: true, protected: false };
    let mut entries: Vec<_> = stage.known.iter().cloned().map(verified).collect();
    entries[0].protected = true;
    entries
}

fn counts_unverified(stage: &Stage, files: &Files) -> Vec<Fact> {
    retain(files, &unchecked(stage))
}

fn before_the_check(stage: &Stage, files: &Files) -> Vec<Fact> {
    [retain(files, &unchecked(stage)), check_all(stage, files)].concat()
}

fn forgets_the_pointer(stage: &Stage, files: &Files) -> Vec<Fact> {
    let unprotected = |entry| RetentionEntry { protected: false, ..entry };
    retain(files, &entries(stage).into_iter().map(unprotected).collect::<Vec<_>>())
}

const OF_RETENTION: [Scene; 3] = [
    Scene {
        name: "retention counts unverified files",
        stage: damaged_again,
        act: counts_unverified,
        retains: true,
    },
    Scene { name: "retention before the check", stage: damaged, act: before_the_check, retains: true },
    Scene {
        name: "retention deletes the pointer's target",
        stage: whole,
        act: forgets_the_pointer,
        retains: true,
    },
];

#[test]
fn every_planted_bug_is_caught() {
    println!("planted bug | caught by | scene | states");
    let mut uncaught = Vec::new();
    let mut judge = |name, found: Option<(&str, String)>, states: usize| match found {
        Some((scene, broken)) => {
            println!("{name} | {} | {scene} | {states}", broken.split(';').next().unwrap_or_default());
        }
        None => uncaught.push(name),
    };
    for (bug, name) in OF_DISK {
        let mut states = 0;
        let found = SCENES.iter().find_map(|scene| {
            let Explored { trials, broken } = explore(scene, &with(bug));
            states += trials;
            Some((scene.name, broken?))
        });
        judge(name, found, states);
    }
    for scene in &OF_RETENTION {
        let Explored { trials, broken } = explore(scene, &plainly);
        judge(scene.name, broken.map(|broken| ("itself", broken)), trials);
    }
    assert!(uncaught.is_empty(), "uncaught: {uncaught:?}");
}
