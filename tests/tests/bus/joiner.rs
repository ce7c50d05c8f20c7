//! Whoever comes late gets to the exact present state by three steps: subscribe, read the state,
//! apply what came meanwhile.

use crate::rig::Rig;
use resus_core::pulse::state::{Applied, StateSnapshot};
use resus_tests::{Delivered, NatsClient};
use serde_json::{Value, json};
use std::time::Duration;

struct Joiner {
    client: NatsClient,
    key: String,
    state: StateSnapshot,
    resyncs: usize,
}

fn read(client: &mut NatsClient, key: &str) -> StateSnapshot {
    let address = format!("$JS.API.DIRECT.GET.KV_pulse_state.$KV.pulse_state.{key}");
    let found = client.request(&address, &json!({}));
    serde_json::from_slice(&found.body).unwrap_or_else(|error| panic!("no state ({error}): {found:?}"))
}

impl Joiner {
    fn join(rig: &Rig, workload: &str, run: &str) -> Self {
        let mut client = rig.client();
        client.subscribe(&format!("pulse.v2.*.default.*.{run}.>"));
        let key = format!("default.{workload}.{run}");
        let state = read(&mut client, &key);
        Self { client, key, state, resyncs: 0 }
    }

    fn hear(&mut self, message: &Delivered) {
        if let Applied::Gap { .. } = self.state.apply(&message.json()) {
            self.resyncs += 1;
            self.state = read(&mut self.client, &self.key);
        }
    }

    /// Hears what is said until it is the end.
    fn until_over(&mut self) {
        while !self.state.told.status.is_terminal() {
            let message = self.client.next(resus_tests::PATIENCE).expect("something is said until the end");
            self.hear(&message);
        }
        while let Some(message) = self.client.next(Duration::from_millis(300)) {
            self.hear(&message);
        }
    }
}

/// What a joiner can know: all but what is as of the snapshot.
fn known(state: &StateSnapshot) -> Value {
    let mut state = serde_json::to_value(state).unwrap();
    let fields = state.as_object_mut().unwrap();
    for as_of_the_snapshot in ["v1", "name", "tick", "after_seq", "telemetry_attempt"] {
        fields.remove(as_of_the_snapshot);
    }
    state
}

#[test]
fn joiners_at_any_moment_end_where_the_run_ends_across_restarts_of_worker_and_server() {
    let mut rig = Rig::new();
    let run = rig.home.submit(&[
        "fake",
        "--backoff",
        "100ms",
        "--set",
        "step_ms=20",
        "--set",
        "steps=160",
        "--set",
        "checkpoint_every=20",
    ]);
    let mut joiners = Vec::new();
    for done in [3.0, 17.0, 31.0] {
        let _so_far = rig.home.until_done(&run, done);
        joiners.push(Joiner::join(&rig, "fake", &run));
    }
    for worker in rig.home.workers(&run) {
        resus_tests::kill(worker.pid, "KILL");
    }
    let _second = rig.home.until(&run, "the second attempt", |run| run["attempt"] == 2);
    joiners.push(Joiner::join(&rig, "fake", &run));
    let _so_far = rig.home.until_done(&run, 80.0);
    // A server that is restarted has forgotten its states, and takes its subscribers along.
    rig.server.kill();
    rig.server.restart();
    joiners.clear();
    let _connected = rig.until_bus("a connection", |bus| bus["state"] == "connected");
    for done in [90.0, 110.0, 130.0] {
        let _so_far = rig.home.until_done(&run, done);
        joiners.push(Joiner::join(&rig, "fake", &run));
    }
    let _done = rig.home.until_phase(&run, "done");
    joiners.push(Joiner::join(&rig, "fake", &run));
    rig.until_all_out();
    let last = rig.home.events(&run);
    let present = rig.home.wait_for("the final state", || {
        let state = read(&mut rig.client(), &format!("default.fake.{run}"));
        (state.told.seq == last.len() as u64).then_some(state)
    });
    assert_eq!(present.v1.status.as_str(), "done");
    for joiner in &mut joiners {
        joiner.until_over();
        assert_eq!(known(&joiner.state), known(&present));
        assert_eq!(joiner.resyncs, 0, "one connection, one order: nothing is missing");
    }
}

#[test]
fn joiners_of_a_run_that_is_not_disturbed_agree_too() {
    let rig = Rig::new();
    let run = rig.home.submit(&[
        "fake",
        "--set",
        "step_ms=10",
        "--set",
        "steps=120",
        "--set",
        "checkpoint_every=30",
    ]);
    let mut joiners = Vec::new();
    for done in 0..12 {
        let _so_far = rig.home.until_done(&run, f64::from(done) * 9.0 + 1.0);
        joiners.push(Joiner::join(&rig, "fake", &run));
    }
    let _done = rig.home.until_phase(&run, "done");
    rig.until_all_out();
    let last = rig.home.events(&run).len() as u64;
    let mut states = Vec::new();
    for joiner in &mut joiners {
        joiner.until_over();
        states.push(known(&joiner.state));
    }
    assert!(states.iter().all(|state| state["seq"] == last), "{states:?}");
    assert!(states.windows(2).all(|two| two[0] == two[1]), "{states:#?}");
}
