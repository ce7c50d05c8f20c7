//! Followers see everything once, whatever happens to the daemon meanwhile.

use super::*;
use crate::fake_daemon::FakeDaemon;
use crate::render::sample::RUN_ID;
use crate::submission::command_body;
use resus_core::input::Verb;
use serde_json::json;
use std::time::Instant;

type Updates = mpsc::Receiver<Result<Update, CliError>>;

/// The phase and events of the next update about the run.
async fn next_run(updates: &mut Updates) -> (String, Vec<u64>) {
    loop {
        if let Update::Run { view, lines } = updates.recv().await.unwrap().unwrap() {
            return (view.phase, lines.iter().map(StoryLine::seq).collect());
        }
    }
}

/// Updates until the phase is `phase`; all events on the way.
async fn events_until(updates: &mut Updates, phase: &str) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let (now, events) = next_run(updates).await;
        all.extend(events);
        if now == phase {
            return all;
        }
    }
}

#[tokio::test]
async fn every_event_is_told_once_and_in_order() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(json!({}), 5);
    let mut updates = follow(&daemon.target(), RUN_ID, Tell::After(0));
    assert_eq!(next_run(&mut updates).await, ("running".to_owned(), vec![1, 2, 3, 4, 5]));
    daemon.desk.change(json!({"phase": "waiting"}), 2);
    daemon.desk.change(json!({"phase": "done"}), 3);
    assert_eq!(events_until(&mut updates, "done").await, [6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn a_daemon_that_was_stopped_is_waited_for_and_nothing_is_missed() {
    let mut daemon = FakeDaemon::start();
    daemon.desk.change(json!({}), 2);
    let mut updates = follow(&daemon.target(), RUN_ID, Tell::After(0));
    assert_eq!(next_run(&mut updates).await.1, [1, 2]);
    daemon.stop().await;
    let lost = loop {
        if let Update::Lost { stopped, .. } = updates.recv().await.unwrap().unwrap() {
            break stopped;
        }
    };
    assert!(lost, "it was stopped on purpose");
    daemon.desk.change(json!({"phase": "done"}), 2);
    daemon.start_again();
    assert_eq!(events_until(&mut updates, "done").await, [3, 4]);
}

#[tokio::test]
async fn what_was_read_before_the_daemon_died_is_told_all_the_same() {
    let mut daemon = FakeDaemon::start();
    daemon.desk.change(json!({}), 3);
    // The first page is given out, the second is not.
    daemon.desk.refuse_pages.store(1, std::sync::atomic::Ordering::Relaxed);
    let mut updates = follow(&daemon.target(), RUN_ID, Tell::After(0));
    let lost = updates.recv().await.unwrap().unwrap();
    assert!(matches!(lost, Update::Lost { .. }), "{lost:?}");
    let refused_at = Instant::now();
    assert_eq!(next_run(&mut updates).await.1, [1, 2, 3]);
    assert!(refused_at.elapsed() >= RETRY_INTERVAL, "a daemon that is busy is not asked again at once");
    daemon.stop().await;
}

#[tokio::test]
async fn events_are_told_from_where_one_wants_them() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(json!({}), 5);
    let mut updates = follow(&daemon.target(), RUN_ID, Tell::After(3));
    assert_eq!(next_run(&mut updates).await.1, [4, 5]);
}

#[tokio::test]
async fn a_run_that_nobody_knows_ends_the_follower() {
    let daemon = FakeDaemon::start();
    let mut updates = follow(&daemon.target(), "nobody", Tell::Nothing);
    let error = updates.recv().await.unwrap().unwrap_err();
    assert!(matches!(error, CliError::Client(ClientError::Refused(_))), "{error:?}");
    assert!(updates.recv().await.is_none());
}

#[tokio::test]
async fn a_command_is_delivered_when_the_daemon_is_back() {
    let mut daemon = FakeDaemon::start();
    daemon.stop().await;
    let body = command_body(Verb::Kill);
    let delivery = tokio::spawn(deliver(daemon.target(), RUN_ID.to_owned(), body.clone()));
    tokio::task::yield_now().await;
    daemon.start_again();
    assert!(delivery.await.unwrap().unwrap().changed);
    assert_eq!(*daemon.desk.commands.lock().unwrap(), [body]);
}
