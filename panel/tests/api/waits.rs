//! Requests that wait: answered at the change, at the end of their time, at the end of the
//! panel, and never so many that nothing else gets through. Time is paused: it moves only when
//! everybody waits.

use crate::rig::{Answer, FakeDesk, ask_ending, get};
use axum::body::Body;
use axum::http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use resus_panel::limits::WAITING_MAX;
use resus_panel::{Panel, router};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

async fn timed(desk: &FakeDesk, address: &str) -> (Answer, Duration) {
    let start = Instant::now();
    let answer = get(desk, address).await;
    (answer, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_passed_already_is_answered_at_once() {
    let desk = FakeDesk::new();
    let (answer, took) = timed(&desk, "/v2/runs/othello?since=6&wait_ms=5000").await;
    assert_eq!((answer.header("resus-version"), took), ("7", Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_the_wait_and_time_does_too() {
    let desk = FakeDesk::new();
    let (answer, took) = timed(&desk, "/v2/runs/othello?since=7&wait_ms=5000").await;
    assert_eq!((answer.header("resus-version"), took), ("7", Duration::from_secs(5)));

    let version = desk.version.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        version.send_replace(8);
    });
    let (answer, took) = timed(&desk, "/v2/runs/othello?since=7&wait_ms=5000").await;
    assert_eq!((answer.header("resus-version"), took), ("8", Duration::from_millis(40)));
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_longer_than_the_limit() {
    let desk = FakeDesk::new();
    let (_, took) = timed(&desk, "/v2/runs/othello?since=7&wait_ms=18446744073709551615").await;
    assert_eq!(took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn output_is_waited_for_until_there_is_some_or_never_will_be() {
    let desk = FakeDesk::new();
    let output = desk.output.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        output.lock().unwrap().extend(b"late");
    });
    let (answer, took) = timed(&desk, "/v2/runs/othello/output?wait_ms=9000").await;
    assert_eq!(answer.body, b"late");
    assert!(took <= Duration::from_millis(1_100), "{took:?}");

    let (answer, took) = timed(&desk, "/v2/runs/othello/output?offset=4&wait_ms=9000").await;
    assert_eq!((answer.body.len(), took), (0, Duration::from_secs(9)));

    *desk.ended.lock().unwrap() = true;
    let (answer, took) = timed(&desk, "/v2/runs/othello/output?offset=4&wait_ms=9000").await;
    assert_eq!((answer.body.len(), took), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_panel_ends_every_wait() {
    let desk = FakeDesk::new();
    for address in ["/v2/runs/othello?since=7&wait_ms=9000", "/v2/runs/othello/output?wait_ms=9000"] {
        let (ending, is_ending) = watch::channel(false);
        let request = Request::get(address).body(Body::empty()).unwrap();
        let start = Instant::now();
        let (answer, ()) = tokio::join!(ask_ending(&desk, request, is_ending), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ending.send_replace(true);
        });
        assert_eq!((answer.status.as_u16(), start.elapsed()), (200, Duration::from_millis(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_wait_a_plain_request_gets_through() {
    let desk = FakeDesk::new();
    let (_ending, is_ending) = watch::channel(false);
    let api = TowerToHyperService::new(router(Panel::new(desk.clone(), is_ending)));
    let request = |address: &str| Request::get(address).body(Body::empty()).unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..WAITING_MAX + 1 {
        let (api, request) = (api.clone(), request("/v2/runs/othello?since=7&wait_ms=9000"));
        waiting.spawn(async move { api.call(request).await.unwrap().status().as_u16() });
    }
    let first = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(first, 503, "the one too many is refused at once");
    let plain = api.clone().call(request("/v2/runs/othello")).await.unwrap();
    assert_eq!(plain.status().as_u16(), 200);
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}
