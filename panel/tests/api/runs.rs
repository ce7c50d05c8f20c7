//! Runs are listed, shown, accepted and commanded.

use crate::rig::{FakeDesk, RUN_ID, get, post};
use resus_core::api::{OutputChunk, RunList};
use resus_core::view::RunView;
use serde_json::json;

#[tokio::test]
async fn a_list_and_a_run_are_documents_with_their_version() {
    let desk = FakeDesk::new();
    let list = get(&desk, "/v2/runs").await;
    assert_eq!((list.status.as_u16(), list.header("resus-version")), (200, "7"));
    let runs: RunList = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(runs.runs.len(), 1);
    let one = get(&desk, "/v2/runs/8c1d9e77").await;
    let view: RunView = serde_json::from_slice(&one.body).unwrap();
    assert_eq!((view.run_id.as_str(), one.header("resus-version")), (RUN_ID, "7"));
}

#[tokio::test]
async fn a_submission_is_answered_with_its_run_and_where_it_is() {
    let desk = FakeDesk::new();
    let body = json!({"workload": "othello", "cwd": "/", "env": []}).to_string();
    let created = post(&desk, "/v2/runs", body).await;
    assert_eq!(created.status.as_u16(), 201);
    assert_eq!(created.header("location"), format!("/v2/runs/{RUN_ID}"));
    assert_eq!(desk.asked(), ["submit othello"]);
}

#[tokio::test]
async fn a_command_reaches_the_run_as_typed() {
    let desk = FakeDesk::new();
    let reply = post(&desk, "/v2/runs/othello/command", r#"{"verb":"stop","by":"test"}"#).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["why"]), (200, &json!("REQUESTED")));
    let gone = post(&desk, "/v2/runs/nobody%40latest/command", r#"{"verb":"kill"}"#).await;
    assert_eq!(gone.problem(404).detail, "no run is called \"nobody@latest\"");
    assert_eq!(desk.asked(), ["stop othello", "kill nobody@latest"]);
}

#[tokio::test]
async fn a_checkpoint_and_settings_are_chosen_by_documents() {
    let desk = FakeDesk::new();
    let body = r#"{"checkpoint":"ck-1","by":"test","command_id":"c-1"}"#;
    let reply = post(&desk, "/v2/runs/othello/restore", body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["changed"]), (200, &json!(true)));
    let body = r#"{"changes":{"retries":3}}"#;
    assert_eq!(post(&desk, "/v2/runs/othello/configure", body).await.status.as_u16(), 200);
    let list = get(&desk, "/v2/runs/othello/checkpoints").await;
    assert_eq!(list.json(), json!({"checkpoints": []}));
    assert_eq!(desk.asked(), ["restore othello ck-1", "configure othello {\"retries\":3}"]);
    for (address, body) in [
        ("/v2/runs/othello/restore", r#"{"by":"test"}"#),
        ("/v2/runs/othello/configure", r#"{"changes":{"retires":3}}"#),
        ("/v2/runs/othello/configure", r#"{"changes":{"retries":-1}}"#),
    ] {
        post(&desk, address, body).await.problem(422);
    }
    get(&desk, "/v2/runs/nobody/checkpoints").await.problem(404);
}

#[tokio::test]
async fn checkpoints_are_pinned_pruned_and_read_back_again_by_documents() {
    let desk = FakeDesk::new();
    let to = |verb: &str| format!("/v2/runs/othello/{verb}");
    let pinned = post(&desk, &to("pin"), r#"{"checkpoint":"ck-1","pinned":true,"command_id":"c-1"}"#).await;
    assert_eq!((pinned.status.as_u16(), &pinned.json()["changed"]), (200, &json!(true)));
    post(&desk, &to("pin"), r#"{"checkpoint":"ck-1","pinned":false}"#).await;
    let pruned = post(&desk, &to("prune"), r#"{"dry_run":true}"#).await;
    assert_eq!(pruned.json(), json!({"bytes": 7}));
    post(&desk, &to("prune"), "{}").await;
    post(&desk, &to("recheck"), r#"{"checkpoint":"latest","by":"test"}"#).await;
    post(&desk, &to("recheck"), "{}").await;
    let asked = ["pin othello ck-1", "unpin othello ck-1", "prune othello true", "prune othello false"];
    assert_eq!(desk.asked()[..4], asked);
    assert_eq!(desk.asked()[4..], ["recheck othello latest", "recheck othello all"]);
    for (verb, body) in [
        ("pin", r#"{"checkpoint":"ck-1"}"#),
        ("pin", r#"{"pinned":true}"#),
        ("prune", r#"{"dry":true}"#),
        ("recheck", r#"{"checkpoint":1}"#),
    ] {
        post(&desk, &to(verb), body).await.problem(422);
    }
    for verb in ["prune", "recheck"] {
        post(&desk, &format!("/v2/runs/nobody/{verb}"), "{}").await.problem(404);
    }
}

#[tokio::test]
async fn events_come_in_pages_of_a_bounded_size() {
    let desk = FakeDesk::new();
    let page = get(&desk, "/v2/runs/othello/events?after=3&limit=99999").await;
    assert_eq!(page.json(), json!({"events": [{"v": 2, "seq": 4}]}));
    get(&desk, "/v2/runs/othello/events").await;
    assert_eq!(desk.asked(), ["events othello 3 1000", "events othello 0 1000"]);
}

#[tokio::test]
async fn curves_are_given_by_name() {
    let desk = FakeDesk::new();
    assert_eq!(get(&desk, "/v2/runs/othello/curves").await.json(), json!({"loss": []}));
    assert_eq!(desk.asked(), ["curves othello"]);
}

#[tokio::test]
async fn a_story_comes_in_pages_with_its_envelopes() {
    let desk = FakeDesk::new();
    let page = get(&desk, "/v2/runs/othello/story?after=3&limit=99999").await;
    let line = json!({"what": "adopted", "why": "TAKEN_OVER", "sentence": "s", "event": {"v": 2, "seq": 4}});
    assert_eq!(page.json(), json!({"lines": [line]}));
    assert_eq!(desk.asked(), ["story othello 3 1000"]);
}

#[tokio::test]
async fn output_is_raw_bytes_with_a_description() {
    let desk = FakeDesk::new();
    *desk.output.lock().unwrap() = b"ab\x00\xffcd".to_vec();
    let piece = get(&desk, "/v2/runs/othello/output?attempt=1&offset=1&max=3").await;
    assert_eq!(piece.body, b"b\x00\xff");
    let chunk: OutputChunk = serde_json::from_str(piece.header("resus-output")).unwrap();
    assert_eq!((chunk.offset, chunk.next_offset, chunk.length), (1, 4, 6));
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let desk = FakeDesk::new();
    let request = axum::http::Request::head("/v2/runs").body(axum::body::Body::empty()).unwrap();
    let head = crate::rig::ask(&desk, request).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}
