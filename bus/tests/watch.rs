//! A run that is followed on a real server, by what a daemon would have said.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use resus_bus::client::{Client, Update, Watch};
use resus_bus::link::Link;
use resus_bus::subject;
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_tests::{NatsClient, NatsServer, PATIENCE};
use serde_json::{Value, json};
use std::time::Duration;

const RUN: &str = "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77";

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn run_id() -> RunId {
    RunId::new(RUN).unwrap()
}

/// The daemon's side.
struct Daemon(NatsClient);

impl Daemon {
    /// With the bucket of states.
    fn of(server: &NatsServer) -> Self {
        let mut client = NatsClient::open(server.port());
        let made = client.request(
            "$JS.API.STREAM.CREATE.KV_pulse_state",
            &json!({"name": "KV_pulse_state", "subjects": ["$KV.pulse_state.>"], "storage": "memory",
                "max_msgs_per_subject": 1, "allow_direct": true}),
        );
        assert!(made.json().get("error").is_none(), "{made:?}");
        Self(client)
    }

    fn put_state(&mut self, seq: u64, tick: u64, metrics: &Value) {
        let time = "2026-01-01T00:00:00Z";
        let v1 = json!({"status": "running", "epoch": 0.0, "total_epochs": 0.0, "loss": 0.0, "message": "",
            "timestamp": 0});
        let state = json!({"v": 2, "training_id": RUN, "name": "n", "workload": "w", "node": "a", "attempt": 1,
            "seq": seq, "status": "running", "reason": "", "message": "", "timestamp": time,
            "telemetry_attempt": 1, "after_seq": 1, "tick": tick, "metrics": metrics, "v1": v1});
        let stored = self.0.request(&subject::state(&slug("team"), &slug("w"), &run_id()), &state);
        assert!(stored.json().get("error").is_none(), "{stored:?}");
    }

    fn say_metric(&mut self, tick: u64) {
        let event = json!({"v": 2, "training_id": RUN, "attempt": 1, "event_type": "metric", "after_seq": 1,
            "tick": tick, "payload": {"metrics": {format!("m{tick}"): tick}}});
        let subject = subject::event(&slug("team"), &slug("w"), &run_id(), EventType::Metric);
        self.0.publish(&subject, event.to_string().as_bytes());
    }
}

async fn next(watch: &mut Watch) -> Update {
    tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap()
}

async fn watch(server: &NatsServer) -> Watch {
    let link = Link::parse(&server.url()).unwrap();
    let client = Client::connect(&link, &slug("team"), "test").await.unwrap();
    client.watch(&run_id()).await.unwrap()
}

fn metrics(update: &Update) -> Value {
    serde_json::to_value(&update.state.metrics).unwrap()
}

#[tokio::test]
async fn telemetry_that_never_came_is_read_from_the_state() {
    let server = NatsServer::with_jetstream();
    let mut daemon = Daemon::of(&server);
    daemon.put_state(1, 1, &json!({"m1": 1}));
    let mut watch = watch(&server).await;
    assert_eq!(metrics(&next(&mut watch).await), json!({"m1": 1.0}));
    daemon.say_metric(3);
    assert_eq!(metrics(&next(&mut watch).await), json!({"m1": 1.0, "m3": 3.0}));
    // Nothing more is said, but the last state always follows.
    daemon.put_state(1, 3, &json!({"m1": 1, "m2": 2, "m3": 3}));
    let update = next(&mut watch).await;
    assert_eq!((update.envelope.as_ref(), update.state.telemetry.tick), (None, 3));
    assert_eq!(metrics(&update), json!({"m1": 1.0, "m2": 2.0, "m3": 3.0}));
}

#[tokio::test]
async fn a_server_that_is_gone_and_has_forgotten_the_state_is_waited_for() {
    let mut server = NatsServer::with_jetstream();
    Daemon::of(&server).put_state(4, 1, &json!({}));
    let mut watch = watch(&server).await;
    assert_eq!(next(&mut watch).await.state.told.seq, 4);
    server.kill();
    let waiting = tokio::time::timeout(Duration::from_millis(100), watch.next()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    server.restart();
    let waiting = tokio::spawn(async move { next(&mut watch).await });
    Daemon::of(&server).put_state(5, 1, &json!({}));
    let update = waiting.await.unwrap();
    assert_eq!((update.envelope, update.state.told.seq), (None, 5));
}
