//! The catalogue: which checkpoint is the newest, which are used, which are left alone.

use crate::support::*;
use resus_core::api::{CheckpointList, CheckpointState};
use resus_core::checkpoint::Health;
use resus_core::effect::Effect;
use resus_core::event::{Event, Why};
use resus_core::fleet::{Fleet, Step};
use resus_core::ids::Attempt;
use resus_core::input::{CheckpointRef, CheckpointRefusal, Fact, Input};
use resus_core::phase::Phase;
use resus_core::policy::{Policy, RetryPolicy};
use resus_core::retention;
use resus_core::spec::{Contract, Resume, Spec};

/// A run with more retries than any of these needs.
pub fn begun(resume: Resume) -> (Fleet, Step) {
    let retry = RetryPolicy { max: 50, backoff_ms: 0, ..policy().retry };
    accepted(Spec { resume, ..spec(Contract::Pulse, Policy { retry, ..policy() }) }, at(0))
}

pub fn go(fleet: &mut Fleet, names: &[&str]) -> Step {
    let mut last = None;
    for name in names {
        let next = input(name, run(fleet).attempt, run(fleet).upto);
        last =
            Some(fleet.step(&run_id(), &next, at(1_000)).unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    last.unwrap()
}

pub fn tell(fleet: &mut Fleet, fact: Fact) -> Step {
    let attempt = run(fleet).attempt;
    fleet.step(&run_id(), &Input::Observed { attempt, fact }, at(1_000)).unwrap()
}

/// A run at work, with verified checkpoints at these steps.
pub fn with(steps: &[u32]) -> Fleet {
    let (mut fleet, _) = begun(Resume::Auto);
    go(&mut fleet, &["picked none", "started", "sign of life"]);
    for step in steps {
        saved(&mut fleet, *step);
    }
    fleet
}

pub fn saved(fleet: &mut Fleet, step: u32) {
    go(fleet, &[&format!("saves {step}"), &format!("verifies {step}")]);
}

pub fn newest(fleet: &Fleet) -> Option<&str> {
    run(fleet).checkpoint.as_ref().map(|c| c.checkpoint_id.as_str())
}

/// What is asked of those who look for a place to begin: what they must not take, what they may
/// take, and where the run begins.
pub fn sought(step: &Step) -> (Vec<String>, Vec<String>, Option<String>) {
    let id = |c: &CheckpointRef| c.checkpoint_id.clone();
    step.effects
        .iter()
        .find_map(|effect| match effect {
            Effect::PickCheckpoint { set_aside, known, from, .. } => {
                Some((set_aside.clone(), known.iter().map(id).collect(), from.as_ref().map(id)))
            }
            _ => None,
        })
        .unwrap_or_else(|| panic!("nothing is looked for: {:?}", step.effects))
}

pub fn names(step: &Step) -> Vec<&'static str> {
    step.recorded.iter().map(|recorded| recorded.record.event.name()).collect()
}

#[test]
fn the_newest_is_the_one_that_came_farthest_and_of_equals_the_one_verified_last() {
    let mut fleet = with(&[1, 16, 3]);
    assert_eq!(newest(&fleet), Some("ck-16"));
    let again = CheckpointRef { step: Some(16.0), ..CheckpointRef::at("again", "/ck/again") };
    let unknown = CheckpointRef::at("unknown", "/ck/unknown");
    for (announced, expected) in [(again, "again"), (unknown, "again")] {
        let word = resus_core::pulse::word::Word::CheckpointSaved(announced.clone());
        let upto = run(&fleet).upto + 1;
        tell(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
        tell(&mut fleet, Fact::CheckpointChecked { checkpoint: announced, refusal: None });
        assert_eq!(newest(&fleet), Some(expected));
    }
}

#[test]
fn one_whose_numbers_are_not_finite_verifies_and_is_never_the_newest() {
    let mut fleet = with(&[5]);
    let word = resus_core::pulse::word::Word::CheckpointSaved(poisoned(9.0));
    let upto = run(&fleet).upto + 1;
    tell(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
    // Its file knows nothing of health: the word counts.
    tell(&mut fleet, Fact::CheckpointChecked { checkpoint: checkpoint(9.0), refusal: None });
    assert_eq!(run(&fleet).verified[1].health, Health::NotFinite);
    assert_eq!(newest(&fleet), Some("ck-5"));
    let protected: Vec<_> = retention::entries(run(&fleet), None)
        .into_iter()
        .map(|entry| (entry.checkpoint.checkpoint_id, entry.verified, entry.protected))
        .collect();
    let of = |id: &str| (id.to_owned(), true, true);
    assert_eq!(protected, [of("ck-5"), of("ck-9")], "the newest, and the newest that is healthy");
    let (set_aside, known, _) = sought(&go(&mut fleet, &["killed"]));
    assert_eq!((set_aside, known), (vec!["/ck/ck-9".to_owned()], vec!["ck-5".to_owned()]));
}

#[test]
fn a_run_that_has_only_poisoned_ones_does_not_begin_anew_by_itself() {
    let mut fleet = with(&[]);
    go(&mut fleet, &["killed", "picked poisoned"]);
    assert_eq!((run(&fleet).phase, run(&fleet).set_aside.len()), (Phase::Choosing, 1));
    let step = go(&mut fleet, &["picked none"]);
    assert_eq!((step.why, run(&fleet).phase), (Why::NothingToResumeFrom, Phase::Failed));
}

#[test]
fn work_is_not_thrown_away_unasked_when_the_damage_was_found_before() {
    let mut fleet = with(&[100]);
    go(&mut fleet, &["recheck", "damaged 100", "killed"]);
    let step = go(&mut fleet, &["picked none"]);
    assert_eq!((step.why, run(&fleet).phase), (Why::NothingToResumeFrom, Phase::Failed));
    let failure = run(&fleet).last_failure.clone().unwrap();
    assert_eq!(failure.code.as_str(), "CHECKPOINT_CORRUPT");
    for part in ["1 was refused", "`resus restore run-1 none`", "`resus checkpoints run-1`"] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
    // A user says that it may begin anew, and it does so after the next crash as well.
    go(&mut fleet, &["restore none", "started", "sign of life", "killed", "picked none"]);
    assert_eq!(run(&fleet).phase, Phase::Spawning);
}

#[test]
fn damage_that_a_search_found_is_told_though_nobody_waits_for_the_search_any_more() {
    let mut fleet = with(&[3, 5]);
    go(&mut fleet, &["killed", "pause"]);
    assert_eq!(names(&go(&mut fleet, &["all damaged"])), ["checkpoint_refused", "checkpoint_refused"]);
    assert_eq!(names(&go(&mut fleet, &["all damaged"])), [""; 0], "once");
    assert_eq!((run(&fleet).phase, newest(&fleet)), (Phase::Paused, None));
}

#[test]
fn a_run_that_never_had_a_checkpoint_begins_at_the_beginning_again() {
    let mut fleet = with(&[]);
    // What it announced was none of ours, so nothing of ours is lost.
    go(&mut fleet, &["saves 5"]);
    let refusal = resus_core::input::Refused { reason: "elsewhere".into(), moved_to: None };
    tell(&mut fleet, Fact::CheckpointChecked { checkpoint: checkpoint(5.0), refusal: Some(refusal) });
    go(&mut fleet, &["killed", "picked none"]);
    assert_eq!(run(&fleet).phase, Phase::Spawning);
}

#[test]
fn a_run_that_never_resumes_is_handed_nothing_and_looks_for_nothing() {
    let (mut fleet, step) = begun(Resume::Never);
    let spawns = |step: &Step| matches!(&step.effects[..], [Effect::Spawn { resume_from: None, .. }]);
    assert!(spawns(&step), "{:?}", step.effects);
    assert_eq!(names(&step), ["accepted", "attempt_begun", "spawn_ordered"]);
    go(&mut fleet, &["started", "sign of life"]);
    saved(&mut fleet, 5);
    assert!(spawns(&go(&mut fleet, &["killed"])), "{:?}", run(&fleet).phase);
    assert!(CheckpointList::of(run(&fleet)).checkpoints.iter().all(|c| !c.is_resume_point));
    go(&mut fleet, &["started", "exit 125"]);
    assert!(spawns(&go(&mut fleet, &["retry"])));
    // But a user may insist.
    go(&mut fleet, &["started", "exit 125", "restore"]);
    assert_eq!(run(&fleet).restore, Some(checkpoint(5.0)));
}

fn from_elsewhere() -> Resume {
    Resume::From(Box::new(CheckpointRef { step: Some(64.0), ..CheckpointRef::at("far", "/other/far") }))
}

#[test]
fn a_run_begins_from_a_given_checkpoint_until_it_has_its_own() {
    let (mut fleet, step) = begun(from_elsewhere());
    assert_eq!(sought(&step).2.as_deref(), Some("far"));
    let far = CheckpointRef { step: Some(64.0), ..CheckpointRef::at("far", "/other/far") };
    tell(&mut fleet, Fact::CheckpointPicked { chosen: Some(far), refused: vec![] });
    assert_eq!(sought(&go(&mut fleet, &["started", "killed"])).2.as_deref(), Some("far"));
    go(&mut fleet, &["picks 64", "started", "sign of life"]);
    saved(&mut fleet, 70);
    let entries = retention::entries(run(&fleet), None);
    let far = entries.iter().find(|entry| entry.checkpoint.path == "/other/far").unwrap();
    assert!(far.protected, "it is not the run's to delete");
    assert_eq!(sought(&go(&mut fleet, &["killed"])).2, None);
}

#[test]
fn a_given_checkpoint_that_does_not_verify_ends_the_run_until_somebody_gives_it_up() {
    let (mut fleet, _) = begun(from_elsewhere());
    let checkpoint = CheckpointRef::at("far", "/other/far");
    let refused = vec![CheckpointRefusal { checkpoint, reason: "torn".into(), moved_to: None }];
    let step = tell(&mut fleet, Fact::CheckpointPicked { chosen: None, refused });
    assert_eq!(names(&step), ["checkpoint_refused", "failed", "ended"]);
    // Nor if nobody says why there is nothing.
    let step = go(&mut fleet, &["retry", "picked none"]);
    assert_eq!(step.why, Why::NothingToResumeFrom);
    go(&mut fleet, &["restore none", "started"]);
    assert_eq!(sought(&go(&mut fleet, &["killed"])).2, None);
    go(&mut fleet, &["picked none"]);
    assert_eq!(run(&fleet).phase, Phase::Spawning);
}

#[test]
fn a_pin_is_kept_across_a_restart_and_goes_with_its_file() {
    let mut fleet = with(&[1, 2, 3]);
    let pin = |text: &str, pinned| Input::Pin { checkpoint: text.into(), pinned, by: "ann".into() };
    for (text, changed) in [("ck-1", 1), ("ck-1", 0), ("latest", 1)] {
        let step = fleet.step(&run_id(), &pin(text, true), at(1_000)).unwrap();
        assert_eq!(step.recorded.len(), changed, "{text}");
    }
    go(&mut fleet, &["saves 4"]);
    fleet.step(&run_id(), &pin("ck-4", true), at(1_000)).unwrap();
    let marks = |fleet: &Fleet| {
        let list = CheckpointList::of(run(fleet)).checkpoints;
        list.into_iter().map(|c| (c.checkpoint.checkpoint_id, c.pinned, c.protected)).collect::<Vec<_>>()
    };
    let of = |id: &str, pinned, protected| (id.to_owned(), pinned, protected);
    let expected =
        [of("ck-1", true, true), of("ck-2", false, false), of("ck-3", true, true), of("ck-4", true, false)];
    assert_eq!(marks(&fleet), expected, "an announced one is no entry of retention yet");
    tell(&mut fleet, Fact::CheckpointsPruned { paths: vec!["/ck/ck-1".into()] });
    assert!(!run(&fleet).pinned.contains("/ck/ck-1"));
    let refusal = fleet.step(&run_id(), &pin("none", true), at(1_000)).unwrap_err();
    assert_eq!(refusal.to_string(), "no checkpoint of this run is called \"none\"");
}

#[test]
fn reserved_words_name_no_checkpoint() {
    let mut fleet = with(&[1]);
    for id in ["none", "latest", "nonesuch"] {
        let checkpoint = CheckpointRef { step: Some(9.0), ..CheckpointRef::at(id, format!("/ck/{id}")) };
        let word = resus_core::pulse::word::Word::CheckpointSaved(checkpoint.clone());
        let upto = run(&fleet).upto + 1;
        tell(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
        tell(&mut fleet, Fact::CheckpointChecked { checkpoint, refusal: None });
    }
    go(&mut fleet, &["exit 125"]);
    let mut anew = fleet.clone();
    go(&mut anew, &["restore none"]);
    assert_eq!((run(&anew).phase, &run(&anew).resumed_from), (Phase::Spawning, &None));
    assert_eq!(run(&anew).set_aside.len(), 4);
    go(&mut fleet, &["restore"]);
    assert_eq!(run(&fleet).restore.as_ref().unwrap().checkpoint_id, "nonesuch", "the one verified last");
}

#[test]
fn what_is_damaged_is_listed_with_its_reason_until_it_verifies_again() {
    let mut fleet = with(&[1, 2]);
    go(&mut fleet, &["damaged 2"]);
    let last = CheckpointList::of(run(&fleet)).checkpoints.pop().unwrap();
    assert_eq!((last.state, last.is_resume_point), (CheckpointState::Damaged, false));
    assert_eq!((last.reason.as_deref(), last.moved_to.as_deref()), (Some("torn"), Some("/ck/damaged/ck-2")));
    assert_eq!(newest(&fleet), Some("ck-1"));
    saved(&mut fleet, 2);
    assert!(CheckpointList::of(run(&fleet)).checkpoints.iter().all(|c| c.state == CheckpointState::Verified));
    assert!(run(&fleet).refused.is_empty());
}

#[test]
fn of_many_refusals_the_last_hundred_are_kept() {
    let mut fleet = with(&[]);
    for step in 0..150 {
        go(&mut fleet, &[&format!("saves {step}"), &format!("damaged {step}")]);
    }
    assert_eq!(run(&fleet).refused.len(), 100);
    assert_eq!(run(&fleet).refused[0].checkpoint.checkpoint_id, "ck-50");
}

#[test]
fn everything_known_of_checkpoints_survives_the_daemon() {
    let (mut fleet, step) = begun(Resume::Auto);
    let mut records = step.recorded;
    for name in [
        "picked none",
        "started",
        "saves 1",
        "verifies 1",
        "saves 2",
        "verifies 2",
        "pin",
        "saves 3",
        "damaged 3",
        "nan at 2",
        "crashes at 2",
        "picks 1",
        "started",
        "crashes at 2",
    ] {
        records.extend(go(&mut fleet, &[name]).recorded);
    }
    assert!(records.iter().any(|r| matches!(r.record.event, Event::CheckpointsDoubted { .. })));
    let mut replayed = Fleet::new(resus_core::ids::Slug::new("n1").unwrap(), BOOT.into());
    for recorded in &records {
        let row = serde_json::to_string(&recorded.record).unwrap();
        replayed.replay(&serde_json::from_str(&row).unwrap());
    }
    assert_eq!(run(&replayed), run(&fleet));
    assert_eq!(run(&replayed).attempt, Attempt(3));
}

#[test]
fn what_is_still_to_be_read_back_is_told_while_it_is_further() {
    let mut fleet = with(&[2_250]);
    let unread = |fleet: &Fleet| run(fleet).newest_unread().map(|c| c.checkpoint_id.clone());
    assert_eq!(unread(&fleet), None);
    go(&mut fleet, &["saves 2341"]);
    let told = unread(&fleet).unwrap();
    assert_ne!(newest(&fleet), Some(told.as_str()));
    go(&mut fleet, &["verifies 2341"]);
    assert_eq!((unread(&fleet), newest(&fleet)), (None, Some(told.as_str())));
    go(&mut fleet, &["saves 7"]);
    assert_eq!(unread(&fleet), None, "an older one is nothing to go on from");
}
