//! Small files that are replaced as a whole.

use resus_disk::Disk;
use resus_disk::faulty::{Effort, Faulty, Plan, Shows};
use resus_store::file::replace_on;
use rustix::io::Errno;
use std::path::Path;

const PATH: &str = "/state/daemon.json";

/// Long enough to be torn.
fn content(number: u8) -> Vec<u8> {
    vec![number; 1200]
}

fn disk() -> Faulty {
    let disk = Faulty::new(Plan::default());
    disk.plant_folder(Path::new("/state")).expect("a folder");
    disk.plant_file(Path::new(PATH), &content(1)).expect("a file");
    disk
}

fn found(disk: &Faulty) -> Vec<u8> {
    disk.content(Path::new(PATH)).expect("it is there")
}

#[test]
fn the_old_content_or_the_new_is_found_and_the_new_once_it_was_said() {
    let disk = disk();
    let mut told = vec![(0, 1)];
    for number in 2..5 {
        replace_on(&disk, Path::new(PATH), &content(number), true).expect("replaced");
        told.push((disk.operations(), number));
    }
    let mut states = 0;
    for after in 0..=disk.operations() {
        let newest = told.iter().rev().find(|(end, _)| *end <= after).expect("the first").1;
        for crash in disk.crashes(after, Effort::default()) {
            let found = found(&crash.disk);
            let number = found[0];
            assert_eq!(found, content(number), "after {after}: {:?}", crash.lost);
            assert!(number >= newest, "{number} after {newest} was told: {:?}", crash.lost);
            states += 1;
        }
    }
    println!("replace: {} operations, {states} states after a power cut", disk.operations());
    assert!(states > 100, "{states} states");
}

#[test]
fn a_failure_of_any_operation_leaves_the_old_content_and_nothing_beside_it() {
    let begin = disk();
    let errors = [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::MFILE];
    let mut strikes = 0;
    for (errno, lasting, shows) in errors
        .into_iter()
        .flat_map(|errno| [(errno, false, Shows::New), (errno, false, Shows::Old), (errno, true, Shows::New)])
    {
        for n in 0.. {
            let plan = if lasting { Plan::fail_from(n, errno) } else { Plan::fail(n, errno) };
            let disk = begin.copy(plan.showing(shows));
            let replaced = replace_on(&disk, Path::new(PATH), &content(2), true);
            let asked = disk.operations();
            if n >= asked {
                break;
            }
            let context = format!("{errno:?} at {n}, lasting {lasting}: {:?}", disk.log());
            assert_eq!(replaced.is_err(), disk.strikes() > 0, "{context}");
            strikes += usize::from(replaced.is_err());
            let number = found(&disk)[0];
            assert_eq!(found(&disk), content(number), "{context}");
            let in_place = disk.log().iter().any(|o| o.to.is_some() && o.error.is_none());
            assert_eq!(number == 2, in_place, "{context}");
            for crash in disk.crashes(asked, Effort::default()) {
                let found = found(&crash.disk);
                assert!([content(1), content(2)].contains(&found), "{context}: {:?}", crash.lost);
            }
            let disk = disk.copy(Plan::default());
            replace_on(&disk, Path::new(PATH), &content(3), true).expect("the disk is well again");
            assert_eq!(found(&disk.after_power_cut(disk.operations())), content(3), "{context}");
            assert_eq!(disk.list(Path::new("/state"), 1_000).expect("readable").len(), 1, "{context}");
        }
    }
    assert!(strikes > 20, "{strikes} failures");
}
