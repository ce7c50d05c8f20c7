//! What is told of pauses, and when one counts as reached.

use super::*;
use crate::fake_daemon::FakeDaemon;
use crate::render::sample::{RUN_ID, page, view};
use serde_json::{Value, json};

fn pause_of(step: &str) -> Value {
    json!({"step": step, "cause": "user", "requested_by": "cli"})
}

#[test]
fn a_pause_says_what_became_of_the_worker_and_how_it_goes_on() {
    let newest = json!({"checkpoint_id": "ck-12000", "path": "/p", "step": 12000.0});
    let at = |step: &str, newest: &Value| {
        view(json!({"phase": "paused", "pause": pause_of(step), "checkpoint": newest}))
    };
    let held = "\
‖ 8c1d9e77 (othello) paused after 84ms: the worker holds and keeps its memory
  newest checkpoint: ck-12000 at 12,000 games
  resus resume 8c1d9e77  goes on at once
";
    assert_eq!(paused(&at("held", &newest), Some(84), false, &page(90)), held);
    let frozen = paused(&at("frozen", &json!(null)), Some(5_100), false, &page(90));
    assert!(frozen.contains("paused after 5.1s: the worker is frozen where it was"), "{frozen}");
    let released = paused(&at("released", &newest), None, true, &page(90));
    assert!(released.contains("is paused already: there is no worker\n"), "{released}");
    assert!(released.contains("resus resume 8c1d9e77  starts another attempt from ck-12000\n"), "{released}");
}

#[test]
fn a_pause_that_was_not_waited_for_says_what_is_under_way() {
    let text = paused(&view(json!({"phase": "pausing", "pause": pause_of("asked")})), None, false, &page(90));
    assert_eq!(
        text,
        "◑ 8c1d9e77 (othello) is to pause: the worker was asked to save a checkpoint and hold\n"
    );
}

#[test]
fn the_way_to_a_pause_ends_with_it_or_with_what_came_instead() {
    let came = |changes| end_of_pausing(&view(changes));
    assert_eq!(came(json!({"phase": "pausing", "pause": pause_of("asked")})), None);
    assert_eq!(came(json!({"phase": "preparing", "pause": pause_of("wanted")})), None);
    assert_eq!(came(json!({"phase": "paused", "pause": pause_of("held")})), Some(None));
    for (changes, instead) in [
        (json!({"phase": "done"}), "ended before it was paused: done"),
        (json!({"phase": "running"}), "was resumed before it was paused"),
        (json!({"phase": "stopping"}), "is being stopped"),
    ] {
        assert_eq!(came(changes), Some(Some(instead.to_owned())));
    }
}

#[test]
fn the_way_out_of_a_pause_ends_when_the_worker_trains() {
    use crate::render::sample::line;
    let resumed = [line(1, "resumed", json!({}))];
    let came = |changes, heard: &[StoryLine]| end_of_resuming(&view(changes), heard);
    assert_eq!(came(json!({"phase": "running"}), &resumed), Some(None));
    assert_eq!(came(json!({"phase": "preparing"}), &resumed), None);
    let left = json!({"phase": "pausing", "pause": pause_of("releasing")});
    assert_eq!(came(left.clone(), &resumed), None, "it leaves, and another attempt begins then");
    let again = [resumed[0].clone(), line(2, "pause_begun", json!({}))];
    assert_eq!(came(left, &again), Some(Some("was paused again".to_owned())));
    let failed = json!({"code": "WORKER_CRASHED", "message": "", "retried": true});
    let came = came(json!({"phase": "waiting", "last_failure": failed}), &resumed).flatten();
    assert!(came.is_some_and(|what| what.contains("WORKER_CRASHED")));
}

fn around(daemon: &FakeDaemon) -> Around {
    Around::of_test(&daemon.state)
}

fn args(release: bool) -> PauseArgs {
    PauseArgs {
        runs: vec![RUN_ID.to_owned()],
        release,
        yes: false,
        no_wait: false,
        timeout: None,
        dry: DryRunArg::default(),
    }
}

#[tokio::test]
async fn pause_asks_and_waits_until_the_run_is_paused() {
    let daemon = FakeDaemon::start();
    daemon.desk.tell(json!({"phase": "pausing", "pause": pause_of("asked")}), &[("pause_begun", json!({}))]);
    let desk = daemon.desk.clone();
    let asked = tokio::spawn(async move {
        while desk.commands.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        desk.tell(json!({"phase": "paused", "pause": pause_of("held")}), &[("paused", json!({}))]);
    });
    assert_eq!(pause(args(true), &around(&daemon)).await.unwrap(), ExitCode::Ok);
    asked.await.unwrap();
    assert_eq!(daemon.desk.commands.lock().unwrap().last().unwrap().verb, Verb::Release);
}

#[tokio::test]
async fn a_run_that_ends_first_can_not_be_paused() {
    let daemon = FakeDaemon::start();
    daemon.desk.tell(json!({"phase": "done"}), &[("ended", json!({}))]);
    let error = pause(args(false), &around(&daemon)).await.unwrap_err();
    assert_eq!(error.exit(), ExitCode::Refused);
    assert!(error.to_string().contains("ended before it was paused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_does_not_come_in_time_is_told_with_its_own_code() {
    let daemon = FakeDaemon::start();
    daemon.desk.tell(json!({"phase": "pausing", "pause": pause_of("releasing")}), &[]);
    let timeout = Some(Duration::from_millis(300));
    let error = pause(PauseArgs { timeout, ..args(true) }, &around(&daemon)).await.unwrap_err();
    assert_eq!(error.exit(), ExitCode::TimedOut);
    assert_eq!(error.to_string(), "run 8c1d9e77 is not paused within 0.3s");
}

#[tokio::test]
async fn a_worker_that_can_not_save_is_let_go_only_if_that_is_wanted() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(json!({"phase": "running", "checkpoint": null}), 1);
    daemon.desk.opaque.store(true, std::sync::atomic::Ordering::Relaxed);
    let no_wait = |yes| PauseArgs { yes, no_wait: true, ..args(true) };
    let refused = pause(no_wait(false), &around(&daemon)).await.unwrap_err();
    assert_eq!(refused.exit(), ExitCode::Refused);
    assert!(refused.told().why.concat().contains("all that it has done would be lost"), "{refused:?}");
    let given =
        || daemon.desk.commands.lock().unwrap().iter().filter(|body| body.verb == Verb::Release).count();
    assert_eq!(given(), 0);
    assert_eq!(pause(no_wait(true), &around(&daemon)).await.unwrap(), ExitCode::Ok);
    assert_eq!(given(), 1);
}
