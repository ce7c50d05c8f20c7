//! Checkpoints of other frameworks and power cuts: after every operation, in the states that a disk may
//! then be found in.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use resus_checkpoint::foreign::{
    DAMAGED, Manifest, digest, discard, empty_trash, keep, kept, look, recall, set_aside, verify,
};
use resus_disk::Disk;
use resus_disk::faulty::{Crash, Effort, Faulty, Plan};

static NEVER: AtomicBool = AtomicBool::new(false);
const CHECKPOINTS: &str = "/run/checkpoints";
const MANIFESTS: &str = "/run/manifests";
const ROOT: &str = "/run/checkpoints/step-5";

/// A run whose worker has just written a checkpoint and brought nothing of it to disk.
fn written() -> Faulty {
    let disk = Faulty::new(Plan::default());
    disk.plant_folder(Path::new(CHECKPOINTS)).unwrap();
    let root = Path::new(ROOT);
    disk.make_folder(root).unwrap();
    disk.make_folder(&root.join("sub")).unwrap();
    for (name, bytes) in [("config", &b"{}"[..]), ("sub/model", &[7; 1500])] {
        disk.create(&root.join(name)).unwrap().write_all_at(bytes, 0).unwrap();
    }
    disk
}

fn catalogued(disk: &Faulty) -> Manifest {
    let manifest = digest(disk, &look(disk, Path::new(ROOT)).unwrap(), &NEVER).unwrap();
    keep(disk, Path::new(MANIFESTS), &manifest).unwrap();
    manifest
}

/// The same disk with all of it durable, so that only what follows is in doubt.
fn settled(disk: &Faulty) -> Faulty {
    disk.settle(Plan::default());
    disk.clone()
}

fn crashes(disk: &Faulty) -> Vec<Crash> {
    (0..=disk.operations()).flat_map(|after| disk.crashes(after, Effort::default())).collect()
}

fn exists(disk: &Faulty, path: &Path) -> bool {
    disk.look_at(path).is_ok()
}

/// Whether the checkpoint of `manifest` lies whole at `root`.
fn is_whole_at(disk: &Faulty, manifest: &Manifest, root: PathBuf) -> bool {
    verify(disk, &Manifest { root, ..manifest.clone() }, &NEVER).is_ok()
}

#[test]
fn a_catalogued_checkpoint_survives_every_power_cut_and_no_torn_manifest_is_believed() {
    let disk = written();
    let manifest = catalogued(&disk);
    let (all, mut states) = (disk.operations(), 0);
    for crash in crashes(&disk) {
        states += 1;
        let found = kept(&crash.disk, Path::new(MANIFESTS)).unwrap();
        for digest in &found {
            let recalled = recall(&crash.disk, Path::new(MANIFESTS), digest);
            assert_eq!(recalled.unwrap(), manifest, "after {} lost {:?}", crash.after, crash.lost);
        }
        if crash.after == all {
            assert_eq!(found, [manifest.digest()], "lost {:?}", crash.lost);
        }
        if !found.is_empty() {
            let whole = is_whole_at(&crash.disk, &manifest, PathBuf::from(ROOT));
            assert!(whole, "after {} lost {:?}", crash.after, crash.lost);
        }
    }
    assert!(states > 1000, "{states}");
}

#[test]
fn a_deleted_folder_is_there_whole_or_not_at_all_and_does_not_come_back() {
    let disk = written();
    let manifest = catalogued(&disk);
    let disk = settled(&disk);
    let (folder, root) = (Path::new(CHECKPOINTS), Path::new(ROOT));
    discard(&disk, folder, root).unwrap();
    let all = disk.operations();
    for crash in crashes(&disk) {
        let told = || format!("after {} lost {:?}", crash.after, crash.lost);
        let is_there = exists(&crash.disk, root);
        assert!(!is_there || is_whole_at(&crash.disk, &manifest, root.to_owned()), "{}", told());
        assert!(crash.after < all || !is_there, "{}", told());
        empty_trash(&crash.disk, folder).unwrap();
        discard(&crash.disk, folder, root).unwrap();
        assert!(crash.disk.list(folder, 10).unwrap().is_empty(), "{}", told());
    }
}

#[test]
fn a_damaged_one_lies_where_it_lay_or_aside_but_is_never_lost() {
    let disk = written();
    let manifest = catalogued(&disk);
    let disk = settled(&disk);
    let aside = Path::new(CHECKPOINTS).join(DAMAGED).join("step-5");
    assert_eq!(set_aside(&disk, Path::new(CHECKPOINTS), Path::new(ROOT)).unwrap(), aside);
    let all = disk.operations();
    for crash in crashes(&disk) {
        let told = || format!("after {} lost {:?}", crash.after, crash.lost);
        let [before, after] =
            [PathBuf::from(ROOT), aside.clone()].map(|root| is_whole_at(&crash.disk, &manifest, root));
        assert!(before || after, "{}", told());
        assert!(crash.after < all || (after && !before), "{}", told());
    }
}

/// Each operation fails once with an error of the disk.
#[test]
fn whatever_fails_nothing_is_lost_and_nothing_is_claimed_that_is_not_so() {
    let whole = written();
    let manifest = catalogued(&whole);
    let before = whole.copy(Plan::default());
    let operations = {
        let disk = before.copy(Plan::default());
        discard(&disk, Path::new(CHECKPOINTS), Path::new(ROOT)).unwrap();
        disk.operations()
    };
    for number in 0..operations {
        let disk = before.copy(Plan::fail(number, rustix::io::Errno::IO));
        let told = discard(&disk, Path::new(CHECKPOINTS), Path::new(ROOT));
        let is_there = exists(&disk, Path::new(ROOT));
        assert!(told.is_err() || !is_there, "{number}");
        assert!(!is_there || is_whole_at(&disk, &manifest, PathBuf::from(ROOT)), "{number}");
    }
    let operations = {
        let disk = before.copy(Plan::default());
        set_aside(&disk, Path::new(CHECKPOINTS), Path::new(ROOT)).unwrap();
        disk.operations()
    };
    let aside = Path::new(CHECKPOINTS).join(DAMAGED).join("step-5");
    for number in 0..operations {
        let disk = before.copy(Plan::fail(number, rustix::io::Errno::IO));
        let moved_to = match set_aside(&disk, Path::new(CHECKPOINTS), Path::new(ROOT)) {
            Ok(to) => Some(to),
            Err(error) => error.moved_to().map(Path::to_owned),
        };
        let lies_at = moved_to.unwrap_or_else(|| PathBuf::from(ROOT));
        assert!(lies_at == aside || lies_at == Path::new(ROOT), "{number}");
        assert!(is_whole_at(&disk, &manifest, lies_at), "{number}");
    }
}
