//! Visits every state that can be reached by any sequence of inputs, and checks the
//! invariants in each. States that differ only in counters and times are taken as one.

use crate::support::*;
use resus_core::fleet::Fleet;
use resus_core::phase::{Phase, Wanted};
use resus_core::run::Run;
use resus_core::spec::Contract;
use std::collections::{BTreeSet, VecDeque};

/// What tells two states apart for the decider.
fn key(run: &Run) -> String {
    format!(
        "{:?} {:?} w{} d{} stop{:?} spoke{} complete{:?} error{} fails{} spent{} ck{} cand{} boot{} reopened{}",
        run.phase,
        run.wanted,
        run.worker.is_some(),
        run.deadline_mono_ms.is_some(),
        run.stop.as_ref().map(|s| s.cause),
        run.heard.spoke,
        run.heard.complete.as_ref().map(|c| c.outcome),
        run.heard.error.is_some(),
        run.retry.failures.min(3),
        run.retry.spent_mono_ms.len(),
        run.checkpoint.is_some(),
        run.candidates.len(),
        run.lost_to_reboot,
        run.attempt.0 > 1,
    )
}

fn check(run: &Run) {
    let phase = run.phase;
    if phase.is_terminal() {
        assert!(run.worker.is_none(), "a run that has ended has no worker: {run:?}");
        assert!(run.deadline_mono_ms.is_none() && run.ended_at.is_some() && run.ended_why.is_some());
        assert!(run.status.is_terminal());
    } else {
        assert!(run.ended_at.is_none() && !run.status.is_terminal());
    }
    match phase {
        Phase::Choosing | Phase::Waiting => assert!(run.worker.is_none(), "{phase:?} with a worker"),
        Phase::Starting | Phase::Running | Phase::CoolingDown => {
            assert!(run.worker.is_some() && run.wanted == Wanted::Finished, "{phase:?} without a worker");
        }
        Phase::Asked | Phase::Terminated | Phase::Killed => {
            assert!(run.stop.is_some(), "{phase:?} without a reason");
        }
        Phase::Spawning | Phase::Done | Phase::Failed | Phase::Cancelled => {}
    }
    if phase == Phase::Waiting {
        assert!(run.deadline_mono_ms.is_some(), "a wait without an end");
    }
    if matches!(phase, Phase::Asked | Phase::Terminated) {
        assert!(run.deadline_mono_ms.is_some(), "a grace without an end");
    }
    assert!(run.retry.spent_mono_ms.len() <= policy().retry.max as usize, "budget exceeded");
}

/// From everywhere a kill and the end of the process lead to the end of the run.
fn can_always_be_ended(fleet: &Fleet) {
    let mut fork = fleet.clone();
    if !run(&fork).phase.is_terminal() {
        fork.step(&run_id(), &input("kill", run(&fork).attempt, 0), at(2_000_000)).unwrap();
    }
    for name in ["exit unseen", "spawn failed"] {
        if !run(&fork).phase.is_terminal() {
            let next = input(name, run(&fork).attempt, run(&fork).upto);
            fork.step(&run_id(), &next, at(2_000_000)).unwrap();
        }
    }
    assert!(run(&fork).phase.is_terminal(), "no end from {:?}", run(fleet));
}

fn visit(contract: Contract) -> (usize, usize) {
    let (fleet, _) = accepted(spec(contract, policy()), at(0));
    let mut seen = BTreeSet::from([key(run(&fleet))]);
    let mut queue = VecDeque::from([fleet]);
    let mut phases = BTreeSet::new();
    let mut steps = 0;
    while let Some(fleet) = queue.pop_front() {
        check(run(&fleet));
        can_always_be_ended(&fleet);
        phases.insert(run(&fleet).phase);
        for (_, input) in inputs(run(&fleet).attempt, run(&fleet).upto) {
            let mut next = fleet.clone();
            // Far enough apart for any deadline, near enough for the retry window; an attempt
            // never looks healthy because it has only just begun.
            let now = at(run(&fleet).deadline_mono_ms.unwrap_or(run(&fleet).phase_since.mono_ms + 1));
            steps += 1;
            // Ok: something or nothing happened. Err: a command was refused. An event that
            // does not fit the state (FleetError::Bug) must not be possible.
            match next.step(&run_id(), &input, now) {
                Ok(_) => {}
                Err(resus_core::fleet::FleetError::Refused(_)) => continue,
                Err(error) => panic!("{error} from {:?} by {input:?}", run(&fleet)),
            }
            if seen.insert(key(run(&next))) {
                queue.push_back(next);
            }
        }
    }
    // An opaque program is ready as soon as it runs, so it is never seen starting.
    let skipped = usize::from(contract == Contract::Opaque);
    assert_eq!(phases.len(), Phase::ALL.len() - skipped, "phases never reached: only {phases:?}");
    (seen.len(), steps)
}

#[test]
fn every_reachable_state_keeps_the_invariants() {
    for contract in [Contract::Pulse, Contract::Opaque] {
        let (states, steps) = visit(contract);
        println!("{contract:?}: {states} states, {steps} steps");
        assert!(states > 300, "the search has lost its way: {states} states");
    }
}
