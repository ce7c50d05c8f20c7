//! Planted bugs: each of them must break a promise that [`crate::oracle`] checks. One that goes unnoticed
//! is a hole in the checks.
//!
//! All are planted from outside, into the crate's own code: by a disk that leaves a step out or does
//! another one in its place, and by what retention is told. A reader that skips a check cannot be planted
//! so: [`load`](resus_checkpoint::load) hashes the very bytes it returns, in one read. In place of such
//! bugs [`crate::flips`] has files that only the one check can refuse.

use crate::keeper::{DAMAGED, FOLDER};
use crate::power::explore;
use crate::workloads::{WORKLOADS, Workload};
use resus_disk::faulty::{Call, Faulty, Meddled, Meddler, Plan};
use resus_disk::{Disk, DiskFile};
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    NoSyncBeforeRename,
    NoSyncOfFolder,
    SyncRetried,
    ReadsBackTheCache,
    RemovesBeforeTheSync,
    RetentionBeforeCommit,
    RetentionCountsUnverified,
    RetentionForgetsThePointer,
    AsideBeforeItsFolder,
    AsideOverwrites,
}

/// What is done wrong, and where: in the disk, or in what retention is told.
const BUGS: [(Bug, &str); 10] = [
    (Bug::NoSyncBeforeRename, "no fsync before the rename"),
    (Bug::NoSyncOfFolder, "no fsync of the folder"),
    (Bug::SyncRetried, "fsync retried after EIO"),
    (Bug::ReadsBackTheCache, "read back from the cache, not the medium"),
    (Bug::RemovesBeforeTheSync, "older ones removed before the new name is synced"),
    (Bug::RetentionBeforeCommit, "retention before the commit"),
    (Bug::RetentionCountsUnverified, "retention counts unverified files"),
    (Bug::RetentionForgetsThePointer, "retention deletes the pointer's target"),
    (Bug::AsideBeforeItsFolder, "set aside into a folder that may be lost"),
    (Bug::AsideOverwrites, "set aside over an older damaged file"),
];

/// Does what is asked, but for one mistake.
#[derive(Debug)]
struct Mistaken {
    bug: Bug,
    /// The next sync of the folder of checkpoints is left out.
    skips_sync: AtomicBool,
}

impl Mistaken {
    fn has(&self, bug: Bug) -> bool {
        self.bug == bug
    }
}

impl Meddler for Mistaken {
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        if self.has(Bug::NoSyncBeforeRename) {
            return Ok(());
        }
        let synced = file.sync();
        if self.has(Bug::SyncRetried) { synced.or_else(|_| file.sync()) } else { synced }
    }

    fn drop_cache(&self, file: &dyn DiskFile) {
        if !self.has(Bug::ReadsBackTheCache) {
            file.drop_cache();
        }
    }

    fn sync_folder(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let skips = folder == Path::new(FOLDER) && self.skips_sync.swap(false, Ordering::Relaxed);
        if skips || self.has(Bug::NoSyncOfFolder) { Ok(()) } else { disk.sync_folder(folder) }
    }

    fn make_folder(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.make_folder(path)?;
        self.skips_sync.store(self.has(Bug::AsideBeforeItsFolder), Ordering::Relaxed);
        Ok(())
    }

    fn rename(&self, disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
        disk.rename(from, to)?;
        self.skips_sync.fetch_or(self.has(Bug::RemovesBeforeTheSync), Ordering::Relaxed);
        Ok(())
    }

    fn rename_new(&self, disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
        if self.has(Bug::AsideOverwrites) && to.starts_with(DAMAGED) {
            return disk.rename(from, to);
        }
        disk.rename_new(from, to)?;
        self.skips_sync.fetch_or(self.has(Bug::RemovesBeforeTheSync), Ordering::Relaxed);
        Ok(())
    }
}

/// The disk as somebody with that bug uses it.
pub fn on(faulty: &Faulty, bug: Option<Bug>) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    match bug {
        Some(bug) => {
            let skips_sync = AtomicBool::new(false);
            Arc::new(Meddled::new(disk, Arc::new(Mistaken { bug, skips_sync })))
        }
        None => disk,
    }
}

/// Some bugs show only where something goes wrong: with each sync of a file once, then.
fn plans(workload: &Workload, bug: Bug) -> Vec<Plan> {
    match bug {
        Bug::SyncRetried => at_each_sync(workload, |n| Plan::fail(n, Errno::IO)),
        Bug::ReadsBackTheCache => at_each_sync(workload, |n| Plan::rot_after_sync(n, 1000)),
        Bug::NoSyncBeforeRename
        | Bug::NoSyncOfFolder
        | Bug::RemovesBeforeTheSync
        | Bug::RetentionBeforeCommit
        | Bug::RetentionCountsUnverified
        | Bug::RetentionForgetsThePointer
        | Bug::AsideBeforeItsFolder
        | Bug::AsideOverwrites => vec![Plan::default()],
    }
}

/// A plan for each sync of a file that the workload does.
pub fn at_each_sync(workload: &Workload, plan: impl Fn(usize) -> Plan) -> Vec<Plan> {
    let begin = workload.begin();
    (workload.run)(&workload.keeper(&begin, None));
    let log = begin.log();
    let syncs = log.iter().enumerate().filter(|(_, operation)| operation.call == Call::Sync);
    syncs.map(|(n, _)| plan(n)).collect()
}

#[test]
fn every_planted_bug_is_caught() {
    println!("planted bug | caught by | workload | states");
    let mut uncaught = Vec::new();
    for (bug, name) in BUGS {
        let mut states = 0;
        let caught = WORKLOADS.iter().find_map(|workload| {
            plans(workload, bug).into_iter().find_map(|plan| {
                // The same without the bug breaks nothing: it is the bug that is caught.
                let explored = explore(workload, plan.clone(), Some(bug));
                states += explored.states;
                let broken = explored.broken?;
                assert_eq!(explore(workload, plan, None).broken, None, "without the bug, {name}");
                Some((workload.name, broken))
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
