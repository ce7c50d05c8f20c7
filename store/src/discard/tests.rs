use super::*;
use resus_disk::faulty::{Effort, Faulty, Plan};
use resus_disk::{Disk, Real};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::symlink;

const ROOT: &str = "/state";
const ID: &str = "run-1";
/// What a run leaves, below its folder.
const FILES: [&str; 8] = [
    "run.lock",
    "training_status.json",
    "attempts/0001/events.jsonl",
    "attempts/0001/output.log",
    "attempts/0002/output.log.1",
    "attempts/0002/hang.txt",
    "checkpoints/ck-1.prsm",
    "checkpoints/damaged/ck-0.prsm",
];

/// Two runs; what lies in the folder of the first, and links in it to the second.
fn disk() -> Faulty {
    let disk = Faulty::new(Plan::default());
    for run in [ID, "run-2"] {
        for file in FILES {
            let path = Path::new(ROOT).join(RUNS).join(run).join(file);
            disk.plant_folder(path.parent().unwrap()).unwrap();
            disk.plant_file(&path, &[7; 1_000]).unwrap();
        }
    }
    let at = |name: &str| Path::new(ROOT).join(RUNS).join(ID).join(name);
    disk.plant_link(&at("other"), Path::new("/state/runs/run-2")).unwrap();
    disk.plant_link(&at("checkpoints/up"), Path::new("../../run-2/checkpoints")).unwrap();
    disk.plant_pipe(&at("pipe")).unwrap();
    disk
}

fn other_is_whole(disk: &Faulty) -> bool {
    FILES.iter().all(|file| disk.content(&Path::new(ROOT).join(RUNS).join("run-2").join(file)).is_ok())
}

fn is_gone(disk: &Faulty) -> bool {
    let disk = disk.copy(Plan::default());
    let gone = |folder: &str| disk.look_at(&Path::new(ROOT).join(folder).join(ID)).is_err();
    gone(RUNS) && gone(REMOVED)
}

#[test]
fn a_run_goes_and_nothing_else_does() {
    let disk = disk();
    assert!(discard_run(&disk, Path::new(ROOT), ID).unwrap());
    assert!(is_gone(&disk) && other_is_whole(&disk));
    assert!(!discard_run(&disk, Path::new(ROOT), ID).unwrap(), "there is nothing any more");
    assert!(discard_run(&disk, Path::new(ROOT), "../run-2").is_err());
    assert!(other_is_whole(&disk));
}

#[test]
fn whatever_fails_doing_it_again_finishes_it() {
    let begin = disk();
    let (mut strikes, mut helped) = (0, 0);
    for errno in [Errno::IO, Errno::NOSPC, Errno::ACCESS] {
        for n in 0.. {
            let disk = begin.copy(Plan::fail(n, errno));
            let result = discard_run(&disk, Path::new(ROOT), ID);
            if n >= disk.operations() {
                break;
            }
            // What is refused in a folder of the run is refused once: then the folder is opened up.
            match errno == Errno::ACCESS && result.is_ok() {
                true => assert!(is_gone(&disk), "at {n}: {:?}", disk.log()),
                false => {
                    assert_eq!(result.is_err(), disk.strikes() > 0, "{errno:?} at {n}: {:?}", disk.log())
                }
            }
            helped += u64::from(result.is_ok() && disk.strikes() > 0);
            strikes += disk.strikes();
            assert!(other_is_whole(&disk));
            let disk = disk.copy(Plan::default());
            discard_run(&disk, Path::new(ROOT), ID).unwrap();
            assert!(is_gone(&disk) && other_is_whole(&disk), "{errno:?} at {n}");
        }
    }
    assert!(strikes > 100 && helped > 20, "{strikes} {helped}");
}

#[test]
fn wherever_the_power_goes_doing_it_again_finishes_it_and_no_half_run_is_left() {
    let disk = disk();
    discard_run(&disk, Path::new(ROOT), ID).unwrap();
    let mut states = 0;
    for after in 0..=disk.operations() {
        for crash in disk.crashes(after, Effort::default()) {
            let found = crash.disk;
            discard_run(&found, Path::new(ROOT), ID).unwrap();
            assert!(is_gone(&found) && other_is_whole(&found), "after {after}: {:?}", crash.lost);
            states += 1;
        }
    }
    assert!(states > 50, "{states}");
}

#[test]
fn output_and_evidence_go_up_to_an_attempt_and_everything_else_stays() {
    let disk = disk();
    assert!(discard_output(&disk, Path::new(ROOT), ID, 1).unwrap());
    let there = |file: &str| disk.content(&Path::new(ROOT).join(RUNS).join(ID).join(file)).is_ok();
    assert_eq!(FILES.map(there), [true, true, true, false, true, true, true, true]);
    assert!(discard_output(&disk, Path::new(ROOT), ID, 2).unwrap());
    assert_eq!(FILES.map(there), [true, true, true, false, false, false, true, true]);
    assert!(!discard_output(&disk, Path::new(ROOT), ID, 9).unwrap());
    assert!(!discard_output(&disk, Path::new(ROOT), "nobody", 9).unwrap());
    assert!(other_is_whole(&disk));
}

#[test]
fn sizes_are_what_the_disk_holds_and_links_do_not_count() {
    let disk = disk();
    let measured = |disk: &Faulty, run: &str| measure(disk, Path::new(ROOT), run, &mut || true).unwrap();
    let size = measured(&disk, ID);
    // 1,000 bytes take two sectors; a link of this disk takes one.
    assert_eq!((size.output, size.checkpoints), (3 * 1_024, 2 * 1_024 + 512));
    assert_eq!(size.all, 8 * 1_024 + 2 * 512);
    assert_eq!(measured(&disk, "nobody"), Size::default());
    assert!(!size.at_least);
}

#[test]
fn what_can_not_be_read_or_takes_too_long_makes_it_a_lower_bound() {
    let begin = disk();
    let whole = measure(&begin, Path::new(ROOT), ID, &mut || true).unwrap();
    for n in 0.. {
        let disk = begin.copy(Plan::fail(n, Errno::ACCESS));
        let size = measure(&disk, Path::new(ROOT), ID, &mut || true).unwrap();
        if n >= disk.operations() {
            break;
        }
        assert_eq!(size.at_least, disk.strikes() > 0, "at {n}: {:?}", disk.log());
        assert!(size.all <= whole.all && (size == whole) == (disk.strikes() == 0), "at {n}: {size:?}");
    }
    let mut left = 3;
    let mut has_time = || {
        left -= 1;
        left >= 0
    };
    let size = measure(&begin, Path::new(ROOT), ID, &mut has_time).unwrap();
    assert!(size.at_least && size.all < whole.all, "{size:?}");
}

#[test]
fn on_a_real_disk_links_lead_nowhere_and_a_link_in_place_of_a_run_costs_only_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("state"), folder.path().join("outside"));
    fs::create_dir_all(root.join("runs/r1/attempts/0001")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    for link in ["runs/r1/out", "runs/r1/attempts/0001/output", "runs/r2"] {
        symlink(&outside, root.join(link)).unwrap();
    }
    symlink(outside.join("precious"), root.join("runs/r1/attempts/0001/output.log")).unwrap();
    discard_output(&Real, &root, "r1", 1).unwrap();
    assert!(fs::read_dir(root.join("runs/r1/attempts/0001")).unwrap().next().is_none());
    let link = measure(&Real, &root, "r2", &mut || true).unwrap();
    assert_eq!((link.all, link.at_least), (0, true), "a link is no run");
    for run in ["r1", "r2"] {
        assert!(discard_run(&Real, &root, run).unwrap());
    }
    assert!(fs::read_dir(root.join("runs")).unwrap().next().is_none());
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "x");
}

#[test]
fn many_files_go_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("runs/r1/many");
    fs::create_dir_all(&run).unwrap();
    for n in 0..2_500 {
        fs::write(run.join(n.to_string()), "").unwrap();
    }
    discard_run(&Real, folder.path(), "r1").unwrap();
    assert!(fs::read_dir(folder.path().join("runs")).unwrap().next().is_none());
}
