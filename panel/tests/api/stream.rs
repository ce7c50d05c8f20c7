//! The stream of everything: what is said in it, to whom, and when it ends. Time is paused.

use crate::rig::{FakeDesk, RUN_ID, get};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use resus_panel::limits::WAITING_MAX;
use resus_panel::{Panel, router};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A reader of `/v2/stream`, and how to end its panel.
struct Reader {
    body: Body,
    ending: watch::Sender<bool>,
}

impl Reader {
    async fn of(desk: &FakeDesk, address: &str) -> Self {
        let (ending, is_ending) = watch::channel(false);
        let api = TowerToHyperService::new(router(Panel::new(desk.clone(), is_ending)));
        let request = Request::get(address).body(Body::empty()).unwrap();
        let response = api.call(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { body: response.into_body(), ending };
        assert_eq!(reader.next().await.as_deref(), Some("retry: 2000\n\n"));
        reader
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let frame = self.body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }
}

fn say(desk: &FakeDesk, run: &str, seq: Option<u64>) -> String {
    let envelope = json!({"v": 2, "training_id": run, "seq": seq}).to_string();
    desk.bus.send(envelope.as_str().into()).unwrap();
    envelope
}

#[tokio::test(start_paused = true)]
async fn facts_carry_their_place_and_telemetry_none() {
    let desk = FakeDesk::new();
    let mut reader = Reader::of(&desk, "/v2/stream").await;
    let fact = say(&desk, "r1", Some(7));
    let telemetry = say(&desk, "r2", None);
    assert_eq!(reader.next().await.unwrap(), format!("id: r1.7\nevent: pulse\ndata: {fact}\n\n"));
    assert_eq!(reader.next().await.unwrap(), format!("event: pulse\ndata: {telemetry}\n\n"));
}

#[tokio::test(start_paused = true)]
async fn only_the_runs_asked_for_are_heard_and_nobody_elses() {
    let desk = FakeDesk::new();
    let mut reader = Reader::of(&desk, "/v2/stream?run=othello,8c1d9e77").await;
    say(&desk, "other", Some(1));
    let ours = say(&desk, RUN_ID, Some(2));
    assert!(reader.next().await.unwrap().contains(&ours));
    assert_eq!(get(&desk, "/v2/stream?run=othello,nobody").await.problem(404).status, 404);
    assert_eq!(get(&desk, "/v2/stream?run=").await.problem(404).status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_how_many_it_missed() {
    let desk = FakeDesk::new();
    let mut reader = Reader::of(&desk, "/v2/stream").await;
    for seq in 1..=9 {
        say(&desk, "r1", Some(seq));
    }
    assert_eq!(reader.next().await.unwrap(), "event: resync\ndata: {\"missed\":5}\n\n");
    assert!(reader.next().await.unwrap().starts_with("id: r1.6\n"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_pings_and_the_end_by_nothing() {
    let desk = FakeDesk::new();
    let mut reader = Reader::of(&desk, "/v2/stream").await;
    let start = Instant::now();
    for pings in 1..=2 {
        assert_eq!(reader.next().await.as_deref(), Some(": ping\n\n"));
        assert_eq!(start.elapsed(), Duration::from_secs(15 * pings));
    }
    assert_eq!(desk.asked(), ["attended"; 2], "a daemon that is listened to is not idle");
    reader.ending.send_replace(true);
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_take_a_place_among_those_that_wait_and_give_it_back() {
    let desk = FakeDesk::new();
    let (_ending, is_ending) = watch::channel(false);
    let api = TowerToHyperService::new(router(Panel::new(desk.clone(), is_ending)));
    let stream = || {
        let request = Request::get("/v2/stream").body(Body::empty()).unwrap();
        let api = api.clone();
        async move { api.call(request).await.unwrap() }
    };
    let mut open = Vec::new();
    for _ in 0..WAITING_MAX {
        open.push(stream().await);
    }
    assert_eq!(stream().await.status().as_u16(), 503);
    open.pop();
    assert_eq!(stream().await.status().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_envelope_is_left_out() {
    let desk = FakeDesk::new();
    let mut reader = Reader::of(&desk, "/v2/stream").await;
    desk.bus.send("nonsense".into()).unwrap();
    let fact = say(&desk, "r1", Some(7));
    assert!(reader.next().await.unwrap().contains(&fact));
}
