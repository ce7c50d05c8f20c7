//! The block of a run in its several states.

use super::*;
use crate::render::sample::{page, view};
use serde_json::json;

#[test]
fn a_run_in_training() {
    let view = view(json!({
        "checkpoint": {"checkpoint_id": "ck-12000", "path": "/s/ck-12000.prsm", "step": 12000.0, "size_bytes": 151345678},
        "metrics": {
            "games_per_second": 812.0, "loss": 0.127,
            "win_rate_positional": 0.708, "win_rate_positional_low": 0.679, "win_rate_positional_high": 0.735,
        },
    }));
    let expected = "\
● running  othello  8c1d9e77
  run         0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77
  workload    othello on gpu-a1
  message     self-play
  progress    ████████████▍         62%  12,400/20,000 games  812 games/s  eta 12s
  loss        0.127
  metrics     games_per_second     812
              win_rate_positional  0.708  (0.679–0.735)
  attempt     1, retries 0/5, worker pid 4242
  checkpoint  ck-12000 at 12,000 games, 144.3MiB
              /s/ck-12000.prsm
  accepted    2026-11-22 04:13:46 (3m ago)
  command     resus worker othello
";
    assert_eq!(block(&view, &page(usize::MAX)), expected);
}

#[test]
fn a_run_that_is_halted_or_silent_says_so() {
    let view = view(json!({
        "phase": "paused", "pause": {"step": "frozen", "cause": "user", "requested_by": "anna"},
        "health": "stale", "progress_age_s": 912.0, "behind_bytes": 3 << 20, "metrics": {},
        "progress": {"unit": "game", "eta_s": 68400.0, "eta_low_s": 64800.0, "eta_high_s": 75600.0},
    }));
    let told = block(&view, &page(usize::MAX));
    let expected = "\
  pause       asked for by anna; the worker is frozen where it was and keeps its memory
  health      it has been silent for a while; no progress for 15m
              reader is 3MiB behind
  progress    eta 19h00m (18–21h)
";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_run_that_failed_says_what_to_look_at() {
    let view = view(json!({
        "phase": "failed", "status": "error", "failures": 6, "retries": 5, "pid": null, "metrics": {},
        "message": "HOST_OOM: gone", "ended_at": "2026-11-22T05:13:46.123Z", "ended_why": "BUDGET_SPENT",
        "progress": {"unit": ""}, "attempt": 6, "age_s": 204.0, "refused_lines": 4,
        "last_failure": {"code": "HOST_OOM", "message": "gone\n\u{1b}[2J", "retried": false},
        "last_exit": {"signal": 9, "cpu_ms": 61000, "max_rss_bytes": 1048576, "strays_killed": 2},
        "argv": ["sh", "-c", "exit 1"],
    }));
    let expected = "\
✗ failed  othello  8c1d9e77
  run         0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77
  workload    othello on gpu-a1
  attempt     6, retries 5/5
  failure     HOST_OOM: gone · \\u{1b}[2J
              The machine's memory did not suffice. (resus explain HOST_OOM)
  last exit   SIGKILL, 1m01s of CPU time, 1MiB of memory at most, 2 left-over processes killed
  refused     4 lines of the worker's events (resus daemon logs says why)
  accepted    2026-11-22 04:13:46 (3m ago)
  ended       2026-11-22 05:13:46 (12s ago) after 3m12s: its 5 retries are used up
  command     sh -c 'exit 1'
";
    assert_eq!(block(&view, &page(usize::MAX)), expected);
}

#[test]
fn a_failure_that_the_run_got_over_is_told_without_alarm() {
    let failed = |changes| failure(&view(changes));
    let last = json!({"code": "WORKER_CRASHED", "message": "ended by SIGKILL", "retried": true});
    let told = |phase: &str, attempt: u32| {
        failed(json!({"phase": phase, "attempt": attempt, "last_failure": last})).unwrap_or_default()
    };
    assert_eq!(told("done", 2), "WORKER_CRASHED in attempt 1, retried: ended by SIGKILL");
    assert_eq!(told("running", 4), "WORKER_CRASHED in an earlier attempt, retried: ended by SIGKILL");
    assert_eq!(told("cancelled", 2), "WORKER_CRASHED: ended by SIGKILL");
    assert_eq!(failed(json!({})), None);
}

#[test]
fn only_runs_that_may_still_save_one_have_no_checkpoint_yet() {
    let has = |changes| block(&view(changes), &page(80)).contains("none yet");
    assert!(has(json!({})));
    assert!(!has(json!({"phase": "done", "ended_at": "2026-11-22T05:13:46.123Z"})));
    assert!(!has(json!({"workload": "command"})));
}

#[test]
fn nothing_is_broken_inside_a_word() {
    let path = format!("/home/someone/{}/ck-000049152.prsm", "x".repeat(90));
    let view = view(json!({
        "checkpoint": {"checkpoint_id": "ck-000049152", "path": path, "step": 49152.0, "size_bytes": 151345678},
        "last_exit": {"signal": 9, "cpu_ms": 61000, "max_rss_bytes": 1048576, "strays_killed": 1},
        "argv": ["python", "train.py", "--data", "/data/set", "--learning-rate", "0.001", "--name", "two words"],
    }));
    let narrow = Page { home: Some("/home/someone".to_owned()), ..page(60) };
    let text = block(&view, &narrow);
    let too_wide: Vec<_> = text.lines().filter(|line| width(line) > 60).collect();
    assert_eq!(too_wide.len(), 1, "only the path: {too_wide:?}");
    assert!(too_wide.iter().all(|line| line.trim_start().starts_with("~/xxx")), "{too_wide:?}");
    assert!(text.contains("1 left-over process killed"), "{text}");
    assert!(text.contains("--data /data/set \\\n              --learning-rate 0.001"), "{text}");
}

#[test]
fn times_are_those_of_who_reads() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let page = Page { zone, ..page(80) };
    assert_eq!(local("2026-11-22T23:13:46.123Z", &page), "2026-11-23 01:13:46");
    assert_eq!(local("yesterday", &page), "yesterday");
}
