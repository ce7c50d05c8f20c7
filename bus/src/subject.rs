//! Every address on the bus. Fixed tokens come before free ones, so that streams over them
//! never overlap; free tokens are slugs or ids and can't contain `.`, `*` or `>`.

use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;

/// `pulse.v2.ledger.<ns>.<workload>.<training_id>.<event_type>` for class A,
/// `pulse.v2.telemetry.…` for class B.
#[must_use]
pub fn event(namespace: &Slug, workload: &Slug, run_id: &RunId, event_type: EventType) -> String {
    let lane = if event_type.is_class_a() { "ledger" } else { "telemetry" };
    format!("pulse.v2.{lane}.{namespace}.{workload}.{run_id}.{}", event_type.as_str())
}

/// `pulse.v1.<ns>.<workload>.<training_id>`: the six-key snapshot.
#[must_use]
pub fn snapshot_v1(namespace: &Slug, workload: &Slug, run_id: &RunId) -> String {
    format!("pulse.v1.{namespace}.{workload}.{run_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lane_follows_from_the_kind_of_event() {
        let slug = |text| Slug::new(text).unwrap();
        let run = RunId::new("r1").unwrap();
        let of = |kind| event(&slug("default"), &slug("othello"), &run, kind);
        assert_eq!(of(EventType::Status), "pulse.v2.ledger.default.othello.r1.status");
        assert_eq!(of(EventType::Progress), "pulse.v2.telemetry.default.othello.r1.progress");
        assert_eq!(snapshot_v1(&slug("default"), &slug("othello"), &run), "pulse.v1.default.othello.r1");
    }
}
