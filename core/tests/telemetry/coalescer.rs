//! Thinned telemetry: nothing too often, nothing lost but what was superseded.

use proptest::prelude::*;
use resus_core::pulse::line::{Progress, Telemetry};
use resus_core::pulse::v2::EventType;
use resus_core::pulse::word::Numbers;
use resus_core::telemetry::budget::INTERVAL_MS_MIN;
use resus_core::telemetry::coalescer::{Coalescer, Emission, HOLD, METRICS_MAX};
use serde_json::json;
use std::collections::BTreeMap;

fn progress(done: f64) -> Telemetry {
    Telemetry::Progress(Progress { unit: "step".into(), done: Some(done), ..Progress::default() })
}

fn metric(name: &str, value: f64) -> Telemetry {
    Telemetry::Metric { step: None, metrics: Numbers::from([(name.to_owned(), Some(value))]) }
}

fn kind(telemetry: &Telemetry) -> usize {
    match telemetry {
        Telemetry::Progress(_) => 0,
        Telemetry::Metric { .. } => 1,
        Telemetry::Heartbeat => 2,
    }
}

#[test]
fn the_first_comes_at_once_then_the_newest_then_the_last() {
    let mut coalescer = Coalescer::new(3);
    let at = |coalescer: &mut Coalescer, done, now| coalescer.put(progress(done), Some(now), now, 250);
    let first = at(&mut coalescer, 1.0, 1_000);
    assert_eq!(
        first,
        [Emission { tick: (3 << 32) + 1, said_unix_ms: Some(1_000), telemetry: progress(1.0) }]
    );
    assert_eq!(at(&mut coalescer, 2.0, 1_001), []);
    assert_eq!(at(&mut coalescer, 3.0, 1_249), []);
    assert_eq!(coalescer.next_due(250), Some(1_250));
    assert_eq!(coalescer.take_due(1_249, 250), []);
    let last = coalescer.take_due(1_250, 250);
    assert_eq!(last, [Emission { tick: (3 << 32) + 2, said_unix_ms: Some(1_249), telemetry: progress(3.0) }]);
    assert_eq!((coalescer.next_due(250), coalescer.flush(9_999)), (None, vec![]));
}

#[test]
fn the_kinds_do_not_wait_for_each_other() {
    let mut coalescer = Coalescer::new(0);
    let said = [progress(1.0), metric("loss", 0.5), Telemetry::Heartbeat];
    for telemetry in said {
        assert_eq!(coalescer.put(telemetry, None, 5, 250).len(), 1);
    }
}

#[test]
fn a_flush_counts_for_the_pace_but_does_not_wait_for_it() {
    let mut coalescer = Coalescer::new(0);
    for (done, now) in [(1.0, 0), (2.0, 10)] {
        coalescer.put(progress(done), None, now, 250);
    }
    assert_eq!(coalescer.flush(20).len(), 1);
    assert_eq!(coalescer.put(progress(3.0), None, 251, 250), []);
    assert_eq!(coalescer.next_due(250), Some(270));
}

#[test]
fn who_is_held_waits_with_the_first_word_too() {
    let mut coalescer = Coalescer::new(0);
    assert_eq!(coalescer.put(progress(1.0), None, 5, HOLD), []);
    assert_eq!((coalescer.next_due(HOLD), coalescer.next_due(250)), (None, Some(0)));
    assert_eq!(coalescer.take_due(6, 250).len(), 1);
}

#[test]
fn metrics_are_merged_by_name_and_bounded() {
    let mut coalescer = Coalescer::new(0);
    coalescer.put(metric("loss", 9.0), None, 0, 250);
    for n in 0..200_u32 {
        coalescer.put(metric("loss", f64::from(n)), None, 1, 250);
        coalescer.put(metric(&format!("m{n}"), 1.0), None, 1, 250);
        coalescer.put(metric(&"x".repeat(65), 1.0), None, 1, 250);
    }
    let emitted = coalescer.flush(2);
    let Telemetry::Metric { metrics, .. } = &emitted[0].telemetry else { panic!("{emitted:?}") };
    assert_eq!((metrics.len(), metrics["loss"]), (METRICS_MAX, Some(199.0)));
    assert_eq!(coalescer.left_out(), 200 + 200 - 63);
}

#[test]
fn a_newer_progress_does_not_silence_what_it_leaves_out() {
    let mut coalescer = Coalescer::new(0);
    coalescer.put(progress(1.0), None, 0, 250);
    let older = Progress {
        unit: "epoch".into(),
        total: Some(9.0),
        loss: Some(0.5),
        current_target: Some("t1".into()),
        message: Some("m".into()),
        ..Progress::default()
    };
    coalescer.put(Telemetry::Progress(older), None, 1, 250);
    coalescer.put(progress(2.0), None, 2, 250);
    let expected = Progress {
        unit: "step".into(),
        done: Some(2.0),
        loss: Some(0.5),
        current_target: Some("t1".into()),
        message: Some("m".into()),
        ..Progress::default()
    };
    assert_eq!(coalescer.flush(3)[0].telemetry, Telemetry::Progress(expected));
}

#[test]
fn payloads_have_the_documented_fields() {
    let payload = |telemetry| {
        let (kind, payload) = Emission { tick: 1, said_unix_ms: None, telemetry }.payload(1_795_320_826_123);
        (kind, serde_json::Value::Object(payload))
    };
    let full = Progress {
        unit: "game".into(),
        epoch: Some(1.5),
        total_epochs: Some(3.0),
        step: Some(150.0),
        total_steps: Some(800.0),
        done: Some(5.0),
        total: Some(10.0),
        session_start: Some(2.0),
        loss: Some(0.25),
        stage: Some("self-play".into()),
        current_target: Some("t1".into()),
        message: Some("m".into()),
    };
    let expected = json!({
        "unit": "game", "epoch": 1.5, "total_epochs": 3.0, "step": 150.0, "total_steps": 800.0, "done": 5.0,
        "total": 10.0, "session_start": 2.0, "loss": 0.25, "stage": "self-play",
        "current_target": "t1", "message": "m",
    });
    assert_eq!(payload(Telemetry::Progress(full)), (EventType::Progress, expected));
    assert_eq!(
        payload(Telemetry::Progress(Progress { unit: "step".into(), ..Progress::default() })).1,
        json!({"unit": "step"})
    );
    let metrics = Numbers::from([("loss".into(), None), ("lr".into(), Some(0.1))]);
    assert_eq!(
        payload(Telemetry::Metric { step: Some(7.0), metrics }),
        (EventType::Metric, json!({"step": 7.0, "metrics": {"loss": null, "lr": 0.1}}))
    );
    let beat = (EventType::Heartbeat, json!({"alive_at": "2026-11-22T04:13:46.123Z"}));
    assert_eq!(payload(Telemetry::Heartbeat), beat);
}

#[derive(Debug, Clone)]
enum Move {
    Progress,
    Metric(u8),
    Heartbeat,
    Look,
    Flush,
}

fn moves() -> impl Strategy<Value = Vec<(Move, u64)>> {
    let one = prop_oneof![
        4 => Just(Move::Progress),
        4 => (0..100_u8).prop_map(Move::Metric),
        2 => Just(Move::Heartbeat),
        4 => Just(Move::Look),
        1 => Just(Move::Flush),
    ];
    prop::collection::vec((one, prop_oneof![Just(0), 1..60_u64, 200..3_000_u64]), 0..200)
}

proptest! {
    #[test]
    fn nothing_is_too_often_and_nothing_newest_is_lost(moves in moves(), interval in INTERVAL_MS_MIN..2_000, generation in any::<u32>()) {
        let mut coalescer = Coalescer::new(generation);
        let mut now = 0;
        let mut tick = u64::from(generation) << 32;
        let mut emitted_at = [None::<u64>; 3];
        // What has been said and not yet emitted; each value is said once.
        let mut waiting: [BTreeMap<String, f64>; 3] = Default::default();
        let steps = moves.into_iter().chain([(Move::Flush, 0)]).enumerate();
        for (n, (step, wait)) in steps {
            now += wait;
            let value = n as f64;
            let flushed = matches!(step, Move::Flush);
            let emissions = match step {
                Move::Progress => {
                    waiting[0].insert("done".into(), value);
                    coalescer.put(progress(value), None, now, interval)
                }
                Move::Metric(name) => {
                    let name = format!("m{name}");
                    if waiting[1].len() < METRICS_MAX || waiting[1].contains_key(&name) {
                        waiting[1].insert(name.clone(), value);
                    }
                    coalescer.put(metric(&name, value), None, now, interval)
                }
                Move::Heartbeat => {
                    waiting[2].insert("beat".into(), 0.0);
                    coalescer.put(Telemetry::Heartbeat, None, now, interval)
                }
                Move::Look => coalescer.take_due(now, interval),
                Move::Flush => coalescer.flush(now),
            };
            for emission in emissions {
                prop_assert!(emission.tick > tick, "ticks grow");
                tick = emission.tick;
                let kind = kind(&emission.telemetry);
                let since = emitted_at[kind].map(|at| now - at);
                prop_assert!(flushed || since.is_none_or(|since| since >= interval), "{since:?}");
                emitted_at[kind] = Some(now);
                let told = match emission.telemetry {
                    Telemetry::Progress(p) => BTreeMap::from([("done".to_owned(), p.done.unwrap())]),
                    Telemetry::Metric { metrics, .. } => {
                        metrics.into_iter().map(|(name, value)| (name, value.unwrap())).collect()
                    }
                    Telemetry::Heartbeat => BTreeMap::from([("beat".to_owned(), 0.0)]),
                };
                prop_assert_eq!(&told, &std::mem::take(&mut waiting[kind]), "the newest of each");
            }
            let due = coalescer.next_due(interval);
            let waits = waiting.iter().any(|kind| !kind.is_empty());
            prop_assert_eq!(due.is_some(), waits, "what waits has its time");
            prop_assert!(due.is_none_or(|due| due > now), "what is due is not left waiting");
        }
        prop_assert!(waiting.iter().all(BTreeMap::is_empty), "the last is always emitted");
        prop_assert_eq!(tick >> 32, u64::from(generation));
    }
}
