//! What becomes of announcements: one over an older file, one whose file is gone, an answer that comes
//! late, a doubt before the file was read back.

use crate::checkpoints::{begun, go, names, newest, saved, sought, tell, with};
use crate::support::*;
use resus_core::api::{CheckpointList, CheckpointState};
use resus_core::checkpoint::Health;
use resus_core::effect::Effect;
use resus_core::event::Why;
use resus_core::explain::sentence;
use resus_core::fleet::{Fleet, Step};
use resus_core::input::{CheckpointRef, Fact, Refused};
use resus_core::phase::Phase;
use resus_core::spec::Resume;

/// What is to be read back after a step: the only one.
fn asked(step: &Step) -> CheckpointRef {
    let asked: Vec<_> = step
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::VerifyCheckpoint { checkpoint, .. } => Some(checkpoint.clone()),
            _ => None,
        })
        .collect();
    let [only] = &asked[..] else { panic!("{:?}", step.effects) };
    only.clone()
}

fn good(fleet: &mut Fleet, checkpoint: CheckpointRef) -> Step {
    tell(fleet, Fact::CheckpointChecked { checkpoint, refusal: None })
}

fn torn(fleet: &mut Fleet, checkpoint: CheckpointRef) -> Step {
    let refusal = Some(Refused { reason: "torn".into(), moved_to: None });
    tell(fleet, Fact::CheckpointChecked { checkpoint, refusal })
}

#[test]
fn one_that_was_only_announced_and_is_gone_is_forgotten_and_no_work_is_lost() {
    let mut fleet = with(&[]);
    let step = go(&mut fleet, &["saves 5", "checkpoint gone"]);
    assert_eq!(names(&step), ["checkpoint_pruned"]);
    let told = sentence(&step.recorded[0].record, run(&fleet));
    assert_eq!(told, "checkpoint ck-5 was gone before it could be read back");
    assert!(CheckpointList::of(run(&fleet)).checkpoints.is_empty());
    go(&mut fleet, &["killed", "picked none"]);
    assert_eq!(run(&fleet).phase, Phase::Spawning);
    // The same if only the search finds out, and nothing is told of one that nobody knows.
    go(&mut fleet, &["started", "sign of life", "saves 5", "killed"]);
    assert_eq!(names(&go(&mut fleet, &["picked gone"])), ["checkpoint_pruned", "spawn_ordered"]);
    go(&mut fleet, &["started", "sign of life", "crashes at 9"]);
    assert_eq!(names(&go(&mut fleet, &["picked gone"])), ["spawn_ordered"]);
}

#[test]
fn one_that_was_read_back_and_is_gone_is_lost_work() {
    let mut fleet = with(&[5]);
    assert_eq!(names(&go(&mut fleet, &["checkpoint gone"])), ["checkpoint_refused"]);
    go(&mut fleet, &["killed", "picked none"]);
    assert_eq!((run(&fleet).phase, run(&fleet).lost_checkpoints), (Phase::Failed, 1));
}

#[test]
fn what_is_written_over_is_not_there_any_more() {
    let mut fleet = with(&[1, 2]);
    go(&mut fleet, &["saves 2"]);
    assert_eq!(newest(&fleet), Some("ck-1"));
    let list = CheckpointList::of(run(&fleet)).checkpoints;
    assert_eq!(
        list.iter().map(|c| c.state).collect::<Vec<_>>(),
        [CheckpointState::Verified, CheckpointState::Candidate]
    );
    go(&mut fleet, &["verifies 2"]);
    assert_eq!(newest(&fleet), Some("ck-2"));
}

#[test]
fn a_file_written_over_that_can_not_be_used_is_lost_work() {
    for fails in ["checkpoint gone", "picked gone", "picked none"] {
        let mut fleet = with(&[5]);
        go(&mut fleet, &["saves 5"]);
        if fails == "checkpoint gone" {
            go(&mut fleet, &[fails, "killed", "picked none"]);
        } else {
            go(&mut fleet, &["killed", fails]);
        }
        assert_eq!(run(&fleet).phase, Phase::Failed, "{fails}");
        let code = run(&fleet).last_failure.clone().unwrap().code;
        assert_eq!(code.as_str(), "CHECKPOINT_CORRUPT", "{fails}");
        // A user says that it may begin anew.
        go(&mut fleet, &["restore none", "started", "killed", "picked none"]);
        assert_eq!(run(&fleet).phase, Phase::Spawning, "{fails}");
    }
}

#[test]
fn an_answer_about_the_file_before_is_not_taken_for_one_about_the_new_one() {
    let mut fleet = with(&[]);
    let first = asked(&go(&mut fleet, &["saves 5"]));
    let second = asked(&go(&mut fleet, &["saves 5"]));
    assert_eq!(names(&good(&mut fleet, first.clone())), [""; 0]);
    assert_eq!(names(&torn(&mut fleet, first)), [""; 0]);
    assert_eq!(newest(&fleet), None);
    assert_eq!(names(&good(&mut fleet, second)), ["checkpoint_verified"]);
    // A recheck of what is written over meanwhile.
    let recheck = asked(&go(&mut fleet, &["recheck"]));
    let third = asked(&go(&mut fleet, &["saves 5"]));
    assert_eq!(names(&torn(&mut fleet, recheck.clone())), [""; 0]);
    assert_eq!(names(&good(&mut fleet, recheck)), [""; 0]);
    assert_eq!(names(&good(&mut fleet, third)), ["checkpoint_verified"]);
    let recheck = asked(&go(&mut fleet, &["recheck"]));
    assert_eq!(names(&torn(&mut fleet, recheck)), ["checkpoint_refused"]);
}

#[test]
fn what_was_announced_after_the_loss_went_wrong_stays_aside_though_it_is_whole() {
    let mut fleet = with(&[100, 200]);
    let announced = asked(&go(&mut fleet, &["saves 512"]));
    let step = go(&mut fleet, &["saves 300", "nan at 512", "crashes at 610"]);
    let (set_aside, known, _) = sought(&step);
    assert_eq!(set_aside, ["/ck/ck-512"]);
    assert_eq!(known, ["ck-100", "ck-200", "ck-300"]);
    assert_eq!(names(&good(&mut fleet, announced)), [""; 0]);
    assert_eq!((newest(&fleet), run(&fleet).is_set_aside("/ck/ck-512")), (Some("ck-200"), true));
    // Announced anew it is another one.
    go(&mut fleet, &["picks 200", "started", "sign of life"]);
    saved(&mut fleet, 512);
    assert_eq!(newest(&fleet), Some("ck-512"));
}

#[test]
fn a_doubted_one_that_turns_out_damaged_is_told_and_no_work_is_lost() {
    let mut fleet = with(&[100]);
    go(&mut fleet, &["saves 512", "nan at 512", "crashes at 610"]);
    assert_eq!(names(&go(&mut fleet, &["damaged 512"])), ["checkpoint_refused"]);
    assert_eq!((run(&fleet).lost_checkpoints, newest(&fleet)), (0, Some("ck-100")));
}

#[test]
fn a_crash_that_comes_back_doubts_what_was_announced_since() {
    let mut fleet = with(&[100, 200]);
    go(&mut fleet, &["crashes at 250", "picks 200", "started", "crashes at 250"]);
    let unknown = CheckpointRef::at("unknown", "/ck/unknown");
    go(&mut fleet, &["picks 200", "started", "saves 240", "saves 150"]);
    let upto = run(&fleet).upto + 1;
    let word = resus_core::pulse::word::Word::CheckpointSaved(unknown);
    tell(&mut fleet, Fact::Said { word, said_unix_ms: None, at_units: None, upto });
    let (set_aside, known, _) = sought(&go(&mut fleet, &["crashes at 250"]));
    assert_eq!(set_aside, ["/ck/ck-200", "/ck/ck-240", "/ck/unknown"]);
    assert_eq!(known, ["ck-100", "ck-150"]);
}

#[test]
fn a_loss_that_was_wrong_from_the_beginning_leaves_the_oldest_one() {
    // The amounts of the worker may be epochs, and those of the checkpoints steps.
    let mut fleet = with(&[300, 500]);
    go(&mut fleet, &["nan at 2"]);
    let step = go(&mut fleet, &["crashes at 2"]);
    assert_eq!((sought(&step).1, newest(&fleet)), (vec!["ck-300".to_owned()], Some("ck-300")));
    assert_eq!(names(&go(&mut fleet, &["picked none"])), ["failed", "ended"], "never from nothing");
    // None of them has been read back yet.
    let mut unread = with(&[]);
    let step = go(&mut unread, &["saves 500", "saves 300", "nan at 2", "crashes at 2"]);
    assert_eq!(sought(&step).1, ["ck-300"]);
}

#[test]
fn one_that_was_read_back_during_the_search_is_looked_for_once_more() {
    for answer in ["picked none", "picked gone", "picked older"] {
        let mut fleet = with(&[]);
        go(&mut fleet, &["saves 5", "killed", "verifies 5"]);
        let step = go(&mut fleet, &[answer]);
        assert_eq!(sought(&step).1, ["ck-5"], "{answer}");
        assert_eq!(names(&step), ["order_repeated"], "{answer}");
        let told = sentence(&step.recorded[0].record, run(&fleet));
        assert!(told.ends_with("it is looked for once more"), "{told}");
        // Once: then it is so.
        let mut chosen = fleet.clone();
        go(&mut chosen, &["picks 5"]);
        assert_eq!(run(&chosen).phase, Phase::Spawning, "{answer}");
        let step = go(&mut fleet, &["picked none"]);
        assert_eq!((step.why, run(&fleet).phase), (Why::NothingToResumeFrom, Phase::Failed), "{answer}");
    }
}

#[test]
fn one_that_was_moved_away_after_it_was_read_back_is_not_looked_for_once_more() {
    let mut fleet = with(&[]);
    go(&mut fleet, &["saves 5", "killed", "verifies 5", "all damaged"]);
    assert_eq!(run(&fleet).phase, Phase::Failed);
}

#[test]
fn what_a_user_named_is_taken_though_its_numbers_are_not_finite() {
    for said in [Health::NotFinite, Health::Unknown] {
        let far = CheckpointRef { step: Some(64.0), ..CheckpointRef::at("far", "/other/far") };
        let read = CheckpointRef { health: Health::NotFinite, ..far.clone() };
        let (mut fleet, step) = begun(Resume::From(Box::new(CheckpointRef { health: said, ..far })));
        assert_eq!(sought(&step), (vec![], vec![], Some("far".to_owned())));
        let chosen = Some(read.clone());
        let step = tell(&mut fleet, Fact::CheckpointPicked { chosen, refused: vec![] });
        assert_eq!(names(&step), ["spawn_ordered"]);
        assert_eq!(run(&fleet).resumed_from.as_ref(), Some(&read));
        // Once more, as long as the run has none of its own.
        let step = go(&mut fleet, &["started", "sign of life", "killed"]);
        assert_eq!(sought(&step), (vec![], vec![], Some("far".to_owned())));
        let chosen = Some(read);
        tell(&mut fleet, Fact::CheckpointPicked { chosen, refused: vec![] });
        go(&mut fleet, &["started", "sign of life"]);
        saved(&mut fleet, 70);
        let step = go(&mut fleet, &["killed"]);
        assert_eq!(sought(&step), (vec!["/other/far".to_owned()], vec!["ck-70".to_owned()], None));
    }
}

#[test]
fn a_worker_may_be_sixty_announcements_ahead_of_those_who_read() {
    let mut fleet = with(&[]);
    for step in 1..=64 {
        go(&mut fleet, &[&format!("saves {step}")]);
    }
    saved(&mut fleet, 65);
    for step in 2..=64 {
        assert_eq!(names(&go(&mut fleet, &[&format!("verifies {step}")])), ["checkpoint_verified"], "{step}");
    }
    assert_eq!(names(&go(&mut fleet, &["verifies 1"])), [""; 0], "memory is bounded");
}
