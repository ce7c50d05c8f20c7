//! A network that loses, repeats, delays and cuts.

use crate::rig::Rig;
use resus_tests::proxy::{Cut, Direction, Faults, Frame, Pick, Proxy};
use resus_tests::{NatsOptions, NatsServer, Version};
use std::time::Duration;

fn rig(seed: u64) -> (Rig, Proxy) {
    let server =
        NatsServer::start(Version::Newest, NatsOptions { jetstream: true, ..NatsOptions::default() });
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into(), seed);
    (Rig::through(proxy.address().port(), server), proxy)
}

fn is_ledger_ack(frame: &Frame<'_>) -> bool {
    String::from_utf8_lossy(frame.payload).contains("\"stream\":\"PULSE_LEDGER\"")
}

fn is_event(frame: &Frame<'_>) -> bool {
    frame.subject().starts_with("pulse.v2.ledger.")
}

#[test]
fn acknowledgements_that_are_lost_double_nothing() {
    let (rig, proxy) = rig(1);
    let run = rig.stages(60, "0.02");
    let _so_far = rig.home.until_done(&run, 10.0);
    let drop_acks = Faults { drop: Some(Pick::every(is_ledger_ack)), ..Faults::default() };
    proxy.set(Direction::ToClient, drop_acks);
    let _away = rig.until_bus("the acknowledgements are missed", |bus| bus["state"] == "away");
    proxy.heal();
    let _done = rig.home.until_phase(&run, "done");
    rig.assert_all_there(&[&run]);
}

#[test]
fn events_that_arrive_twice_are_kept_once() {
    let (rig, proxy) = rig(2);
    let twice = Faults { duplicate: Some(Pick::one_in(3, is_event)), ..Faults::default() };
    proxy.set(Direction::ToServer, twice);
    let run = rig.stages(60, "0.01");
    let _done = rig.home.until_phase(&run, "done");
    rig.assert_all_there(&[&run]);
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let (rig, proxy) = rig(3);
    let run = rig.stages(1_000, "0.02");
    let _so_far = rig.home.until_done(&run, 5.0);
    rig.until_all_out();
    let stall = Faults { stall: true, ..Faults::default() };
    proxy.set(Direction::ToServer, stall.clone());
    proxy.set(Direction::ToClient, stall);
    let away = rig.until_bus("the silence is noticed", |bus| bus["state"] == "away");
    assert!(away["waiting"].as_u64().unwrap() > 0, "{away}");
    proxy.heal();
    rig.home.resus(&["kill", &run]).expect_code(0);
    let _over = rig.home.until_phase(&run, "cancelled");
    rig.assert_all_there(&[&run]);
}

#[test]
fn connections_cut_anywhere_lose_double_and_reorder_nothing() {
    for seed in 10..13 {
        let (rig, proxy) = rig(seed);
        let run = rig.stages(120, "0.02");
        for (turn, direction) in
            [Direction::ToServer, Direction::ToClient, Direction::ToServer].into_iter().enumerate()
        {
            let _so_far = rig.home.until_done(&run, 10.0 + turn as f64 * 30.0);
            let _connected = rig.until_bus("a connection", |bus| bus["state"] == "connected");
            proxy.cut_within(direction, 4_000, if turn == 1 { Cut::Close } else { Cut::Reset });
        }
        let _done = rig.home.until_phase(&run, "done");
        rig.assert_all_there(&[&run]);
    }
}

#[test]
fn bytes_that_come_one_by_one_and_late_are_the_same_bytes() {
    let (rig, proxy) = rig(20);
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy
            .set(direction, Faults { split: true, delay_max: Duration::from_millis(2), ..Faults::default() });
    }
    let run = rig.stages(10, "0");
    let _done = rig.home.until_phase(&run, "done");
    proxy.heal();
    rig.assert_all_there(&[&run]);
}
