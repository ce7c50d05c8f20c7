//! The power goes, after every operation.

use crate::bugs::Bug;
use crate::keeper::Keeper;
use crate::oracle::{Broken, Trial};
use crate::workloads::{WORKLOADS, Workload};
use resus_disk::faulty::{Effort, Plan};

/// Enough to find what is wrong, little enough for every commit.
pub const EFFORT: Effort = Effort { all_up_to: 8, singles: 12, samples: 24, seed: 5 };

/// What an exploration found.
pub struct Explored {
    pub operations: usize,
    pub states: usize,
    pub broken: Option<Broken>,
}

/// Runs a workload, and looks at every state that may be found after each of its operations.
pub fn explore(workload: &Workload, plan: Plan, bug: Option<Bug>) -> Explored {
    let begin = workload.begin().copy(plan);
    let precious = workload.precious(&begin);
    let keeper = workload.keeper(&begin, bug);
    (workload.run)(&keeper);
    let history = keeper.history.into_inner().unwrap();
    let trial = Trial { workload, precious: &precious, history: &history };
    let operations = begin.operations();
    let log = begin.log();
    let mut states = 0;
    for after in 0..=operations {
        // An operation that changes nothing leaves the states of the one before.
        if after > 0 && !changes(log[after - 1].call) {
            continue;
        }
        for crash in begin.crashes(after, EFFORT) {
            states += 1;
            if let Err(broken) = trial.check(&crash.disk, after) {
                let last = after.checked_sub(1).map(|last| log[last].to_string()).unwrap_or_default();
                let broken = format!("{broken}; after {after} operations ({last}), lost {:?}", crash.lost);
                return Explored { operations, states, broken: Some(broken) };
            }
        }
    }
    Explored { operations, states, broken: None }
}

fn changes(call: resus_disk::faulty::Call) -> bool {
    use resus_disk::faulty::Call;
    match call {
        Call::Create
        | Call::Rename
        | Call::RenameNew
        | Call::Remove
        | Call::RemoveFolder
        | Call::MakeFolder
        | Call::SyncFolder
        | Call::Write
        | Call::Resize
        | Call::Sync => true,
        Call::Open
        | Call::OpenBeneath
        | Call::LookAt
        | Call::List
        | Call::ReadLink
        | Call::Entry
        | Call::Read => false,
    }
}

#[test]
fn every_promise_holds_in_every_state_after_a_power_cut() {
    let mut all = 0;
    for workload in WORKLOADS {
        let explored = explore(&workload, Plan::default(), None);
        println!("{}: {} operations, {} states", workload.name, explored.operations, explored.states);
        assert_eq!(explored.broken, None, "{}", workload.name);
        assert!(explored.operations > 5, "{}", workload.name);
        all += explored.states;
    }
    println!("I4 I5 I6 I20 after a power cut: {all} states, 0 violations");
    assert!(all > 1000, "{all} states");
}

/// Killed, not cut off: the system writes all that it was given.
#[test]
fn every_promise_holds_after_a_kill_at_every_operation() {
    let mut kills = 0;
    for workload in WORKLOADS {
        let begin = workload.begin();
        let precious = workload.precious(&begin);
        let keeper = workload.keeper(&begin, None);
        (workload.run)(&keeper);
        let history = keeper.history.into_inner().unwrap();
        let trial = Trial { workload: &workload, precious: &precious, history: &history };
        for after in 0..=begin.operations() {
            let found = begin.after_kill(after);
            let checked = trial.check(&found, after);
            assert_eq!(checked, Ok(()), "{}, killed after {after}", workload.name);
            // The next life begins with the leftovers of the last one.
            let next = Keeper::of(&found, None);
            next.remove_leftovers().unwrap();
            next.save(90).unwrap();
            assert_eq!(crate::oracle::newest(&found), Ok(Some(90)));
            kills += 1;
        }
    }
    println!("I4 I5 I6 I20 after a kill: {kills} kills, 0 violations");
}

/// Two crashes, one after the other: the second while the next life begins.
#[test]
fn a_second_power_cut_while_recovering_costs_nothing_more() {
    let workload = &WORKLOADS[7];
    let first = workload.begin();
    let precious = workload.precious(&first);
    let keeper = workload.keeper(&first, None);
    (workload.run)(&keeper);
    let history = keeper.history.into_inner().unwrap();
    let trial = Trial { workload, precious: &precious, history: &history };
    let effort = Effort { all_up_to: 3, singles: 3, samples: 4, seed: 9 };
    let mut states = 0;
    for after in (0..=first.operations()).step_by(3) {
        for crash in first.crashes(after, effort) {
            let life = Keeper::of(&crash.disk, None);
            drop(life.remove_leftovers());
            drop(life.restore());
            for again_after in (0..=crash.disk.operations()).step_by(7) {
                for again in crash.disk.crashes(again_after, effort) {
                    let checked = trial.check(&again.disk, after);
                    assert_eq!(checked, Ok(()), "after {after}: {:?}, then {:?}", crash.lost, again.lost);
                    states += 1;
                }
            }
        }
    }
    println!("I4 I5 I6 I20 after two power cuts: {states} states, 0 violations");
    assert!(states > 150, "{states}");
}
