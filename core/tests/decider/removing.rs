//! Removing a run, what it keeps, and what keeps it.

use crate::support::*;
use resus_core::api::ObstacleKind;
use resus_core::decide::Reason;
use resus_core::effect::Effect;
use resus_core::fleet::{Fleet, FleetError};
use resus_core::ids::{Attempt, CommandId, RunId};
use resus_core::input::{CheckpointRef, Input, Verb};
use resus_core::phase::Phase;
use resus_core::spec::{Contract, Resume, Spec};

fn go(fleet: &mut Fleet, names: &[&str]) {
    for name in names {
        let next = input(name, run(fleet).attempt, run(fleet).upto);
        fleet.step(&run_id(), &next, at(1_000)).unwrap();
    }
}

fn ended() -> Fleet {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    go(&mut fleet, &["picked none", "started", "said saved", "checkpoint good", "exit 125"]);
    fleet
}

fn remove() -> Input {
    input("remove", Attempt(1), 0)
}

/// A run that is to begin from a file in the folder of the first.
fn heir(fleet: &mut Fleet) -> (RunId, Result<(), FleetError>) {
    let from = CheckpointRef::at("ck-9".to_owned(), format!("/s/runs/{}/checkpoints/ck-9.prsm", run_id()));
    let spec = Spec { resume: Resume::From(Box::new(from)), ..spec(Contract::Pulse, policy()) };
    let id = RunId::new("run-2").unwrap();
    let result = fleet.submit(id.clone(), spec, None, at(2_000)).map(drop);
    (id, result)
}

#[test]
fn what_was_removed_stays_known_and_its_command_creates_no_new_run() {
    let mut fleet = ended();
    let step = fleet.step(&run_id(), &remove(), at(5_000)).unwrap();
    assert_eq!(step.effects, [Effect::Dismiss, Effect::DeleteRun]);
    assert_eq!(fleet.runs().count(), 0);
    let again = fleet.step(&run_id(), &command(Verb::Stop), at(6_000)).unwrap_err();
    assert!(
        again.to_string().contains("was removed on") && again.to_string().ends_with("by test"),
        "{again}"
    );
    let command = CommandId::new("cmd-1").unwrap();
    let other = RunId::new("run-3").unwrap();
    let error = fleet.submit(other, spec(Contract::Pulse, policy()), Some(command), at(7_000)).unwrap_err();
    assert!(matches!(&error, FleetError::Removed { run_id: id, .. } if *id == run_id()), "{error}");
}

#[test]
fn a_run_that_another_one_is_to_begin_from_stays_until_that_has_a_checkpoint_of_its_own_or_is_gone() {
    for way in ["own checkpoint", "removal"] {
        let mut fleet = ended();
        let (other, accepted) = heir(&mut fleet);
        accepted.unwrap();
        let refused = fleet.step(&run_id(), &remove(), at(3_000)).unwrap_err();
        assert!(matches!(&refused, FleetError::Needed { needed_by, .. } if *needed_by == other), "{refused}");
        let thin = input("prune to one", Attempt(1), 0);
        assert!(matches!(fleet.step(&run_id(), &thin, at(3_000)), Err(FleetError::Needed { .. })));
        let road: &[&str] = match way {
            // Cancelled, it could be retried: only its own removal lets the other go.
            "removal" => &["stop", "remove"],
            _ => &["picked newest", "started", "said saved", "checkpoint good"],
        };
        for name in road {
            let next = input(name, Attempt(1), fleet.get(&other).unwrap().upto);
            fleet.step(&other, &next, at(4_000)).unwrap();
        }
        fleet.step(&run_id(), &remove(), at(5_000)).unwrap();
        assert!(fleet.get(&run_id()).is_none(), "{way}");
    }
}

#[test]
fn a_run_that_failed_or_was_cancelled_keeps_what_a_retry_would_begin_from() {
    for road in [&["stop"][..], &["picked none", "started", "exit 125"]] {
        let mut fleet = ended();
        let (other, _) = heir(&mut fleet);
        for name in road {
            let next = input(name, Attempt(1), fleet.get(&other).unwrap().upto);
            fleet.step(&other, &next, at(3_000)).unwrap();
        }
        assert!(fleet.get(&other).unwrap().phase.is_terminal(), "{road:?}");
        let refused = fleet.step(&run_id(), &remove(), at(4_000)).unwrap_err();
        assert!(matches!(refused, FleetError::Needed { has_ended: true, .. }), "{road:?}: {refused}");
        let thin = input("prune to one", Attempt(1), 0);
        assert!(matches!(fleet.step(&run_id(), &thin, at(4_000)), Err(FleetError::Needed { .. })));
    }
}

#[test]
fn what_stands_in_the_way_is_told_at_once_and_removal_agrees() {
    let kinds = |fleet: &Fleet, with_pinned| {
        let all = fleet.obstacles(&run_id(), with_pinned).unwrap();
        all.iter().map(|obstacle| obstacle.kind).collect::<Vec<_>>()
    };
    let mut fleet = ended();
    assert_eq!(kinds(&fleet, false), []);
    let (other, _) = heir(&mut fleet);
    go(&mut fleet, &["pin", "retry"]);
    let all = [ObstacleKind::Phase, ObstacleKind::Pinned, ObstacleKind::Needed];
    assert_eq!(kinds(&fleet, false), all);
    assert_eq!(kinds(&fleet, true), [ObstacleKind::Phase, ObstacleKind::Needed]);
    go(&mut fleet, &["kill"]);
    let needed = fleet.obstacles(&run_id(), true).unwrap();
    assert_eq!(needed.last().unwrap().needed_by.as_deref(), Some(other.as_str()));
    let refused = fleet.step(&run_id(), &input("remove pinned", Attempt(1), 0), at(3_000)).unwrap_err();
    assert_eq!(needed.last().unwrap().text, refused.to_string(), "one text");
}

#[test]
fn no_run_begins_from_a_checkpoint_of_one_that_was_removed() {
    let mut fleet = ended();
    fleet.step(&run_id(), &remove(), at(3_000)).unwrap();
    let (other, refused) = heir(&mut fleet);
    assert!(matches!(refused, Err(FleetError::Removed { .. })), "{refused:?}");
    assert!(fleet.get(&other).is_none());
}

#[test]
fn a_pinned_checkpoint_goes_only_if_that_is_said() {
    let mut fleet = ended();
    go(&mut fleet, &["pin"]);
    let Err(FleetError::Refused(refusal)) = fleet.step(&run_id(), &remove(), at(3_000)) else { panic!() };
    assert_eq!(refusal.reason, Reason::Pinned { count: 1 });
    fleet.step(&run_id(), &input("remove pinned", Attempt(1), 0), at(3_000)).unwrap();
}

#[test]
fn output_of_attempts_after_a_retry_is_not_what_was_pruned() {
    let mut fleet = ended();
    go(&mut fleet, &["drop output"]);
    assert_eq!(run(&fleet).output_pruned.as_ref().map(|pruned| pruned.upto), Some(Attempt(1)));
    let again = fleet.step(&run_id(), &input("drop output", Attempt(1), 0), at(2_000)).unwrap();
    assert!(again.recorded.is_empty(), "{again:?}");
    assert_eq!(again.effects, [Effect::DeleteOutput { upto: Attempt(1) }]);
    go(&mut fleet, &["retry"]);
    let living = fleet.step(&run_id(), &input("drop output", Attempt(2), 0), at(2_000));
    assert!(matches!(living, Err(FleetError::Refused(_))), "{living:?}");
    assert_eq!(run(&fleet).output_pruned.as_ref().map(|pruned| pruned.upto), Some(Attempt(1)));
}

#[test]
fn a_removal_that_could_not_be_recorded_is_none() {
    let mut fleet = ended();
    fleet.step(&run_id(), &remove(), at(3_000)).unwrap();
    fleet.quarantine(run_id(), "the disk is full".into());
    assert_eq!(fleet.removed().count(), 0);
    let refused = fleet.step(&run_id(), &remove(), at(3_000));
    assert!(matches!(refused, Err(FleetError::Quarantined { .. })), "{refused:?}");
}

#[test]
fn only_the_newest_checkpoint_of_an_ended_run_stays() {
    let mut fleet = ended();
    assert_eq!(run(&fleet).phase, Phase::Failed);
    let step = fleet.step(&run_id(), &input("prune to one", Attempt(1), 0), at(3_000)).unwrap();
    let [Effect::PruneCheckpoints { rules, entries, .. }] = &step.effects[..] else { panic!("{step:?}") };
    assert_eq!((rules.keep_last, rules.keep_best, rules.keep_every), (1, 0, 0));
    assert_eq!(entries.len(), 1);
}
