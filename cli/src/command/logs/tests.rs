//! When reading ends, and what is said where there is nothing to read.

use super::*;
use crate::fake_daemon::FakeDaemon;
use crate::render::sample::{RUN_ID, view};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Instant;

fn chunk(attempt: u32, complete: bool, run_ended: bool) -> OutputChunk {
    OutputChunk {
        attempt,
        newest_attempt: 2,
        offset: 0,
        next_offset: 9,
        length: 9,
        complete,
        run_ended,
        pruned_at: None,
    }
}

const LOOKS: Scope = Scope { follow: false, stays: false, all: false };
const FOLLOWS: Scope = Scope { follow: true, ..LOOKS };
const STAYS: Scope = Scope { stays: true, ..FOLLOWS };

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
        assert_eq!(after(&chunk, FOLLOWS), next, "{chunk:?}");
    }
}

#[test]
fn who_asked_for_an_attempt_stays_in_it() {
    assert_eq!(after(&chunk(1, true, false), STAYS), After::End);
    assert_eq!(after(&chunk(1, true, true), STAYS), After::End);
    assert_eq!(after(&chunk(2, true, false), STAYS), After::End);
    assert_eq!(after(&chunk(2, false, false), STAYS), After::More);
    assert_eq!(after(&chunk(2, true, true), STAYS), After::RunEnded, "its end is the run's");
}

#[test]
fn without_following_everything_there_is_is_shown() {
    assert_eq!(after(&chunk(2, false, false), LOOKS), After::End);
    assert_eq!(after(&OutputChunk { length: 10, ..chunk(1, true, true) }, LOOKS), After::More);
}

#[test]
fn all_attempts_are_shown_one_after_the_other() {
    let all = Scope { all: true, ..LOOKS };
    assert_eq!(after(&chunk(1, true, false), all), After::NextAttempt);
    assert_eq!(after(&OutputChunk { length: 10, ..chunk(1, true, false) }, all), After::More);
    assert_eq!(after(&chunk(2, false, false), all), After::End);
    assert_eq!(after(&chunk(2, true, true), Scope { all: true, ..FOLLOWS }), After::RunEnded);
}

#[test]
fn the_attempt_before_the_newest_is_there_or_not() {
    assert_eq!(previous(&view(json!({"attempt": 3}))).unwrap(), 2);
    for attempt in [0, 1] {
        let error = previous(&view(json!({"attempt": attempt}))).unwrap_err();
        assert_eq!(error.exit(), ExitCode::NotFound);
    }
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

#[tokio::test]
async fn a_daemon_that_is_busy_is_not_asked_again_at_once() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    let client = ensure(&around.target).await.unwrap();
    let mut source = Source { around: &around, client, run_id: RUN_ID.to_owned(), follow: true };
    daemon.desk.refuse_pages.store(1, Ordering::Relaxed);
    let begun = Instant::now();
    let output = source.get(async |client, run| client.output(run, None, 0, 1, Duration::ZERO).await).await;
    assert!(output.is_ok() && begun.elapsed() >= RETRY_INTERVAL, "{output:?}");
    source.follow = false;
    daemon.desk.refuse_pages.store(1, Ordering::Relaxed);
    assert!(
        source.get(async |client, run| client.output(run, None, 0, 1, Duration::ZERO).await).await.is_err()
    );
}
