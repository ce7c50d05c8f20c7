//! Servers that keep nothing: too old, or without JetStream.

use crate::rig::{Rig, ids, speak_on};
use resus_tests::{Home, NatsOptions, NatsServer, Version};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_server_that_keeps_nothing_still_serves_subscribers_and_commands_and_that_is_said() {
    for (version, jetstream, what) in
        [(Version::V2_9, true, "too old"), (Version::Newest, false, "without JetStream")]
    {
        let server = NatsServer::start(version, NatsOptions { jetstream, ..NatsOptions::default() });
        let home = Home::new();
        speak_on(&home, &server.url(), "");
        let rig = Rig { home, server };
        rig.home.resus(&["daemon", "start"]).expect_code(0);
        let bus = rig.until_bus("a connection", |bus| bus["state"] == "connected");
        assert!(bus["lacking"][0].as_str().unwrap().contains(what), "{bus}");
        assert_eq!(bus["jetstream"], false);
        let mut listener = rig.client();
        listener.subscribe("pulse.v2.ledger.>");
        let run = rig.stages(30, "0");
        let _done = rig.home.until_phase(&run, "done");
        rig.until_all_out();
        let mut heard = Vec::new();
        while let Some(message) = listener.next(Duration::from_millis(500)) {
            heard.push(message.json());
        }
        let ledger = rig.home.events(&run);
        assert_eq!(ids(&heard), ids(&ledger));
        let state = listener.request("pulse.v2.ctl.default.any.state", &json!({"run": run})).json();
        assert_eq!(state["run"]["phase"], "done", "{state}");
        assert_eq!(state["run"]["seq"], json!(ledger.len()));
        assert_eq!(state["snapshot"]["status"], "done", "what there is no bucket for is answered");
    }
}

#[test]
fn events_larger_than_the_server_takes_keep_their_place_and_the_ledger_keeps_the_rest() {
    let options = NatsOptions { jetstream: true, config: "max_payload: 4096".to_owned() };
    let server = NatsServer::start(Version::Newest, options);
    let home = Home::new();
    speak_on(&home, &server.url(), "");
    let rig = Rig { home, server };
    let script = r#"big=$(head -c 900 /dev/zero | tr '\0' x)
        tail=$(head -c 6000 /dev/zero | tr '\0' y)
        printf '{"event_type":"error","payload":{"error_code":"APP_BIG","message":"%s","is_retryable":true,"fatal":false,"details":{"traceback_tail":"%s"}}}\n' "$big" "$tail" >> "$PULSE_EVENTS"
        printf '{"event_type":"run_complete","payload":{"status":"success"}}\n' >> "$PULSE_EVENTS""#;
    let run = rig.home.submit(&["--", "sh", "-c", script]);
    let _done = rig.home.until_phase(&run, "done");
    rig.until_all_out();
    let ledger = rig.home.events(&run);
    let stream = rig.client().stream("PULSE_LEDGER");
    let there: Vec<_> =
        stream.iter().filter(|(_, message)| message.subject.contains(&run)).map(|(_, m)| m.json()).collect();
    assert_eq!(ids(&there), ids(&ledger), "no gap");
    let place = ledger.iter().position(|event| event["event_type"] == "error").unwrap();
    assert!(ledger[place].to_string().len() > 4096, "the test's event is large");
    assert!(there[place]["payload"]["omitted_bytes"].as_u64().unwrap() > 4096, "{}", there[place]);
    assert_eq!(there[place + 1..], ledger[place + 1..]);
}

#[test]
fn a_server_without_room_for_the_stream_is_told_of_and_gets_everything_when_it_has_room() {
    let room = |bytes| format!("jetstream {{ max_file_store: {bytes}, store_dir: \"{}\" }}", "STORE");
    let store = tempfile::tempdir().unwrap();
    let config = |bytes| room(bytes).replace("STORE", &store.path().display().to_string());
    let options = NatsOptions { jetstream: false, config: config("1MB") };
    let server = NatsServer::start(Version::Newest, options);
    let home = Home::new();
    speak_on(&home, &server.url(), "");
    let mut rig = Rig { home, server };
    let run = rig.stages(20, "0");
    let _done = rig.home.until_phase(&run, "done");
    let bus = rig.until_bus("no room", |bus| bus["state"] == "away");
    let reason = bus["reason"].as_str().unwrap();
    assert!(reason.contains("PULSE_LEDGER") && reason.contains("bus.ledger_size"), "{reason}");
    rig.server.kill();
    rig.server.reconfigure(&config("2GB"));
    rig.server.restart();
    rig.assert_all_there(&[&run]);
}

#[test]
fn events_that_wait_too_long_are_an_alarm_that_ends_by_itself() {
    let mut server =
        NatsServer::start(Version::Newest, NatsOptions { jetstream: true, ..NatsOptions::default() });
    let home = Home::new();
    speak_on(&home, &server.url(), "outbox_alarm = 10");
    server.kill();
    let mut rig = Rig { home, server };
    let run = rig.stages(20, "0");
    let _done = rig.home.until_phase(&run, "done");
    let alarm = |bus: &serde_json::Value| bus["alarms"].to_string().contains("BUS_BACKLOG");
    let _bus = rig.until_bus("the alarm", alarm);
    rig.server.restart();
    let bus = rig.until_bus("its end", |bus| bus["waiting"] == 0);
    assert!(!alarm(&bus), "{bus}");
    rig.assert_all_there(&[&run]);
}
