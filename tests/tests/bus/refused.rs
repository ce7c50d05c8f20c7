//! Credentials that do not fit.

use crate::rig::{Rig, speak_on};
use resus_tests::{Home, NatsOptions, NatsServer, Version};
use serde_json::Value;

const USERS: &str = "authorization { users = [ { user: node, password: good } ] }";
const NOBODY: &str = "authorization { users = [ { user: node, password: other } ] }";

fn rig(password: &str) -> Rig {
    let options = NatsOptions { jetstream: true, config: USERS.to_owned() };
    let server = NatsServer::start(Version::Newest, options);
    let home = Home::new();
    speak_on(&home, &format!("nats://node:{password}@127.0.0.1:{}", server.port()), "");
    Rig { home, server }
}

fn refused(bus: &Value) -> bool {
    bus["state"] == "refused"
}

#[test]
fn wrong_credentials_are_one_alarm_and_no_storm_of_tries() {
    let rig = rig("s3cr3t-but-wrong");
    let run = rig.stages(20, "0");
    let _done = rig.home.until_phase(&run, "done");
    let bus = rig.until_bus("refused", refused);
    let alarm = bus["alarms"][0].as_str().unwrap();
    assert!(alarm.contains("refuses our credentials"), "{alarm}");
    // Some more tries, by the server's own account.
    let tries = rig.home.wait_for("three tries", || {
        let log = rig.server.log();
        let tries: Vec<_> = log.lines().filter(|l| l.contains("authentication error")).map(seconds).collect();
        (tries.len() >= 3).then_some(tries)
    });
    for pair in tries.windows(2) {
        assert!(pair[1] - pair[0] >= 0.9, "at most one try a second: {tries:?}");
    }
    let log = std::fs::read_to_string(rig.home.state().join("daemon.log")).unwrap();
    assert_eq!(log.matches("an alarm of the bus").count(), 1, "told once");
    for text in [&log, &bus.to_string(), &rig.home.resus(&["daemon", "status"]).stdout] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

/// `[pid] 2026/11/22 15:04:05.123456 …` as seconds of the day.
fn seconds(line: &str) -> f64 {
    let time = line.split(' ').find(|word| word.matches(':').count() == 2 && !word.contains("127")).unwrap();
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

#[test]
fn credentials_that_are_revoked_and_given_back_cost_no_event() {
    let mut rig = rig("good");
    let run = rig.stages(2_000, "0.02");
    let _so_far = rig.home.until_done(&run, 10.0);
    rig.until_all_out();
    rig.server.reload(NOBODY);
    let _bus = rig.until_bus("revoked", refused);
    rig.server.reload(USERS);
    let bus = rig.until_bus("let in again", |bus| bus["state"] == "connected");
    assert_eq!(bus["alarms"], Value::Null, "the alarm is over: {bus}");
    rig.home.resus(&["kill", &run]).expect_code(0);
    let _over = rig.home.until_phase(&run, "cancelled");
    rig.until_all_out();
}
