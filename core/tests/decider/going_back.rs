//! Going back further than to the newest checkpoint: a loss that is not finite, a crash that comes
//! back.

use crate::checkpoints::{go, names, newest, saved, sought, tell, with};
use crate::support::*;
use resus_core::event::Why;
use resus_core::fleet::{Fleet, Step};
use resus_core::input::Fact;
use resus_core::phase::Phase;

#[test]
fn what_was_saved_after_the_loss_went_wrong_is_not_resumed_from() {
    let mut fleet = with(&[100, 200, 512, 600]);
    let step = go(&mut fleet, &["nan at 512", "crashes at 610"]);
    let (set_aside, known, _) = sought(&step);
    assert_eq!(set_aside, ["/ck/ck-512", "/ck/ck-600"]);
    assert_eq!(known, ["ck-100", "ck-200"]);
    assert_eq!(newest(&fleet), Some("ck-200"));
}

#[test]
fn a_nan_soon_after_the_resume_goes_back_further_but_never_throws_everything_away() {
    let mut fleet = with(&[100, 200]);
    go(&mut fleet, &["killed", "picks 200", "started", "nan at 210"]);
    assert_eq!(sought(&go(&mut fleet, &["crashes at 210"])).1, ["ck-100"]);
    go(&mut fleet, &["picks 100", "started", "nan at 210"]);
    let step = go(&mut fleet, &["crashes at 210"]);
    assert_eq!((sought(&step).1, newest(&fleet)), (vec!["ck-100".to_owned()], Some("ck-100")));
    // Told at the very step of the place where it began.
    let mut only = with(&[100]);
    go(&mut only, &["killed", "picks 100", "started", "nan at 100"]);
    assert_eq!(sought(&go(&mut only, &["crashes at 100"])).1, ["ck-100"]);
}

#[test]
fn an_amount_before_the_beginning_says_nothing_about_older_checkpoints() {
    let mut fleet = with(&[100, 200]);
    // The worker counts from 0 in every attempt.
    go(&mut fleet, &["killed", "picks 200", "started", "nan at 10"]);
    assert_eq!(sought(&go(&mut fleet, &["crashes at 10"])).1, ["ck-100"]);
}

#[test]
fn a_newer_good_one_spares_the_place_where_the_attempt_began() {
    let mut fleet = with(&[100, 200]);
    go(&mut fleet, &["killed", "picks 200", "started", "sign of life"]);
    saved(&mut fleet, 300);
    go(&mut fleet, &["nan at 310"]);
    let step = go(&mut fleet, &["crashes at 310"]);
    assert_eq!((names(&step).contains(&"checkpoints_doubted"), newest(&fleet)), (false, Some("ck-300")));
}

/// Crashes at 250, `times` times, resuming from the newest each time; how it ended.
fn crashes(fleet: &mut Fleet, times: usize) -> Step {
    let mut last = None;
    for _ in 0..times {
        last = Some(go(fleet, &["crashes at 250"]));
        if run(fleet).phase == Phase::Choosing {
            let next = run(fleet).checkpoint.as_ref().and_then(|c| c.step).unwrap();
            go(fleet, &[&format!("picks {next}"), "started", "sign of life"]);
        }
    }
    last.unwrap()
}

#[test]
fn the_same_crash_three_times_goes_back_one_and_three_more_end_the_run() {
    let mut fleet = with(&[50, 100, 200]);
    crashes(&mut fleet, 2);
    assert_eq!(newest(&fleet), Some("ck-200"));
    assert_eq!(sought(&crashes(&mut fleet, 1)).1, ["ck-50", "ck-100"]);
    crashes(&mut fleet, 2);
    assert_eq!(newest(&fleet), Some("ck-100"), "once");
    let step = crashes(&mut fleet, 1);
    assert_eq!((step.why, run(&fleet).phase), (Why::CrashLoop, Phase::Failed));
    let failure = run(&fleet).last_failure.clone().unwrap();
    assert_eq!(failure.code.as_str(), "CRASH_LOOP");
    assert!(failure.message.contains("WORKER_CRASHED came back 6 times in a row at step 250"), "{failure:?}");
    // Whoever retries has changed something: everything is forgiven.
    go(&mut fleet, &["retry", "picks 100", "started", "sign of life"]);
    assert_eq!(run(&fleet).retry.repeat, None);
    crashes(&mut fleet, 2);
    assert_eq!(run(&fleet).phase, Phase::Running);
}

#[test]
fn a_checkpoint_that_crashes_every_worker_that_loads_it_is_left() {
    let mut fleet = with(&[100, 200]);
    go(&mut fleet, &["crashes at 250"]);
    for _ in 0..3 {
        let next = run(&fleet).checkpoint.as_ref().and_then(|c| c.step).unwrap();
        go(&mut fleet, &[&format!("picks {next}"), "started"]);
        let unseen = resus_core::input::Exit::by_signal(11);
        tell(&mut fleet, Fact::Exited { exit: unseen, reached: None });
    }
    assert_eq!((run(&fleet).phase, newest(&fleet)), (Phase::Choosing, Some("ck-100")));
}

#[test]
fn a_crash_elsewhere_begins_a_new_row_and_what_is_nobodys_fault_none() {
    let mut fleet = with(&[100, 200]);
    crashes(&mut fleet, 2);
    go(&mut fleet, &["crashes at 251", "picks 200", "started", "sign of life"]);
    crashes(&mut fleet, 2);
    assert_eq!(newest(&fleet), Some("ck-200"));
    let mut free = with(&[100, 200]);
    for _ in 0..7 {
        go(&mut free, &["said cancelled"]);
        let leaves = resus_core::input::Exit::with_code(0);
        let reached = Some(resus_core::input::Reached { done: 250.0, total: None });
        tell(&mut free, Fact::Exited { exit: leaves, reached });
        go(&mut free, &["picks 200", "started", "sign of life"]);
    }
    assert_eq!((newest(&free), &run(&free).retry.repeat), (Some("ck-200"), &None));
}
