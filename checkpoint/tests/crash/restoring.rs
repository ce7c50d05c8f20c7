//! Retention removes what is being restored, at every moment of the restore.

use crate::keeper::{Keeper, path_of, state};
use crate::workloads::WORKLOADS;
use resus_checkpoint::{Refusal, load_with, newest_verified_with};
use resus_disk::Disk;
use resus_disk::faulty::{Faulty, Meddled, Meddler, Plan};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Removes everything but the newest just before the n-th read.
#[derive(Debug)]
struct Remover {
    faulty: Faulty,
    reads: AtomicUsize,
    at: usize,
    known: &'static [u64],
}

impl Meddler for Remover {
    fn before_read(&self) {
        if self.reads.fetch_add(1, Ordering::Relaxed) == self.at {
            Keeper::of(&self.faulty, None).knowing(self.known).retain(1).unwrap();
        }
    }
}

#[test]
fn a_checkpoint_that_goes_while_it_is_read_is_whole_or_gone() {
    // Steps 1 and 2; retention wants to keep 2 alone.
    let (begin, known) = (WORKLOADS[1].begin(), WORKLOADS[1].before);
    let mut moments = 0;
    for at in 0.. {
        let faulty = begin.copy(Plan::default());
        let remover = Arc::new(Remover { faulty: faulty.clone(), reads: AtomicUsize::new(0), at, known });
        let disk = Meddled::new(Arc::new(faulty.clone()), Arc::clone(&remover));
        match load_with(&disk, &path_of(1), u64::MAX) {
            Ok(loaded) => assert_eq!(loaded.sections[0].bytes, state(1)),
            Err(Refusal::Open(error)) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
            Err(refusal) => panic!("removed before read {at}: {refusal}"),
        }
        if remover.reads.load(Ordering::Relaxed) <= at {
            break;
        }
        moments += 1;
        let folder = Path::new(crate::keeper::FOLDER);
        assert!(faulty.look_at(&path_of(1)).is_err(), "it was removed");
        let picked = newest_verified_with(&faulty, folder, &[]).unwrap();
        assert_eq!(picked.chosen.unwrap().header.games, 2);
    }
    println!("D14, removed before each of {moments} reads of a restore: 0 violations");
    assert!(moments > 2, "{moments}");
}

#[test]
fn a_search_goes_on_when_what_it_looks_at_is_removed() {
    let (begin, known) = (WORKLOADS[4].begin(), WORKLOADS[4].before);
    let mut moments = 0;
    for at in 0.. {
        let faulty = begin.copy(Plan::default());
        let remover = Arc::new(Remover { faulty: faulty.clone(), reads: AtomicUsize::new(0), at, known });
        let disk = Meddled::new(Arc::new(faulty.clone()), Arc::clone(&remover));
        let picked = newest_verified_with(&disk, Path::new(crate::keeper::FOLDER), &[]).unwrap();
        assert_eq!(picked.chosen.map(|chosen| chosen.header.games), Some(3), "removed before read {at}");
        if remover.reads.load(Ordering::Relaxed) <= at {
            break;
        }
        moments += 1;
    }
    println!("D14, retention before each of {moments} reads of a search: 0 violations");
    assert!(moments > 5, "{moments}");
}
