//! Which checkpoint a text names, and what a restore does to the list of them.

use crate::support::*;
use resus_core::api::{CheckpointList, CheckpointState};
use resus_core::effect::Effect;
use resus_core::fleet::{Fleet, FleetError};
use resus_core::ids::Attempt;
use resus_core::input::{CheckpointRef, Fact, Input};
use resus_core::pulse::word::Word;
use resus_core::retention::RetentionEntry;
use resus_core::spec::Contract;

fn observe(fleet: &mut Fleet, fact: Fact) {
    let attempt = run(fleet).attempt;
    fleet.step(&run_id(), &Input::Observed { attempt, fact }, at(1_000)).unwrap();
}

fn go(fleet: &mut Fleet, names: &[&str]) {
    for name in names {
        let next = input(name, run(fleet).attempt, run(fleet).upto);
        fleet.step(&run_id(), &next, at(1_000)).unwrap();
    }
}

/// A failed run with verified checkpoints at these steps.
fn failed_with(steps: &[f64]) -> Fleet {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    go(&mut fleet, &["picked none", "started", "sign of life"]);
    for step in steps {
        let word = Word::CheckpointSaved(checkpoint(*step));
        let upto = run(&fleet).upto + 1;
        observe(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
        observe(&mut fleet, Fact::CheckpointChecked { checkpoint: checkpoint(*step), refusal: None });
    }
    go(&mut fleet, &["exit 125"]);
    fleet
}

fn chosen(fleet: &Fleet, text: &str) -> Result<String, String> {
    let mut fork = fleet.clone();
    let wish = Input::Restore { checkpoint: text.into(), by: "test".into() };
    match fork.step(&run_id(), &wish, at(2_000)) {
        Ok(_) => Ok(run(&fork).restore.clone().unwrap().checkpoint_id),
        Err(FleetError::Refused(refusal)) => Err(refusal.to_string()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_checkpoint_is_named_by_its_id_a_unique_beginning_or_as_the_latest() {
    let fleet = failed_with(&[1.0, 15.0, 16.0, 3.0]);
    for (text, id) in [("ck-15", "ck-15"), ("ck-1", "ck-1"), ("ck-3", "ck-3"), ("latest", "ck-16")] {
        assert_eq!(chosen(&fleet, text).as_deref(), Ok(id), "{text}");
    }
    assert_eq!(chosen(&failed_with(&[15.0]), "c").as_deref(), Ok("ck-15"));
    let ambiguous = chosen(&fleet, "ck").unwrap_err();
    assert_eq!(ambiguous, "the names of 4 checkpoints of this run begin with \"ck\"");
    for unknown in ["", "k-1", "ck-2"] {
        let refusal = chosen(&fleet, unknown).unwrap_err();
        assert_eq!(refusal, format!("no verified checkpoint of this run is called {unknown:?}"));
    }
    assert!(chosen(&failed_with(&[]), "latest").is_err());
}

fn listed(fleet: &Fleet) -> Vec<(String, CheckpointState, bool)> {
    let list = CheckpointList::of(run(fleet)).checkpoints;
    list.into_iter().map(|c| (c.checkpoint.checkpoint_id, c.state, c.is_resume_point)).collect()
}

fn restored(fleet: &mut Fleet, step: f64, newer: &[f64]) {
    let wish = Input::Restore { checkpoint: format!("ck-{step}"), by: "test".into() };
    fleet.step(&run_id(), &wish, at(2_000)).unwrap();
    let newer: Vec<CheckpointRef> = newer.iter().map(|step| checkpoint(*step)).collect();
    observe(fleet, Fact::RestoreChecked { checkpoint: checkpoint(step), refusal: None, newer });
}

#[test]
fn what_is_newer_is_set_aside_until_it_is_saved_again_or_restored() {
    use CheckpointState::{SetAside, Verified};
    let mut fleet = failed_with(&[1.0, 2.0, 3.0]);
    assert_eq!(listed(&fleet).last(), Some(&("ck-3".to_owned(), Verified, true)));
    restored(&mut fleet, 1.0, &[2.0, 3.0]);
    let of = |id: &str, state, next| (id.to_owned(), state, next);
    assert_eq!(
        listed(&fleet),
        [of("ck-2", SetAside, false), of("ck-3", SetAside, false), of("ck-1", Verified, true)]
    );
    // The new worker comes as far as the second one, and saves it anew.
    go(&mut fleet, &["started", "sign of life"]);
    let word = Word::CheckpointSaved(checkpoint(2.0));
    observe(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto: 1 });
    observe(&mut fleet, Fact::CheckpointChecked { checkpoint: checkpoint(2.0), refusal: None });
    assert_eq!(
        listed(&fleet),
        [of("ck-3", SetAside, false), of("ck-1", Verified, false), of("ck-2", Verified, true)]
    );
    go(&mut fleet, &["exit 125"]);
    restored(&mut fleet, 3.0, &[]);
    assert_eq!(run(&fleet).attempt, Attempt(3));
    assert!(listed(&fleet).iter().all(|(_, state, _)| *state == Verified), "{:?}", listed(&fleet));
}

#[test]
fn what_was_set_aside_before_stays_so_when_another_one_is_restored() {
    let mut fleet = failed_with(&[1.0, 2.0, 3.0]);
    let aside =
        |fleet: &Fleet| run(fleet).set_aside.iter().map(|c| c.checkpoint_id.clone()).collect::<Vec<_>>();
    restored(&mut fleet, 1.0, &[2.0, 3.0]);
    go(&mut fleet, &["started", "exit 125"]);
    restored(&mut fleet, 3.0, &[]);
    assert_eq!(aside(&fleet), ["ck-2"]);
    go(&mut fleet, &["started", "exit 125"]);
    restored(&mut fleet, 2.0, &[3.0]);
    assert_eq!(aside(&fleet), ["ck-3"]);
    assert_eq!(run(&fleet).checkpoint, Some(checkpoint(2.0)));
}

#[test]
fn one_that_does_not_say_how_far_it_had_come_leaves_behind_what_came_after_it() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    go(&mut fleet, &["picked none", "started", "sign of life"]);
    let unknown = CheckpointRef::at("unknown", "/ck/unknown");
    for saved in [checkpoint(1.0), unknown.clone(), checkpoint(2.0), checkpoint(3.0)] {
        let upto = run(&fleet).upto + 1;
        let word = Word::CheckpointSaved(saved.clone());
        observe(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
        if saved.checkpoint_id != "ck-3" {
            observe(&mut fleet, Fact::CheckpointChecked { checkpoint: saved, refusal: None });
        }
    }
    go(&mut fleet, &["exit 125"]);
    let wish = Input::Restore { checkpoint: "unknown".into(), by: "test".into() };
    fleet.step(&run_id(), &wish, at(2_000)).unwrap();
    observe(&mut fleet, Fact::RestoreChecked { checkpoint: unknown, refusal: None, newer: vec![] });
    let aside: Vec<_> = run(&fleet).set_aside.iter().map(|c| c.checkpoint_id.as_str()).collect();
    assert_eq!(aside, ["ck-2", "ck-3"]);
}

#[test]
fn of_two_with_one_name_the_path_tells_which() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    go(&mut fleet, &["picked none", "started", "sign of life"]);
    for path in ["/a/last", "/b/last"] {
        let saved = CheckpointRef { step: Some(1.0), ..CheckpointRef::at("last", path) };
        let upto = run(&fleet).upto + 1;
        let word = Word::CheckpointSaved(saved.clone());
        observe(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
        observe(&mut fleet, Fact::CheckpointChecked { checkpoint: saved, refusal: None });
    }
    let pin = |text: &str| Input::Pin { checkpoint: text.into(), pinned: true, by: "test".into() };
    let recheck = |text: &str| Input::Recheck { checkpoint: Some(text.into()), by: "test".into() };
    for text in ["last", "la"] {
        for wish in [pin(text), recheck(text)] {
            let refusal = fleet.clone().step(&run_id(), &wish, at(2_000)).unwrap_err().to_string();
            assert_eq!(refusal, "2 checkpoints of this run are called \"last\"; give the path");
        }
    }
    fleet.step(&run_id(), &pin("/a/last"), at(2_000)).unwrap();
    assert_eq!(run(&fleet).pinned.iter().collect::<Vec<_>>(), ["/a/last"]);
    let effects = fleet.step(&run_id(), &recheck("/b/last"), at(2_000)).unwrap().effects;
    let [Effect::VerifyCheckpoint { checkpoint, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(checkpoint.path, "/b/last");
    go(&mut fleet, &["exit 125"]);
    let wish = Input::Restore { checkpoint: "/a/last".into(), by: "test".into() };
    fleet.step(&run_id(), &wish, at(2_000)).unwrap();
    assert_eq!(run(&fleet).restore.as_ref().unwrap().path, "/a/last");
    assert!(fleet.step(&run_id(), &pin("/c/last"), at(2_000)).is_err());
}

#[test]
fn a_damaged_newest_one_does_not_bring_back_what_is_set_aside() {
    let mut fleet = failed_with(&[1.0, 2.0, 3.0]);
    restored(&mut fleet, 2.0, &[3.0]);
    observe(&mut fleet, Fact::CheckpointsPruned { paths: vec![checkpoint(2.0).path] });
    assert_eq!(run(&fleet).checkpoint, Some(checkpoint(1.0)));
}

/// A worker announces a checkpoint that is still being read back when the run fails.
fn announced(fleet: &mut Fleet, step: f64) {
    let upto = run(fleet).upto + 1;
    let word = Word::CheckpointSaved(checkpoint(step));
    observe(fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
}

/// A checkpoint was read back: what is ordered then.
fn read_back(fleet: &mut Fleet, step: f64) -> Vec<Effect> {
    let fact = Fact::CheckpointChecked { checkpoint: checkpoint(step), refusal: None };
    let attempt = run(fleet).attempt;
    fleet.step(&run_id(), &Input::Observed { attempt, fact }, at(2_500)).unwrap().effects
}

#[test]
fn what_is_restored_is_not_deleted_meanwhile_nor_under_the_worker() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    go(&mut fleet, &["picked none", "started", "sign of life"]);
    for step in [1.0, 2.0, 3.0, 4.0, 5.0] {
        announced(&mut fleet, step);
        let effects = read_back(&mut fleet, step);
        let [Effect::PruneCheckpoints { entries, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((entries.len(), protected(entries)), (step as usize, vec![format!("ck-{step}")]));
    }
    announced(&mut fleet, 6.0);
    go(&mut fleet, &["exit 125"]);
    let wish = Input::Restore { checkpoint: "ck-1".into(), by: "test".into() };
    fleet.step(&run_id(), &wish, at(2_000)).unwrap();
    assert_eq!(read_back(&mut fleet, 6.0), [], "the sixth of five: the first would go");
    let refusal = fleet.step(&run_id(), &input("prune", Attempt(1), 0), at(2_000)).unwrap_err();
    assert_eq!(refusal.to_string(), "can't prune checkpoints of a run that is preparing");
    observe(&mut fleet, Fact::RestoreChecked { checkpoint: checkpoint(1.0), refusal: None, newer: vec![] });
    go(&mut fleet, &["started", "sign of life"]);
    announced(&mut fleet, 2.0);
    let effects = read_back(&mut fleet, 2.0);
    let [Effect::PruneCheckpoints { entries, .. }] = &effects[..] else { panic!("{effects:?}") };
    let verified: Vec<_> = entries.iter().filter(|entry| entry.verified).map(id).collect();
    assert_eq!((verified, entries.len()), (vec!["ck-1".to_owned(), "ck-2".to_owned()], 6));
    assert_eq!(protected(entries), ["ck-1", "ck-2"], "its worker may still read the first");
}

fn id(entry: &RetentionEntry) -> String {
    entry.checkpoint.checkpoint_id.clone()
}

fn protected(entries: &[RetentionEntry]) -> Vec<String> {
    entries.iter().filter(|entry| entry.protected).map(id).collect()
}
