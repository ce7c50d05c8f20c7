//! Runs, output and checkpoints that are to be gone, over HTTP.

use crate::rig::{FakeDesk, delete, post};
use resus_core::api::{RemoveReply, SweepReply};
use serde_json::json;

#[tokio::test]
async fn a_run_is_removed_by_its_address_or_by_a_document() {
    let desk = FakeDesk::new();
    let read = |body: &[u8]| serde_json::from_slice::<RemoveReply>(body).unwrap();
    let gone = delete(&desk, "/v2/runs/othello?with_pinned=true&by=ann").await;
    assert!(read(&gone.body).removed, "{gone:?}");
    let asked = post(&desk, "/v2/runs/othello/remove", r#"{"dry_run":true}"#).await;
    assert!(!read(&asked.body).removed, "{asked:?}");
    let expected =
        ["remove othello dry_run false with_pinned true", "remove othello dry_run true with_pinned false"];
    assert_eq!(desk.asked(), expected);
    delete(&desk, "/v2/runs/nobody").await.problem(404);
    delete(&desk, "/v2/runs/othello?with_pined=true").await.problem(400);
    delete(&desk, "/v2/runs/%2e%2e").await.problem(404);
    post(&desk, "/v2/runs/othello/remove", r#"{"force":true}"#).await.problem(422);
}

#[tokio::test]
async fn many_runs_are_swept_away_by_a_document() {
    let desk = FakeDesk::new();
    let body = json!({"kinds": ["logs"], "older_than_ms": 5, "status": ["lost"], "dry_run": true});
    let reply = post(&desk, "/v2/prune", body.to_string()).await;
    let reply: SweepReply = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.items.len(), reply.bytes, reply.dry_run), (1, 7, true));
    for bad in [r#"{"kinds":["ledger"]}"#, r#"{"older":5}"#, r#"{"keep":-1}"#, r#"{"status":["running"]}"#] {
        post(&desk, "/v2/prune", bad).await.problem(422);
    }
}
