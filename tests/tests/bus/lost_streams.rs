//! A stream that has lost what it had acknowledged.

use crate::rig::{LEDGER, Rig};
use resus_tests::NatsClient;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn lost(bus: &Value) -> bool {
    let alarms = bus["alarms"].as_array().cloned().unwrap_or_default();
    alarms.iter().any(|alarm| alarm.as_str().is_some_and(|alarm| alarm.starts_with("BUS_DATA_LOST")))
}

fn api(client: &mut NatsClient, verb: &str) -> Value {
    client.request(&format!("$JS.API.STREAM.{verb}.{LEDGER}"), &json!({})).json()
}

/// A run that is done and out, and what is done to the stream afterwards; then all of it is there
/// again, and somebody has been told.
fn heals(harm: impl FnOnce(&mut Rig)) {
    let mut rig = Rig::new();
    let before = rig.stages(40, "0");
    let _done = rig.home.until_phase(&before, "done");
    rig.until_all_out();
    harm(&mut rig);
    let after = rig.stages(5, "0");
    let _done = rig.home.until_phase(&after, "done");
    let _bus = rig.until_bus("the loss is told", lost);
    rig.assert_all_there(&[&before, &after]);
}

#[test]
fn a_stream_that_was_deleted_is_made_anew_and_gets_everything_again() {
    heals(|rig| {
        let said = api(&mut rig.client(), "DELETE");
        assert_eq!(said["success"], true, "{said}");
    });
}

#[test]
fn a_stream_that_was_purged_gets_everything_again_though_the_server_remembers_it() {
    heals(|rig| {
        let said = api(&mut rig.client(), "PURGE");
        assert!(said["purged"].as_u64().unwrap() > 40, "{said}");
    });
}

#[test]
fn a_stream_that_was_set_back_to_an_older_state_gets_what_it_lacks() {
    let mut rig = Rig::new();
    let first = rig.stages(10, "0");
    let _done = rig.home.until_phase(&first, "done");
    rig.until_all_out();
    let (store, older) = (rig.server.folder().join("store"), rig.server.folder().join("older"));
    rig.server.kill();
    copy(&store, &older);
    rig.server.restart();
    let second = rig.stages(60, "0");
    let _done = rig.home.until_phase(&second, "done");
    rig.until_all_out();
    rig.server.kill();
    std::fs::remove_dir_all(&store).unwrap();
    copy(&older, &store);
    rig.server.restart();
    let _bus = rig.until_bus("the loss is told", lost);
    rig.assert_all_there(&[&first, &second]);
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
