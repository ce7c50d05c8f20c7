//! Accounts of runs in trouble, out of it, and at their end.

use super::*;
use crate::render::sample::{line, page, view};
use serde_json::json;

fn history(names: &[&str]) -> Vec<StoryLine> {
    names.iter().zip(1..).map(|(what, seq)| line(seq, what, json!({}))).collect()
}

const CRASH: [&str; 4] = ["worker_ready", "worker_exited", "failed", "retry_scheduled"];

fn failure() -> Value {
    json!({"code": "EXIT_NONZERO", "message": "exit code 7", "retried": true})
}

#[test]
fn a_story_begins_where_the_run_was_well_before_its_failures() {
    let lines = history(&[&["accepted", "attempt_begun"], &CRASH[..], &CRASH[..], &CRASH[..]].concat());
    let failed = |failures: u32| view(json!({"failures": failures, "last_failure": failure()}));
    assert_eq!(turn(&failed(3), &lines), Some(2));
    assert_eq!(turn(&failed(1), &lines), Some(10), "the others were made good");
    assert_eq!(turn(&failed(0), &lines), Some(10), "the last one is what there is to tell");
    assert_eq!(turn(&failed(4), &lines), None, "it is farther back");
}

#[test]
fn a_run_without_failures_is_told_from_its_last_good_moment() {
    let lines = history(&["accepted", "attempt_begun", "worker_ready", "pause_begun", "paused"]);
    assert_eq!(turn(&view(json!({})), &lines), Some(2));
    assert_eq!(turn(&view(json!({})), &history(&["accepted", "attempt_begun"])), Some(0));
    let cut: Vec<_> = history(&["accepted", "checkpoint_verified"]).split_off(1);
    assert_eq!(turn(&view(json!({})), &cut), None);
}

#[test]
fn everyday_events_explain_nothing() {
    let mut lines = history(&["worker_ready", "checkpoint_verified", "said", "said", "failed"]);
    lines[3].event["event_type"] = json!("error");
    let view = view(json!({}));
    let account = Account::new(&view, &lines);
    assert_eq!(account.chain.iter().map(|line| line.seq()).collect::<Vec<_>>(), [1, 4, 5]);
}

#[test]
fn only_the_newest_order_is_told() {
    let lines =
        history(&["worker_ready", "failed", "spawn_ordered", "failed", "spawn_ordered", "worker_ready"]);
    let view = view(json!({}));
    let account = Account::new(&view, &lines);
    assert_eq!(account.chain.iter().map(|line| line.seq()).collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
}

#[test]
fn that_no_checkpoint_can_be_used_is_said_once() {
    let message = "no checkpoint of the run can be used: 2 were refused; `resus checkpoints x` shows them";
    let failure = json!({"code": "CHECKPOINT_CORRUPT", "message": message, "retried": false});
    let failed = view(json!({
        "phase": "failed", "ended_why": "NOTHING_TO_RESUME_FROM", "last_failure": failure,
    }));
    let lines = history(&["worker_ready", "checkpoint_refused", "checkpoint_refused", "failed", "ended"]);
    let told = text(&Account::new(&failed, &lines), &[], &page(120));
    let expected = "\
✗ failed  othello  8c1d9e77
  CHECKPOINT_CORRUPT: no checkpoint of the run can be used: 2 were refused
what led there
  05:01:46  worker_ready happened
  05:02:46  checkpoint_refused happened
  05:03:46  checkpoint_refused happened
what comes next
";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.ends_with("  resus restore 8c1d9e77 none  begins anew\n"), "{told}");
}

#[test]
fn a_crash_loop_is_told_from_symptom_to_command() {
    let failed = view(json!({
        "phase": "failed", "failures": 2, "retries": 1, "retries_max": 1, "ended_why": "BUDGET_SPENT",
        "last_failure": failure(), "attempt": 2, "ended_at": "2026-11-22T05:13:46.123Z",
    }));
    let lines = history(&["worker_ready", "failed", "retry_scheduled", "worker_ready", "failed", "ended"]);
    let expected = "\
✗ failed  othello  8c1d9e77
  EXIT_NONZERO: exit code 7. It is not tried again: its one retry is used up
  The program ended with an error code. The end of its log says why.
what led there
  05:01:46  worker_ready happened
  05:02:46  failed happened
  05:03:46  retry_scheduled happened
  05:04:46  worker_ready happened
  05:05:46  failed happened
  05:06:46  ended happened
what comes next
  nothing, until you do something
  resus logs 8c1d9e77  shows what attempt 2 printed
  resus retry 8c1d9e77  tries again; it has no checkpoint to go on from
";
    let told = text(&Account::new(&failed, &lines), &[], &page(100));
    let advice = failed.last_failure.as_ref().and_then(advice).unwrap();
    let expected =
        expected.replace("The program ended with an error code. The end of its log says why.", &advice);
    assert_eq!(told, expected);
}

#[test]
fn a_long_story_is_shown_by_its_ends() {
    let lines = history(&["failed"; 100]);
    let view = view(json!({}));
    let told = text(&Account::new(&view, &lines), &["/s/hang.txt".into()], &page(100));
    assert_eq!(told.matches("failed happened").count(), SHOWN_MAX);
    assert!(told.contains("  … 70 more: resus events 8c1d9e77\n"), "{told}");
    assert!(told.contains("  its stacks when it hung: /s/hang.txt\n"), "{told}");
}

#[test]
fn programs_get_the_same_as_one_document() {
    let paused = view(json!({
        "phase": "paused", "pause": {"step": "held", "cause": "error_rate"},
    }));
    let lines = history(&["worker_ready", "error_rate_exceeded", "pause_begun", "paused"]);
    let account = Account::new(&paused, &lines);
    let document = serde_json::to_value(document(&account, &[])).unwrap();
    assert_eq!(document["chain"].as_array().map(Vec::len), Some(4));
    assert_eq!(document["chain"][1]["what"], "error_rate_exceeded");
    assert_eq!(document["next"]["commands"][0], "resus resume 8c1d9e77  goes on at once");
    assert!(document["summary"].as_str().unwrap().starts_with("too much of the work failed"), "{document}");
}

#[test]
fn every_phase_has_a_summary() {
    for known in resus_core::phase::Phase::ALL {
        let view = view(json!({"phase": known.as_str()}));
        let summary = Account::new(&view, &[]).summary();
        assert!(!summary.is_empty() && !summary.contains("does not know"), "{known}: {summary}");
    }
    let hung = view(json!({"health": "hung", "progress_age_s": 2000.0}));
    assert_eq!(Account::new(&hung, &[]).summary(), "it hangs; no progress for 33m");
    let over = view(json!({"last_failure": failure()}));
    assert_eq!(Account::new(&over, &[]).summary(), "it trains, and has got over EXIT_NONZERO");
}
