//! What goes through the server, by kind.

use serde_json::{Map, Value, json};

use super::place::{all_events, all_snapshots, all_states};
use super::wire::Heard;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// Messages within a time.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// Events of class A.
    pub ledger: u64,
    /// Telemetry.
    pub telemetry: u64,
    /// States of runs.
    pub states: u64,
    /// Snapshots for those who hear v1 only.
    pub snapshots: u64,
    /// Anything else, e.g. the machine's sign of life.
    pub other: u64,
    /// The most within one second, without events of class A.
    pub busiest_second: u64,
}

impl Traffic {
    /// Counts what came from one moment up to another.
    pub fn of(heard: &[Heard], from_ns: u64, to_ns: u64) -> Self {
        let [ledger, telemetry] = all_events();
        let (states, snapshots) = (all_states(), all_snapshots());
        let mut traffic = Self::default();
        let mut seconds = vec![0_u64; (to_ns.saturating_sub(from_ns).div_ceil(SECOND_NS)) as usize];
        for Heard { at_ns, subject, .. } in heard.iter().filter(|h| (from_ns..to_ns).contains(&h.at_ns)) {
            let is_of = |all: &String| all.strip_suffix('>').is_some_and(|start| subject.starts_with(start));
            if is_of(&ledger) {
                traffic.ledger += 1;
                continue;
            }
            let kind = if is_of(&telemetry) {
                &mut traffic.telemetry
            } else if is_of(&states) {
                &mut traffic.states
            } else if is_of(&snapshots) {
                &mut traffic.snapshots
            } else {
                &mut traffic.other
            };
            *kind += 1;
            if let Some(second) = seconds.get_mut(((at_ns - from_ns) / SECOND_NS) as usize) {
                *second += 1;
            }
        }
        traffic.busiest_second = seconds.into_iter().max().unwrap_or(0);
        traffic
    }

    /// Adds its figures to a result.
    pub fn tell(&self, per_s: impl Fn(u64) -> f64, result: &mut Map<String, Value>) {
        let besides_ledger = self.telemetry + self.states + self.snapshots + self.other;
        let figures = [
            ("messages_per_s", per_s(besides_ledger)),
            ("telemetry_per_s", per_s(self.telemetry)),
            ("states_per_s", per_s(self.states)),
            ("snapshots_per_s", per_s(self.snapshots)),
            ("other_per_s", per_s(self.other)),
            ("class_a_per_s", per_s(self.ledger)),
        ];
        result.extend(figures.map(|(name, figure)| (name.to_owned(), json!(figure))));
        result.insert("messages_in_busiest_second".to_owned(), json!(self.busiest_second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_those_of_class_a_are_no_load() {
        let [ledger, telemetry] = all_events();
        let at = |at_ns, all: &str| Heard { at_ns, subject: all.replace('>', "a.b.c"), body: Vec::new() };
        let heard = [
            at(SECOND_NS - 1, &telemetry),
            at(SECOND_NS, &telemetry),
            at(SECOND_NS, &ledger),
            at(SECOND_NS + 1, &all_states()),
            at(2 * SECOND_NS - 1, &all_snapshots()),
            at(2 * SECOND_NS, &telemetry),
            at(3 * SECOND_NS - 1, "something.else"),
            at(3 * SECOND_NS, &telemetry),
        ];
        let traffic = Traffic::of(&heard, SECOND_NS, 3 * SECOND_NS);
        let expected =
            Traffic { ledger: 1, telemetry: 2, states: 1, snapshots: 1, other: 1, busiest_second: 3 };
        assert_eq!(traffic, expected);
        let mut result = Map::new();
        traffic.tell(|count| count as f64 / 2.0, &mut result);
        assert_eq!((&result["messages_per_s"], &result["class_a_per_s"]), (&json!(2.5), &json!(0.5)));
    }
}
