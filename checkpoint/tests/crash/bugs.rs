//! Planted bugs: each of them must break a promise that [`crate::oracle`] checks. One that goes unnoticed
//! is a hole in the checks.

use crate::keeper::Keeper;
use crate::power::explore;
use crate::workloads::{WORKLOADS, Workload};
use crate::wrapper::{Meddled, Meddler};
use resus_disk::faulty::{Call, Faulty, Plan};
use resus_disk::{Disk, DiskFile};
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    NoSyncBeforeRename,
    NoSyncOfFolder,
    SyncRetried,
    RetentionBeforeCommit,
    RetentionCountsUnverified,
    RetentionFromTheNewest,
    AsideBeforeItsFolder,
    AsideOverwrites,
}

const BUGS: [(Bug, &str); 8] = [
    (Bug::NoSyncBeforeRename, "no fsync before the rename"),
    (Bug::NoSyncOfFolder, "no fsync of the folder"),
    (Bug::SyncRetried, "fsync retried after EIO"),
    (Bug::RetentionBeforeCommit, "retention before the commit"),
    (Bug::RetentionCountsUnverified, "retention counts unverified files"),
    (Bug::RetentionFromTheNewest, "retention deletes the pointer's target"),
    (Bug::AsideBeforeItsFolder, "set aside into a folder that may be lost"),
    (Bug::AsideOverwrites, "set aside over an older damaged file"),
];

#[derive(Debug)]
struct Mistaken(Bug);

impl Meddler for Mistaken {
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        match self.0 {
            Bug::NoSyncBeforeRename => Ok(()),
            Bug::SyncRetried => file.sync().or_else(|_| file.sync()),
            Bug::NoSyncOfFolder
            | Bug::RetentionBeforeCommit
            | Bug::RetentionCountsUnverified
            | Bug::RetentionFromTheNewest
            | Bug::AsideBeforeItsFolder
            | Bug::AsideOverwrites => file.sync(),
        }
    }

    fn sync_folder(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        if self.0 == Bug::NoSyncOfFolder { Ok(()) } else { disk.sync_folder(folder) }
    }
}

/// The disk as somebody with that bug uses it.
pub fn on(faulty: &Faulty, bug: Option<Bug>) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    match bug {
        Some(bug) => Arc::new(Meddled { disk, meddler: Arc::new(Mistaken(bug)) }),
        None => disk,
    }
}

/// Some bugs show only where something fails: each sync once, then.
fn plans(workload: &Workload, bug: Bug) -> Vec<Plan> {
    if bug != Bug::SyncRetried {
        return vec![Plan::default()];
    }
    let begin = workload.begin();
    (workload.run)(&Keeper::of(&begin, None).knowing(workload.before));
    let log = begin.log();
    let syncs = log.iter().enumerate().filter(|(_, operation)| operation.call == Call::Sync);
    syncs.map(|(n, _)| Plan::fail(n, Errno::IO)).collect()
}

#[test]
fn every_planted_bug_is_caught() {
    println!("planted bug | caught by | workload | states");
    let mut uncaught = Vec::new();
    for (bug, name) in BUGS {
        let mut states = 0;
        let caught = WORKLOADS.iter().find_map(|workload| {
            plans(workload, bug).into_iter().find_map(|plan| {
                let explored = explore(workload, plan, Some(bug));
                states += explored.states;
                Some((workload.name, explored.broken?))
            })
        });
        match caught {
            Some((workload, broken)) => {
                let broken = broken.split(';').next().unwrap_or_default();
                println!("{name} | {broken} | {workload} | {states}");
            }
            None => uncaught.push(name),
        }
    }
    assert!(uncaught.is_empty(), "uncaught: {uncaught:?}");
}
