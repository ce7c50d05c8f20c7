//! Every operation fails, once or from then on.

use crate::keeper::{FOLDER, Keeper};
use crate::oracle::{Trial, loads, newest, promised};
use crate::workloads::{WORKLOADS, Workload};
use resus_disk::Disk;
use resus_disk::faulty::{Effort, Faulty, Plan, Shows};
use rustix::io::Errno;
use std::path::Path;

fn log_of(disk: &Faulty) -> String {
    disk.log().iter().map(|operation| format!("\n  {operation}")).collect()
}

fn temps(disk: &Faulty) -> usize {
    let names = disk.copy(Plan::default()).list(Path::new(FOLDER), 1_000).unwrap();
    names.iter().filter(|name| name.as_encoded_bytes().starts_with(b".")).count()
}

/// Runs the workload under a plan, and looks at what is there at its end, and after a power cut then.
/// Whether the plan struck.
fn strike(workload: &Workload, begin: &Faulty, plan: &Plan, context: &str) -> bool {
    let disk = begin.copy(plan.clone());
    let keeper = workload.keeper(&disk, None);
    (workload.run)(&keeper);
    if disk.strikes() == 0 {
        return false;
    }
    let history = keeper.history.into_inner().unwrap();
    let precious = workload.precious(begin);
    let trial = Trial { workload, precious: &precious, history: &history };
    let end = disk.operations();
    let context = || format!("{}, {context}: {}", workload.name, log_of(&disk));
    // The disk is well again, and shows what it has.
    let well = disk.copy(Plan::default());
    assert_eq!(trial.check(&well, end), Ok(()), "{}", context());
    let effort = Effort { all_up_to: 4, singles: 4, samples: 4, seed: 3 };
    for crash in disk.crashes(end, effort) {
        let checked = trial.check(&crash.disk, end);
        assert_eq!(checked, Ok(()), "lost {:?}: {}", crash.lost, context());
    }
    let next = Keeper::of(&well, None);
    next.remove_leftovers().unwrap();
    next.save(91).unwrap();
    assert_eq!(newest(&well), Ok(Some(91)), "{}", context());
    assert_eq!(temps(&well), 0, "{}", context());
    true
}

#[test]
fn a_failure_of_any_operation_costs_nothing_that_was_saved() {
    let errors = [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::MFILE];
    let mut all = 0;
    for workload in WORKLOADS {
        let begin = workload.begin();
        let undisturbed = begin.copy(Plan::default());
        (workload.run)(&workload.keeper(&undisturbed, None));
        let mut strikes = 0;
        // A failure can make a workload longer, as it tries what it would not have tried.
        for n in 0..undisturbed.operations() * 2 {
            for errno in errors {
                for (plan, how) in [
                    (Plan::fail(n, errno), "once"),
                    (Plan::fail(n, errno).showing(Shows::Old), "once, the old shows"),
                    (Plan::fail_from(n, errno), "lasting"),
                ] {
                    let context = format!("{errno:?} at {n}, {how}");
                    strikes += usize::from(strike(&workload, &begin, &plan, &context));
                }
            }
            for bytes in [1, 300] {
                let context = format!("a write of {bytes} bytes at {n}");
                strikes += usize::from(strike(&workload, &begin, &Plan::short_write(n, bytes), &context));
            }
        }
        println!("{}: {strikes} failures, 0 violations", workload.name);
        assert!(strikes > 20, "{}: {strikes}", workload.name);
        all += strikes;
    }
    println!("D1 D2 D3 D4 S8: {all} failures, 0 violations");
}

/// After a failed save nothing of it is in the way, wherever the disk still lets one remove it.
#[test]
fn a_failed_save_leaves_no_temporary_file() {
    let workload = &WORKLOADS[1];
    let begin = workload.begin();
    let mut failed = 0;
    for n in 0.. {
        let disk = begin.copy(Plan::fail(n, Errno::NOSPC));
        let saved = Keeper::of(&disk, None).save(3);
        if n >= disk.operations() {
            break;
        }
        assert_eq!(temps(&disk), 0, "{saved:?}: {}", log_of(&disk));
        assert_eq!(saved.is_err(), disk.strikes() > 0, "{}", log_of(&disk));
        failed += usize::from(saved.is_err());
    }
    assert!(failed > 3, "{failed}");
}

/// From some operation on the disk confirms syncs that it does not do. Nobody can save on it; but what
/// it makes of a file is noticed, and what was saved before it began is chosen.
#[test]
fn a_lying_disk_is_found_out_by_verification() {
    let workload = &WORKLOADS[1];
    let begin = workload.begin();
    let (mut states, mut fallbacks) = (0, 0);
    for n in 0..40 {
        let disk = begin.copy(Plan::lie_from(n));
        let keeper = workload.keeper(&disk, None);
        (workload.run)(&keeper);
        for crash in disk.crashes(disk.operations(), Effort::default()) {
            let found = newest(&crash.disk).unwrap_or_else(|broken| panic!("{broken}: {:?}", crash.lost));
            assert!(found >= Some(2), "{found:?}: {:?}", crash.lost);
            states += 1;
            fallbacks += usize::from(found == Some(2));
        }
    }
    println!("D5: {states} states of a lying disk, {fallbacks} times the older one: 0 violations");
    assert!(fallbacks > 100, "{fallbacks}");
}

/// Reading fails: the next older one that can be read is chosen, and what could not be read stays.
#[test]
fn what_can_not_be_read_is_passed_over_and_kept() {
    let workload = &WORKLOADS[1];
    let begin = workload.begin();
    let mut passed_over = 0;
    for n in 0.. {
        let disk = begin.copy(Plan::fail(n, Errno::IO));
        let keeper = workload.keeper(&disk, None);
        let restored = keeper.restore();
        if disk.strikes() == 0 {
            break;
        }
        if let Ok(restored) = restored {
            let unless_unread = if restored.unread == 0 { [2, 2] } else { [1, 2] };
            assert!(restored.chosen.is_some_and(|step| unless_unread.contains(&step)), "{restored:?}");
            passed_over += usize::from(restored.chosen == Some(1));
        }
        let well = disk.copy(Plan::default());
        let kept =
            promised(workload, &[], 0).into_iter().all(|(path, step)| loads(&well, &path) == Ok(Some(step)));
        assert!(kept, "{}", log_of(&disk));
    }
    assert!(passed_over > 0);
}
