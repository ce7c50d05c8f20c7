//! What is done to checkpoints.

use crate::bugs::Bug;
use crate::keeper::{DAMAGED, FOLDER, Keeper, path_of};
use resus_disk::Disk;
use resus_disk::faulty::{Faulty, Plan};
use std::path::Path;

/// A workload, and what is there before it.
#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    /// The steps that are saved beforehand.
    pub before: &'static [u64],
    /// Which of them are damaged then: a byte of each is flipped.
    pub damaged: &'static [u64],
    /// What is done. An error ends nothing: the next thing is tried.
    pub run: fn(&Keeper),
    /// Whether damaged files are set aside.
    pub restores: bool,
    /// Whether some were set aside earlier.
    pub older_damage: bool,
    /// How many verified ones there always are, once there were so many.
    pub keep: usize,
    /// The step that a worker begins from, if retention has to know.
    pub pointer: Option<u64>,
}

/// All of them.
pub const WORKLOADS: [Workload; 9] = [
    Workload {
        name: "save over nothing",
        before: &[],
        damaged: &[],
        run: |keeper| drop(keeper.save(1)),
        restores: false,
        older_damage: true,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "save next to older ones",
        before: &[1, 2],
        damaged: &[],
        run: |keeper| drop(keeper.save(3)),
        restores: false,
        older_damage: true,
        keep: 3,
        pointer: None,
    },
    Workload {
        name: "save of the same name",
        before: &[1],
        damaged: &[],
        run: |keeper| {
            drop(keeper.save_as(2, &path_of(1)));
            drop(keeper.save_as(3, &path_of(1)));
        },
        restores: false,
        older_damage: true,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "retention of one",
        before: &[1],
        damaged: &[],
        run: |keeper| (2..=4).for_each(|step| keeper.save_and_retain(step, 1)),
        restores: false,
        older_damage: true,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "retention of two, among damaged ones",
        before: &[1, 2, 3, 4, 5],
        damaged: &[4, 5],
        run: |keeper| (6..=8).for_each(|step| keeper.save_and_retain(step, 2)),
        restores: false,
        older_damage: true,
        keep: 2,
        pointer: None,
    },
    Workload {
        name: "retention while newer ones are damaged",
        before: &[1, 2, 3, 4],
        damaged: &[3, 4],
        run: |keeper| drop(keeper.retain(1)),
        restores: false,
        older_damage: true,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "restore with damaged ones, the first there are",
        before: &[1, 2, 3],
        damaged: &[2, 3],
        run: |keeper| {
            drop(keeper.restore());
            drop(keeper.save(4));
        },
        restores: true,
        older_damage: false,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "restore with damaged ones, then save under their names",
        before: &[1, 2, 3],
        damaged: &[2, 3],
        run: |keeper| {
            drop(keeper.remove_leftovers());
            if keeper.knows_all() {
                drop(keeper.save(2));
            }
            if keeper.knows_all() {
                drop(keeper.save(3));
            }
        },
        restores: true,
        older_damage: true,
        keep: 1,
        pointer: None,
    },
    Workload {
        name: "retention while a worker begins from an older one",
        before: &[1, 2, 3],
        damaged: &[],
        run: |keeper| (4..=5).for_each(|step| keeper.save_and_retain(step, 2)),
        restores: false,
        older_damage: true,
        keep: 2,
        pointer: Some(1),
    },
];

impl Workload {
    /// Whoever does it, on a disk as [`Workload::begin`] makes it.
    pub fn keeper(&self, disk: &Faulty, bug: Option<Bug>) -> Keeper {
        Keeper::of(disk, bug).knowing(self.before).beginning_from(self.pointer)
    }

    /// A disk as it is before the workload, all of it durable.
    pub fn begin(&self) -> Faulty {
        let faulty = Faulty::new(Plan::default());
        faulty.plant_folder(Path::new(FOLDER)).unwrap();
        let keeper = Keeper::of(&faulty, None);
        self.before.iter().for_each(|step| keeper.save(*step).unwrap());
        faulty.settle(Plan::default());
        if self.older_damage {
            faulty.plant_folder(Path::new(DAMAGED)).unwrap();
            // Their names come up again.
            for name in ["step-0002.prsm", "step-0002.prsm.1"] {
                let older = [b"older ", name.as_bytes()].concat();
                faulty.plant_file(&Path::new(DAMAGED).join(name), &older).unwrap();
            }
        }
        for step in self.damaged {
            // Far enough behind the head to leave it readable.
            faulty.corrupt(&path_of(*step), |bytes| bytes[1000] ^= 0x10).unwrap();
        }
        faulty
    }

    /// The content of every file that is damaged beforehand.
    pub fn precious(&self, begin: &Faulty) -> Vec<Vec<u8>> {
        let aside = begin.copy(Plan::default()).list(Path::new(DAMAGED), 1_000).unwrap_or_default();
        let aside = aside.iter().map(|name| Path::new(DAMAGED).join(name));
        let own = self.damaged.iter().map(|step| path_of(*step));
        // Retention removes what is damaged once it is older than all that stays; a restore comes first
        // and sets it aside.
        let own = own.filter(|_| self.restores);
        aside.chain(own).map(|path| begin.content(&path).unwrap()).collect()
    }

    /// The steps that are whole beforehand.
    pub fn whole_before(&self) -> impl Iterator<Item = u64> {
        self.before.iter().filter(|step| !self.damaged.contains(step)).copied()
    }
}
