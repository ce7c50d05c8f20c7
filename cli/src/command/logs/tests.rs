//! When reading ends, and what is said where there is nothing to read.

use super::*;
use crate::render::sample::view;
use serde_json::json;

fn chunk(attempt: u32, complete: bool, run_ended: bool) -> OutputChunk {
    OutputChunk { attempt, newest_attempt: 2, offset: 0, next_offset: 9, length: 9, complete, run_ended }
}

#[test]
fn following_goes_on_until_the_run_ends() {
    for (chunk, next) in [
        (chunk(1, true, false), After::NextAttempt),
        (chunk(1, true, true), After::NextAttempt),
        (chunk(2, false, false), After::More),
        (chunk(2, true, false), After::More),
        (chunk(2, true, true), After::RunEnded),
        (OutputChunk { length: 10, ..chunk(2, true, true) }, After::More),
    ] {
        assert_eq!(after(&chunk, true, false), next, "{chunk:?}");
    }
}

#[test]
fn who_asked_for_an_attempt_stays_in_it() {
    assert_eq!(after(&chunk(1, true, false), true, true), After::End);
    assert_eq!(after(&chunk(1, true, true), true, true), After::End);
    assert_eq!(after(&chunk(2, true, false), true, true), After::End);
    assert_eq!(after(&chunk(2, false, false), true, true), After::More);
    assert_eq!(after(&chunk(2, true, true), true, true), After::RunEnded, "its end is the run's");
}

#[test]
fn without_following_everything_there_is_is_shown() {
    assert_eq!(after(&chunk(2, false, false), false, false), After::End);
    assert_eq!(after(&OutputChunk { length: 10, ..chunk(1, true, true) }, false, false), After::More);
}

#[test]
fn silence_is_explained() {
    let told = |changes, attempt| silence(&view(changes), attempt);
    let failure = json!({"code": "COMMAND_NOT_FOUND", "message": "no such program", "retried": false});
    let refused = json!({"phase": "failed", "pid": null, "last_failure": failure});
    assert_eq!(
        told(refused, 1),
        "no output: the worker was never started (COMMAND_NOT_FOUND: no such program)"
    );
    let cancelled = json!({"phase": "cancelled", "pid": null});
    assert_eq!(told(cancelled, 1), "no output: the worker was never started");
    let quiet = json!({"phase": "done", "pid": null, "last_exit": {"code": 0}});
    assert_eq!(told(quiet, 1), "attempt 1 printed nothing");
    assert_eq!(told(json!({}), 1), "no output yet (attempt 1)");
    assert_eq!(told(json!({"attempt": 2}), 1), "attempt 1 printed nothing");
}
