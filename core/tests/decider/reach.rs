//! Visits every state that can be reached by any sequence of inputs, and checks the
//! invariants in each. States that differ only in counters and times are taken as one.

use crate::support::*;
use resus_core::apply::apply;
use resus_core::decide::{Reason, decide};
use resus_core::effect::Effect;
use resus_core::event::Event;
use resus_core::fleet::{Fleet, FleetError, Step};
use resus_core::pause::PauseStep;
use resus_core::phase::{Phase, Wanted};
use resus_core::retention::RetentionEntry;
use resus_core::run::Run;
use resus_core::spec::Contract;
use resus_core::watch;
use std::collections::{BTreeSet, VecDeque};

/// What tells two states apart for the decider. What matters in some phases only counts only
/// there, or the states of independent facts would multiply.
fn key(run: &Run) -> String {
    let running = run.phase == Phase::Running;
    let may_go_on = running || run.phase == Phase::CoolingDown;
    let choosing = matches!(run.phase, Phase::Choosing | Phase::Waiting);
    let newest = run.checkpoint.as_ref().map(|c| c.checkpoint_id.as_str());
    format!(
        "{:?} {:?} w{} d{} stop{:?} spoke{} complete{:?} error{} fails{} spent{} ck{} choice{:?} cand{} boot{} reopened{} pause{:?} go_on{} asked_ck{} restore{} aside{}",
        run.phase,
        run.wanted,
        run.worker.is_some(),
        run.deadline_mono_ms.is_some(),
        run.stop.as_ref().map(|s| s.cause),
        run.heard.spoke,
        run.heard.complete.as_ref().map(|c| c.outcome),
        run.heard.error.is_some(),
        run.retry.failures.min(1),
        run.retry.spent_mono_ms.len(),
        run.checkpoint.is_some(),
        // Matters where a place to begin is looked for, and after a failure.
        choosing.then_some((
            newest,
            run.lost_checkpoints > 0,
            run.overwritten.is_empty(),
            run.found_meanwhile.is_empty(),
        )),
        !run.candidates.is_empty(),
        run.lost_to_reboot,
        run.attempt.0 > 1,
        run.pause.as_ref().map(|p| (
            p.step,
            p.release && p.step == PauseStep::Wanted,
            p.asked_again && matches!(p.step, PauseStep::Asked | PauseStep::Held),
        )),
        run.told_to_go_on && may_go_on,
        run.checkpoint_asked && running,
        run.restore.is_some(),
        // Matters where the next attempt begins, and counts there only.
        !run.set_aside.is_empty() && matches!(run.phase, Phase::Choosing | Phase::Waiting),
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
    check_pause(run);
    if run.restore.is_some() {
        assert!(phase == Phase::Choosing || run.is_released(), "a worker beside a restore: {run:?}");
    }
    let aside = |path: &str| run.set_aside.iter().any(|checkpoint| checkpoint.path == path);
    assert!(!run.checkpoint.as_ref().is_some_and(|newest| aside(&newest.path)), "set aside and newest");
    assert_eq!(run.checkpoint.as_ref(), run.newest_usable());
    assert!(run.usable().all(|c| !run.refused.iter().any(|r| r.checkpoint.path == c.path)), "{run:?}");
    match phase {
        Phase::Choosing | Phase::Waiting => {
            assert!(run.worker.is_none(), "{phase:?} with a worker");
            assert_eq!(run.wanted, Wanted::Finished);
        }
        Phase::Running | Phase::CoolingDown => {
            assert!(run.worker.is_some() && run.wanted == Wanted::Finished, "{phase:?} without a worker");
        }
        Phase::Starting => assert!(run.worker.is_some() && run.wanted != Wanted::Cancelled),
        Phase::Pausing => assert!(run.worker.is_some() && run.deadline_mono_ms.is_some()),
        Phase::Paused => {
            assert_eq!(run.worker.is_none(), run.is_released());
            assert!(run.wanted == Wanted::Paused && run.deadline_mono_ms.is_none() && run.stop.is_none());
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

/// No worker begins from a checkpoint that is not trusted, unless a user insists; and retention
/// never gets its hands on the last good one.
pub fn check_step(before: &Run, step: &Step, after: &Run) {
    for recorded in &step.recorded {
        if let Event::SpawnOrdered { from: Some(from), .. } = &recorded.record.event {
            let insisted = before.restore.as_ref().is_some_and(|chosen| chosen.path == from.path);
            let refused = after.refused.iter().any(|refusal| refusal.checkpoint.path == from.path);
            let named = before.begins_from().is_some_and(|named| named.path == from.path);
            let distrusted = before.is_set_aside(&from.path) || from.is_poisoned();
            assert!(!refused && (insisted || named || !distrusted), "begins from {from:?}");
        }
    }
    for effect in &step.effects {
        match effect {
            Effect::PruneCheckpoints { entries, .. } => check_entries(after, entries),
            Effect::PickCheckpoint { set_aside, known, from, .. } => {
                let offered = known.iter().chain(from);
                assert!(offered.clone().all(|c| !set_aside.contains(&c.path)), "{effect:?}");
                assert!(after.set_aside.iter().all(|c| set_aside.contains(&c.path)), "{effect:?}");
                assert!(known.iter().all(|c| !c.is_poisoned()), "{effect:?}");
            }
            _ => {}
        }
    }
}

pub fn check_entries(run: &Run, entries: &[RetentionEntry]) {
    let is_protected =
        |path: &str| entries.iter().any(|entry| entry.checkpoint.path == path && entry.protected);
    assert!(run.phase != Phase::Choosing && run.restore.is_none(), "{run:?}");
    assert!(run.checkpoint.as_ref().is_none_or(|newest| is_protected(&newest.path)), "{entries:?}");
    for in_use in run.resumed_from.iter().filter(|c| run.verified.iter().any(|v| v.path == c.path)) {
        assert!(is_protected(&in_use.path), "{entries:?}");
    }
    let all = |entry: &RetentionEntry| entry.protected || !run.pinned.contains(&entry.checkpoint.path);
    assert!(entries.iter().all(all), "a pinned one is not protected: {entries:?}");
    let paths: BTreeSet<_> = entries.iter().map(|entry| &entry.checkpoint.path).collect();
    assert_eq!(paths.len(), entries.len(), "one twice: {entries:?}");
}

/// Phase, wish and pause agree.
fn check_pause(run: &Run) {
    let step = run.pause.as_ref().map(|pause| pause.step);
    match step {
        None => assert_ne!(run.wanted, Wanted::Paused, "a wish without a pause"),
        Some(PauseStep::Wanted) => {
            let coming = matches!(run.phase, Phase::Spawning | Phase::Starting) || run.phase.is_stopping();
            assert!(coming && run.wanted == Wanted::Paused, "{run:?}");
        }
        Some(PauseStep::Asked | PauseStep::Freezing) => {
            assert!(run.phase == Phase::Pausing && run.wanted == Wanted::Paused, "{run:?}");
        }
        Some(PauseStep::Releasing) => {
            assert!(run.phase == Phase::Pausing || run.phase.is_stopping(), "{run:?}");
            assert_ne!(run.wanted, Wanted::Cancelled);
        }
        Some(PauseStep::Held | PauseStep::Frozen | PauseStep::Released) => {
            assert_eq!(run.phase, Phase::Paused, "{run:?}");
        }
    }
    if matches!(run.phase, Phase::Pausing | Phase::Paused) {
        assert!(step.is_some(), "{:?} without a pause", run.phase);
        assert!(watch::limits(run) == watch::Limits::default(), "a paused worker may be silent");
    }
    // Who has never spoken can't be asked.
    if matches!(step, Some(PauseStep::Asked | PauseStep::Held)) {
        assert!(run.can_be_asked(), "{run:?}");
    }
}

/// From everywhere but the stop ladder a resume leads back to work: what was paused is not lost,
/// and no retry is burnt.
fn can_always_be_resumed(fleet: &Fleet) {
    if run(fleet).wanted != Wanted::Paused {
        return;
    }
    let mut fork = fleet.clone();
    let spent = run(fleet).retry.spent_mono_ms.len();
    fork.step(&run_id(), &input("resume", run(&fork).attempt, 0), at(2_000_000)).unwrap();
    let after = run(&fork);
    assert_eq!((after.wanted, after.retry.spent_mono_ms.len()), (Wanted::Finished, spent));
    assert!(!matches!(after.phase, Phase::Paused), "{after:?}");
    let leaving = after.pause.as_ref().is_some_and(|pause| pause.step == PauseStep::Releasing);
    if leaving {
        let left = input("exit 3", after.attempt, after.upto);
        fork.step(&run_id(), &left, at(2_000_001)).unwrap();
        assert!(matches!(run(&fork).phase, Phase::Choosing | Phase::Done), "{:?}", run(&fork));
    }
}

/// Only a run that has ended can be removed; then nothing changes it any more, and it is not there.
fn check_removal(before: &Fleet, after: &Fleet, step: &Step) {
    assert!(run(before).phase.is_terminal(), "{:?}", run(before));
    assert!(step.effects.contains(&Effect::DeleteRun), "{step:?}");
    assert!(after.get(&run_id()).is_none() && after.removed().count() == 1);
    let gone = step.removed.as_deref().unwrap();
    for (name, input) in all_inputs(gone.attempt, gone.upto) {
        let mut fork = after.clone();
        let error = fork.step(&run_id(), &input, at(2_000_000)).unwrap_err();
        assert!(matches!(error, FleetError::Removed { .. }), "{name}: {error}");
        let mut run = gone.clone();
        run.removed = true;
        match decide(&run, &input, at(2_000_000)) {
            Ok(decision) => assert!(decision.events.is_empty() && decision.effects.is_empty(), "{name}"),
            Err(refusal) => assert_eq!(refusal.reason, Reason::Removed, "{name}"),
        }
        let mut record = step.recorded.last().unwrap().record.clone();
        record.seq += 1;
        assert!(apply(&mut run, &record).is_err(), "{name}");
    }
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
        can_always_be_resumed(&fleet);
        phases.insert(run(&fleet).phase);
        for (_, input) in all_inputs(run(&fleet).attempt, run(&fleet).upto) {
            let mut next = fleet.clone();
            // Far enough apart for any deadline, near enough for the retry window; an attempt
            // never looks healthy because it has only just begun.
            let now = at(run(&fleet).deadline_mono_ms.unwrap_or(run(&fleet).phase_since.mono_ms + 1));
            steps += 1;
            // Ok: something or nothing happened. Err: a command was refused. An event that
            // does not fit the state (FleetError::Bug) must not be possible.
            match next.step(&run_id(), &input, now) {
                Ok(step) if step.removed.is_some() => {
                    check_removal(&fleet, &next, &step);
                    continue;
                }
                Ok(step) => check_step(run(&fleet), &step, run(&next)),
                Err(FleetError::Refused(_)) => continue,
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

fn search(contract: Contract) {
    let (states, steps) = visit(contract);
    println!("{contract:?}: {states} states, {steps} steps");
    assert!(states > 3_000, "the search has lost its way: {states} states");
}

#[test]
fn every_reachable_state_keeps_the_invariants() {
    search(Contract::Pulse);
}

#[test]
fn every_reachable_state_of_an_opaque_program_keeps_the_invariants() {
    search(Contract::Opaque);
}
