//! The snapshot for whoever comes late: from any cut on, the events of the wire lead to what the
//! daemon holds at the end.

use crate::support::*;
use proptest::prelude::*;
use resus_core::fleet::Fleet;
use resus_core::ids::{Attempt, Slug};
use resus_core::pulse::line::{Progress, Telemetry};
use resus_core::pulse::state::{Applied, StateSnapshot, TelemetryPlace};
use resus_core::pulse::v1::project::{V2State, project};
use resus_core::pulse::v2::EventType;
use resus_core::pulse::word::Numbers;
use resus_core::slot::Slot;
use resus_core::spec::Contract;
use resus_core::telemetry::coalescer::{Coalescer, Emission};
use resus_core::watch::Health;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Move {
    /// An input, by its place among all, and whether it is about the present attempt.
    Told(prop::sample::Index, bool),
    /// The worker says something for the telemetry lane.
    Heard(Box<Telemetry>),
    /// The daemon tells how the worker is.
    Beat(Health),
    /// Time passes, and what is due goes out.
    Wait(u64),
}

fn telemetry() -> impl Strategy<Value = Telemetry> {
    let number = || prop::option::of((0..72u32).prop_map(|n| f64::from(n) / 8.0));
    let text = || prop::option::of("[a-c\n\u{202e} ]{0,3}");
    let progress = (number(), number(), number(), number(), text(), text(), text()).prop_map(
        |(done, step, total, loss, stage, current_target, message)| {
            let unit = if done.is_some() { "game" } else { "step" };
            let (stage, message) = (stage.map(one_line), message.map(one_line));
            let (unit, current_target) = (unit.into(), current_target.map(one_line));
            let nothing = Progress::default();
            Progress { unit, done, step, total, loss, stage, current_target, message, ..nothing }
        },
    );
    let metrics = prop::collection::btree_map("[a-f]", number(), 0..4)
        .prop_map(|metrics: Numbers| Telemetry::Metric { step: None, metrics });
    prop_oneof![progress.prop_map(Telemetry::Progress), metrics, Just(Telemetry::Heartbeat)]
}

/// As the reader of a line leaves it.
fn one_line(text: String) -> String {
    resus_core::text::one_line(&text, 256)
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let health = prop_oneof![Just(Health::Ok), Just(Health::Hung), Just(Health::Lost)];
    let one = prop_oneof![
        4 => (any::<prop::sample::Index>(), prop::bool::weighted(0.95)).prop_map(|(n, now)| Move::Told(n, now)),
        4 => telemetry().prop_map(|said| Move::Heard(Box::new(said))),
        1 => health.prop_map(Move::Beat),
        2 => prop_oneof![1..400u64, Just(120_000)].prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..80)
}

/// A daemon in small: a run, its telemetry, what went out, and the snapshot after each move.
pub struct Daemon {
    pub fleet: Fleet,
    slot: Slot,
    coalescer: Coalescer,
    lane_attempt: Attempt,
    place: TelemetryPlace,
    life: Health,
    told_life: Option<Health>,
    now: u64,
    pub wire: Vec<Value>,
    /// With how much had gone out by then.
    pub snapshots: Vec<(usize, StateSnapshot)>,
}

impl Daemon {
    pub fn new(opaque: bool) -> Self {
        let contract = if opaque { Contract::Opaque } else { Contract::Pulse };
        let (fleet, step) = accepted(spec(contract, policy()), at(0));
        let mut daemon = Self {
            fleet,
            slot: Slot::default(),
            coalescer: Coalescer::new(2),
            lane_attempt: Attempt(1),
            place: TelemetryPlace::default(),
            life: Health::Unknown,
            told_life: None,
            now: 0,
            wire: step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap()).collect(),
            snapshots: Vec::new(),
        };
        daemon.slot.begin_attempt(Attempt(1));
        daemon.keep();
        daemon
    }

    pub fn keep(&mut self) {
        let run = run(&self.fleet);
        let v1 = project(&V2State::of(run, &self.slot, 0, self.now));
        let node = Slug::new("n1").unwrap();
        let snapshot = StateSnapshot::of(run, &self.slot, self.told_life, v1, self.place, &node);
        self.snapshots.push((self.wire.len(), snapshot));
    }

    fn say(&mut self, emissions: Vec<Emission>) {
        for emission in emissions {
            let (event_type, mut payload) = emission.payload(0);
            let run = run(&self.fleet);
            if event_type == EventType::Heartbeat && run.worker.is_some() {
                payload.insert("health".into(), json!(self.life));
                self.told_life = Some(self.life);
            }
            self.place =
                TelemetryPlace { attempt: self.lane_attempt, after_seq: run.seq, tick: emission.tick };
            self.wire.push(json!({
                "v": 2, "event_type": event_type, "after_seq": run.seq, "tick": emission.tick,
                "training_id": "run-1", "attempt": self.lane_attempt, "payload": payload,
            }));
        }
    }

    fn go(&mut self, one: &Move) {
        match one {
            Move::Told(index, current) => {
                let before = run(&self.fleet).attempt;
                let attempt = if *current { before } else { Attempt(before.0.saturating_sub(1)) };
                let all = inputs(attempt, run(&self.fleet).upto);
                // A class A event flushes what waits.
                let waits = self.coalescer.flush(self.now);
                self.say(waits);
                let Ok(step) = self.fleet.step(&run_id(), &all[index.index(all.len())].1, at(self.now))
                else {
                    return;
                };
                let said = step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap());
                self.wire.extend(said);
                self.lane_attempt = run(&self.fleet).attempt;
                self.slot.begin_attempt(self.lane_attempt);
                if run(&self.fleet).worker.is_none() || self.lane_attempt != before {
                    self.told_life = None;
                }
            }
            Move::Heard(telemetry) => {
                let telemetry = (**telemetry).clone();
                self.slot.fold(telemetry.clone(), None, at(self.now));
                let due = self.coalescer.put(telemetry, None, self.now, 250);
                self.say(due);
            }
            Move::Beat(health) => {
                self.life = *health;
                let due = self.coalescer.put(Telemetry::Heartbeat, None, self.now, 250);
                self.say(due);
            }
            Move::Wait(ms) => {
                self.now += ms;
                let due = self.coalescer.take_due(self.now, 250);
                self.say(due);
            }
        }
        self.keep();
    }

    /// Everything has been said.
    fn end(mut self) -> (Vec<Value>, Vec<(usize, StateSnapshot)>) {
        let waits = self.coalescer.flush(self.now);
        self.say(waits);
        self.keep();
        (self.wire, self.snapshots)
    }
}

fn play(opaque: bool, moves: &[Move]) -> (Vec<Value>, Vec<(usize, StateSnapshot)>) {
    // Begin with a worker often: without one there is little to tell.
    let mut daemon = Daemon::new(opaque);
    let road: &[&str] =
        if moves.len().is_multiple_of(4) { &[] } else { &["picked none", "started", "sign of life"] };
    for name in road {
        let all = inputs(Attempt(1), 0);
        let index = all.iter().position(|(n, _)| n == name).unwrap();
        let step = daemon.fleet.step(&run_id(), &all[index].1, at(daemon.now)).unwrap();
        daemon.wire.extend(step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap()));
        daemon.keep();
    }
    for one in moves {
        daemon.go(one);
    }
    daemon.end()
}

/// What does not move is left out of the comparison.
fn as_of(mut snapshot: StateSnapshot, end: &StateSnapshot) -> StateSnapshot {
    snapshot.v1 = end.v1.clone();
    snapshot
}

fn is_fact(event: &Value) -> bool {
    event.get("seq").is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn from_any_cut_on_the_wire_leads_to_the_same_end(opaque in any::<bool>(), moves in moves()) {
        let (wire, snapshots) = play(opaque, &moves);
        let end = &snapshots.last().unwrap().1;
        prop_assert_eq!(end.told.seq, wire.iter().filter(|event| is_fact(event)).count() as u64);
        for (said, snapshot) in &snapshots {
            let mut late = snapshot.clone();
            for event in &wire[*said..] {
                prop_assert_eq!(late.apply(event), Applied::Taken, "{}", event);
            }
            prop_assert_eq!(&as_of(late.clone(), end), end, "cut at {}", said);
            // What was buffered and had come before says nothing new.
            let kept = late.clone();
            for event in &wire {
                prop_assert_eq!(late.apply(event), Applied::Old, "{}", event);
            }
            prop_assert_eq!(&late, &kept);
        }
    }

    #[test]
    fn one_lane_may_arrive_ahead_of_the_other(
        opaque in any::<bool>(), moves in moves(), cut in any::<prop::sample::Index>(), ahead in prop::collection::vec(any::<bool>(), 200)
    ) {
        let (wire, snapshots) = play(opaque, &moves);
        let end = &snapshots.last().unwrap().1;
        let (said, mut late) = snapshots[cut.index(snapshots.len())].clone();
        let (facts, telemetry): (Vec<_>, Vec<_>) = wire[said..].iter().partition(|event| is_fact(event));
        let (mut facts, mut telemetry) = (facts.into_iter(), telemetry.into_iter());
        for fact_first in ahead {
            let next = if fact_first { facts.next() } else { telemetry.next() };
            let _outcome = next.map(|event| late.apply(event));
        }
        for event in facts.chain(telemetry) {
            late.apply(event);
        }
        // The place of telemetry that was dropped because its attempt is over is not taken over.
        late.telemetry = end.telemetry;
        prop_assert_eq!(&as_of(late, end), end);
    }

    #[test]
    fn a_snapshot_survives_its_own_text_and_says_where_the_run_is(opaque in any::<bool>(), moves in moves()) {
        let (_, snapshots) = play(opaque, &moves);
        for (_, snapshot) in snapshots {
            let text = serde_json::to_string(&snapshot).unwrap();
            let read: StateSnapshot = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn the_status_that_is_told_is_the_status_of_the_run(opaque in any::<bool>(), moves in moves()) {
        let mut daemon = Daemon::new(opaque);
        for one in &moves {
            daemon.go(one);
            let run = run(&daemon.fleet);
            prop_assert_eq!(run.told.status, run.status);
            prop_assert_eq!((run.told.seq, run.told.attempt), (run.seq, run.attempt));
            prop_assert_eq!(run.told.pid, run.worker.as_ref().map(|worker| worker.pid));
        }
    }

    #[test]
    fn any_json_is_survived(
        moves in prop::collection::vec((any::<prop::sample::Index>(), json_value()), 1..20), nonsense in json_value()
    ) {
        let (wire, mut snapshots) = play(false, &[]);
        let mut late = snapshots.swap_remove(0).1;
        late.apply(&nonsense);
        // An event with one of its parts replaced.
        for (index, value) in moves {
            for event in &wire {
                let mut event = event.clone();
                let fields: Vec<String> = event.as_object().unwrap().keys().cloned().collect();
                event[index.get(&fields).as_str()] = value.clone();
                late.apply(&event);
                event["seq"] = json!(late.told.seq + 1);
                event["payload"] = json!({"status": value, "error_code": value, "path": value, "action": value});
                late.apply(&event);
            }
        }
        prop_assert!(late.told.message.len() <= 256);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just("status"), Just("worker"), Just("exited"), Just("run-1"), Just("verified")]
            .prop_map(Value::from),
        ".{0,400}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}
