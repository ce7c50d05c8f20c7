//! A run's folder on a faulty disk, and what is done to it.

use crate::checkpoint::check;
use crate::checkpoint::files::{Files, named};
use crate::checkpoint::foreign::{self, register_now};
use crate::checkpoint::jobs::Outcome;
use crate::checkpoint::pick::{Asked, pick};
use crate::checkpoint::prune::prune;
use crate::checkpoint::restore::restore;
use crate::checkpoint::tests::support::{announced, zip};
use resus_checkpoint::{Compression, Draft, Element, Meta, SaveOptions, Section, save_with};
use resus_core::input::{CheckpointRef, Fact};
use resus_core::policy::{Extreme, RetentionPolicy};
use resus_core::retention::RetentionEntry;
use resus_disk::Disk;
use resus_disk::faulty::{Faulty, Plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

pub(super) const CHECKPOINTS: &str = "/run/checkpoints";
pub(super) const DAMAGED: &str = "/run/checkpoints/damaged";
const MANIFESTS: &str = "/run/manifests";

/// A disk with checkpoints, and what is known of them.
pub(super) struct Stage {
    pub(super) disk: Faulty,
    /// The catalogue, oldest first.
    pub(super) known: Vec<CheckpointRef>,
    /// Every whole checkpoint: its files and their bytes.
    pub(super) whole: BTreeMap<PathBuf, BTreeMap<PathBuf, Vec<u8>>>,
    /// The damaged ones of the run, and what was set aside earlier: the same.
    pub(super) damaged: BTreeMap<PathBuf, BTreeMap<PathBuf, Vec<u8>>>,
}

/// Something that is done to a stage.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) stage: fn() -> Stage,
    pub(super) act: fn(&Stage, &Files) -> Vec<Fact>,
    /// Whether retention is among it: then what it names may be gone.
    pub(super) retains: bool,
}

const fn scene(name: &'static str, stage: fn() -> Stage, act: fn(&Stage, &Files) -> Vec<Fact>) -> Scene {
    Scene { name, stage, act, retains: false }
}

const fn retaining(name: &'static str, stage: fn() -> Stage, act: fn(&Stage, &Files) -> Vec<Fact>) -> Scene {
    Scene { name, stage, act, retains: true }
}

pub(super) const SCENES: [Scene; 7] = [
    scene("pick among damaged ones", damaged, |stage, files| vec![choose(stage, files)]),
    scene("pick, the names of damaged ones are taken", damaged_again, |stage, files| {
        vec![choose(stage, files), choose(stage, files)]
    }),
    scene("pick, the newest rots under the cache", rotten, |stage, files| vec![choose(stage, files)]),
    scene("check announced ones", damaged, check_all),
    scene("restore, then pick", damaged_again, restore_and_pick),
    retaining("retention of two and the pointer's target", whole, |stage, files| {
        retain(files, &entries(stage))
    }),
    retaining("pick and retention", damaged, |stage, files| {
        let picked = choose(stage, files);
        [vec![picked], retain(files, &entries(stage))].concat()
    }),
];

pub(super) fn files(disk: Arc<dyn Disk>) -> Files {
    Files { disk, checkpoints: CHECKPOINTS.into(), manifests: MANIFESTS.into() }
}

pub(super) fn own(name: &str) -> PathBuf {
    Path::new(CHECKPOINTS).join(name)
}

impl Stage {
    fn empty() -> Self {
        let disk = Faulty::new(Plan::default());
        disk.plant_folder(Path::new(CHECKPOINTS)).unwrap();
        Self { disk, known: Vec::new(), whole: BTreeMap::new(), damaged: BTreeMap::new() }
    }

    fn files(&self) -> Files {
        files(Arc::new(self.disk.clone()))
    }

    /// Our own format, a few sectors long.
    fn save(&mut self, step: u64) {
        let name = format!("ck-{step:04}.prsm");
        let state: Vec<u8> = (0..1500_u64).map(|byte| (byte * 7 + step * 13) as u8).collect();
        let meta = Meta { step, ..Meta::default() };
        let parts: &[&[u8]] = &[&state];
        let section = Section { name: "a", element: Element::Bytes, parts, compression: Compression::None };
        let draft = Draft { games: step, unix_time: 1, meta: &meta, sections: &[section] };
        let disk = Arc::new(self.disk.clone());
        let options = SaveOptions { disk, chunk_bytes: 512, ..SaveOptions::default() };
        let path = save_with(&options, Path::new(CHECKPOINTS), &name, &draft).unwrap().path;
        self.known.push(CheckpointRef { step: Some(step as f64), ..named(&path) });
        self.add(path, &[""]);
    }

    /// Another framework's file, or folder of files, in the catalogue.
    fn foreign(&mut self, name: &str, step: u64, inner: &[&str]) {
        let path = own(name);
        if inner != [""] {
            self.disk.plant_folder(&path).unwrap();
        }
        for inner in inner {
            let bytes = zip(&[step as u8; 700]);
            let file = if inner.is_empty() { path.clone() } else { path.join(inner) };
            self.disk.plant_file(&file, &bytes).unwrap();
        }
        let known = register_now(&self.files(), &announced(&path, step), Duration::ZERO).unwrap();
        self.known.push(known);
        self.add(path, inner);
    }

    fn add(&mut self, path: PathBuf, inner: &[&str]) {
        let bytes = |inner: &&str| {
            let file = if inner.is_empty() { path.clone() } else { path.join(inner) };
            (PathBuf::from(inner), self.disk.content(&file).unwrap())
        };
        let content = inner.iter().map(bytes).collect();
        self.whole.insert(path, content);
    }

    /// Changes a bit of the first file of a checkpoint that was whole.
    fn damage(&mut self, name: &str) {
        let path = own(name);
        let mut content = self.whole.remove(&path).unwrap();
        let (inner, bytes) = content.iter_mut().next().unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        let file = if inner.as_os_str().is_empty() { path.clone() } else { path.join(inner) };
        self.disk.corrupt(&file, |content| content.clone_from(bytes)).unwrap();
        self.damaged.insert(path, content);
    }

    /// Something that was set aside long ago.
    fn aside(&mut self, name: &str) {
        let path = Path::new(DAMAGED).join(name);
        self.disk.plant_folder(Path::new(DAMAGED)).unwrap();
        let bytes = format!("older {name}").into_bytes();
        self.disk.plant_file(&path, &bytes).unwrap();
        self.damaged.insert(path, BTreeMap::from([(PathBuf::new(), bytes)]));
    }

    /// What the catalogue says of it.
    pub(super) fn of(&self, path: &Path) -> &CheckpointRef {
        self.known.iter().find(|known| Path::new(&known.path) == path).unwrap()
    }

    pub(super) fn is_whole(&self, path: &str) -> bool {
        self.whole.contains_key(Path::new(path))
    }
}

/// Whole ones of our own and of another framework, and newer damaged ones of every kind.
pub(super) fn damaged() -> Stage {
    let mut stage = Stage::empty();
    (0..=1).for_each(|step| stage.save(step));
    stage.foreign("step-2.pt", 2, &[""]);
    (3..=5).for_each(|step| stage.save(step));
    stage.foreign("step-6.pt", 6, &[""]);
    stage.foreign("step-7", 7, &["model.pt", "optimizer.pt"]);
    for name in ["ck-0004.prsm", "ck-0005.prsm", "step-6.pt", "step-7"] {
        stage.damage(name);
    }
    // One has lost its end.
    let path = own("ck-0005.prsm");
    let torn = stage.damaged.get_mut(&path).unwrap().get_mut(Path::new("")).unwrap();
    torn.truncate(40);
    stage.disk.corrupt(&path, |content| content.truncate(40)).unwrap();
    stage.disk.settle(Plan::default());
    stage
}

/// The same, and their names are taken among those set aside.
pub(super) fn damaged_again() -> Stage {
    let mut stage = damaged();
    for name in ["ck-0004.prsm", "ck-0004.prsm.1", "step-6.pt", "step-7"] {
        stage.aside(name);
    }
    stage.disk.settle(Plan::default());
    stage
}

/// The medium has lost a byte of the newest one, and the cache still shows it.
pub(super) fn rotten() -> Stage {
    let mut stage = whole();
    let path = own("ck-0006.prsm");
    let mut content = stage.whole.remove(&path).unwrap();
    let bytes = content.get_mut(Path::new("")).unwrap();
    bytes[900] ^= 1;
    stage.disk.corrupt_medium(&path, |medium| medium.clone_from(bytes)).unwrap();
    stage.damaged.insert(path, content);
    stage.disk.settle(Plan::default());
    stage
}

/// Six whole ones: files of ours, a file and a folder of others.
pub(super) fn whole() -> Stage {
    let mut stage = Stage::empty();
    stage.save(1);
    stage.save(2);
    stage.foreign("step-3", 3, &["model.pt", "optimizer.pt"]);
    stage.foreign("step-4.pt", 4, &[""]);
    stage.save(5);
    stage.save(6);
    stage.aside("ck-0001.prsm");
    stage.disk.settle(Plan::default());
    stage
}

pub(super) fn choose(stage: &Stage, files: &Files) -> Fact {
    pick(files, &Asked { known: &stage.known, ..Asked::default() })
}

/// Each one is announced, the damaged ones as well.
pub(super) fn check_all(stage: &Stage, files: &Files) -> Vec<Fact> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let check_one = |known: &CheckpointRef| match check::check(files, known.clone()) {
        Outcome::Told(fact) => fact,
        Outcome::Foreign(known) => {
            let (reading, cancel) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicBool::new(false)));
            runtime.block_on(foreign::check(files.clone(), known, reading, cancel))
        }
    };
    stage.known.iter().filter_map(check_one).collect()
}

/// A user chooses a damaged one, then a whole one of each kind; then an attempt begins.
fn restore_and_pick(stage: &Stage, files: &Files) -> Vec<Fact> {
    let chosen = ["ck-0004.prsm", "step-6.pt", "ck-0001.prsm", "step-2.pt"];
    let restored = chosen.map(|name| restore(files, stage.of(&own(name))));
    restored.into_iter().chain([choose(stage, files)]).collect()
}

/// How many verified ones are to stay at least.
pub(super) const KEPT: usize = 2;

/// What retention is told of the catalogue. A worker begins from the oldest.
pub(super) fn entries(stage: &Stage) -> Vec<RetentionEntry> {
    let is_whole = |known: &&CheckpointRef| stage.is_whole(&known.path);
    let entries = stage.known.iter().filter(is_whole).enumerate().map(|(place, known)| RetentionEntry {
        checkpoint: known.clone(),
        verified: true,
        protected: place == 0,
    });
    entries.collect()
}

pub(super) fn retain(files: &Files, entries: &[RetentionEntry]) -> Vec<Fact> {
    prune(files, entries, &rules()).into_iter().collect()
}

pub(super) fn rules() -> RetentionPolicy {
    RetentionPolicy {
        keep_last: KEPT as u32,
        keep_best: 0,
        best_metric: None,
        best_is: Extreme::Max,
        keep_every: 0,
        max_bytes: 0,
    }
}
