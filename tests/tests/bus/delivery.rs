//! Everything of the ledger arrives, once and in order, whoever dies meanwhile.

use crate::rig::{Rig, ids};
use resus_tests::{NatsOptions, NatsServer, Version};
use std::time::Duration;

#[test]
fn everything_in_the_ledger_is_on_the_bus_once_and_in_order() {
    for version in [Version::Newest, Version::V2_11] {
        let rig = Rig::of(version);
        let mut listener = rig.client();
        listener.subscribe("pulse.>");
        let run = rig.stages(40, "0.01");
        let _done = rig.home.until_phase(&run, "done");
        rig.assert_all_there(&[&run]);
        let ledger = rig.home.events(&run);
        let mut heard = Vec::new();
        let (mut telemetry, mut v1) = (0, Vec::new());
        while let Some(message) = listener.next(Duration::from_millis(1_500)) {
            let lane = message.subject.split('.').nth(2).unwrap_or_default().to_owned();
            match lane.as_str() {
                "ledger" => {
                    let event = message.json();
                    let kind = event["event_type"].as_str().unwrap();
                    assert_eq!(message.subject, format!("pulse.v2.ledger.default.command.{run}.{kind}"));
                    assert_eq!(message.header("Nats-Msg-Id"), event["event_id"].as_str());
                    heard.push(event);
                }
                "telemetry" => telemetry += 1,
                "node" => assert!(message.subject.starts_with("pulse.v2.node.default.box."), "{message:?}"),
                _ => {
                    assert_eq!(message.subject, format!("pulse.v1.default.command.{run}"));
                    v1.push(message.json());
                }
            }
        }
        assert_eq!(ids(&heard), ids(&ledger), "whoever only listens hears the same");
        assert!(telemetry > 0);
        let last = v1.last().unwrap();
        assert_eq!(last["status"], "done", "{last}");
        assert_eq!(last.as_object().unwrap().len(), 6, "{last}");
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing_and_the_training_does_not_notice() {
    let mut rig = Rig::new();
    let run = rig.stages(150, "0.02");
    for done in [20.0, 60.0, 100.0] {
        let _so_far = rig.home.until_done(&run, done);
        rig.server.kill();
        // Also while it is away the training and its supervision go on.
        let _more = rig.home.until_done(&run, done + 20.0);
        rig.server.restart();
    }
    let run_view = rig.home.until_phase(&run, "done");
    assert_eq!((run_view["attempt"].as_u64(), run_view["failures"].as_u64()), (Some(1), Some(0)));
    rig.assert_all_there(&[&run]);
}

#[test]
fn what_happened_before_there_was_a_server_arrives_when_there_is_one() {
    let mut server =
        NatsServer::start(Version::Newest, NatsOptions { jetstream: true, ..NatsOptions::default() });
    server.kill();
    let mut rig = Rig::through(server.port(), server);
    let runs = [rig.stages(30, "0"), rig.stages(30, "0")];
    for run in &runs {
        let _done = rig.home.until_phase(run, "done");
    }
    let bus = rig.until_bus("no server", |bus| bus["state"] == "away");
    assert!(bus["waiting"].as_u64().unwrap() >= 60, "{bus}");
    rig.server.restart();
    rig.assert_all_there(&[&runs[0], &runs[1]]);
}

#[test]
fn a_daemon_that_is_killed_in_the_midst_says_nothing_twice_and_nothing_never() {
    let rig = Rig::new();
    let run = rig.stages(200, "0.01");
    for done in [20.0, 60.0, 110.0, 150.0] {
        let _so_far = rig.home.until_done(&run, done);
        rig.home.kill_daemon();
    }
    let _done = rig.home.until_phase(&run, "done");
    rig.assert_all_there(&[&run]);
}

#[test]
fn a_mark_that_is_lost_costs_a_look_and_no_event() {
    let rig = Rig::new();
    let run = rig.stages(50, "0");
    let _done = rig.home.until_phase(&run, "done");
    rig.until_all_out();
    rig.home.resus(&["daemon", "stop"]).expect_code(0);
    let mark = rig.home.state().join("bus.json");
    for damage in [None, Some("{")] {
        match damage {
            None => std::fs::remove_file(&mark).unwrap(),
            Some(text) => std::fs::write(&mark, text).unwrap(),
        }
        rig.home.resus(&["daemon", "start"]).expect_code(0);
        rig.assert_all_there(&[&run]);
        rig.home.resus(&["daemon", "stop"]).expect_code(0);
    }
}

#[test]
fn a_subscriber_that_does_not_read_holds_nobody_up() {
    let rig = Rig::new();
    let mut sleeper = rig.client();
    sleeper.subscribe(">");
    let run = rig.stages(300, "0");
    let _done = rig.home.until_phase(&run, "done");
    rig.assert_all_there(&[&run]);
    drop(sleeper);
}

#[test]
fn every_run_has_a_file_of_its_events_where_that_is_wanted_also_across_a_killed_daemon() {
    let home = resus_tests::Home::new();
    home.configure("[bus]\nurl = \"local\"\nfile = true\n");
    let run =
        home.submit(&["fake", "--set", "step_ms=10", "--set", "steps=100", "--set", "checkpoint_every=10"]);
    let _so_far = home.until_done(&run, 40.0);
    home.kill_daemon();
    let _done = home.until_phase(&run, "done");
    let file = home.run_dir(&run).join("pulse.jsonl");
    let ledger = home.events(&run);
    let lines = home.wait_for("the whole ledger in the file", || {
        let text = std::fs::read_to_string(&file).ok()?;
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.iter().any(|line| line["event_id"] == ledger.last().unwrap()["event_id"])).then_some(lines)
    });
    let (facts, telemetry): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["seq"].is_u64());
    let mut there = ids(&facts);
    there.dedup();
    assert_eq!(there, ids(&ledger));
    assert!(telemetry.iter().any(|line| line["event_type"] == "progress"));
}

#[test]
fn a_daemon_that_ends_says_so_last_however_it_is_asked_to() {
    let rig = Rig::new();
    let mut listener = rig.client();
    listener.subscribe("pulse.v2.node.>");
    for turn in 0..6 {
        rig.home.resus(&["daemon", "start"]).expect_code(0);
        let _connected = rig.until_bus("a connection", |bus| bus["state"] == "connected");
        if turn % 2 == 0 {
            rig.home.resus(&["daemon", "stop"]).expect_code(0);
        } else {
            let pid = rig.home.daemon_pid();
            resus_tests::kill(pid, "TERM");
            rig.home.wait_for("its end", || (!resus_tests::alive(pid)).then_some(()));
        }
        loop {
            let message = listener.next(Duration::from_secs(20)).unwrap_or_else(|| {
                let log = std::fs::read_to_string(rig.home.state().join("daemon.log")).unwrap();
                panic!("turn {turn}: it does not say that it leaves:\n{log}")
            });
            if message.subject.ends_with(".left") {
                break;
            }
        }
    }
    let log = std::fs::read_to_string(rig.home.state().join("daemon.log")).unwrap();
    assert!(!log.contains("panic") && !log.contains("no NATS server"), "{log}");
}

#[test]
fn a_ledger_that_begins_anew_is_published_though_the_mark_is_far_behind_its_end() {
    let rig = Rig::new();
    let before = rig.stages(40, "0");
    let _done = rig.home.until_phase(&before, "done");
    rig.until_all_out();
    rig.home.resus(&["daemon", "stop"]).expect_code(0);
    let (state, old) = (rig.home.state(), rig.home.path().join("old"));
    let mark = std::fs::read(state.join("bus.json")).unwrap();
    std::fs::rename(&state, old).unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("bus.json"), mark).unwrap();
    let after = rig.stages(3, "0");
    let _done = rig.home.until_phase(&after, "done");
    rig.assert_all_there(&[&after]);
}
