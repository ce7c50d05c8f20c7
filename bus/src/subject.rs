//! Every address on the bus. Fixed tokens come before free ones, so that streams over them
//! never overlap; free tokens are slugs or ids and can't contain `.`, `*` or `>`, and the longest
//! address stays far below the 4 KiB at which a server hangs up.

use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;

/// The stream that keeps events of the ledger.
pub const LEDGER_STREAM: &str = "PULSE_LEDGER";
/// The stream that keeps the newest telemetry.
pub const TELEMETRY_STREAM: &str = "PULSE_TELEMETRY";
/// The key-value bucket with the present state of every run.
pub const STATE_BUCKET: &str = "pulse_state";
/// Every event of the ledger, for the stream over them.
pub const ALL_LEDGER: &str = "pulse.v2.ledger.>";
/// What happens to machines and is kept with the events of the ledger.
pub const NODE_LEDGER_EVENTS: [&str; 3] = ["joined", "left", "alarm"];
/// All telemetry, for the stream over it.
pub const ALL_TELEMETRY: &str = "pulse.v2.telemetry.>";

/// `pulse.v2.ledger.<ns>.<workload>.<training_id>.<event_type>` for class A,
/// `pulse.v2.telemetry.…` for class B.
#[must_use]
pub fn event(namespace: &Slug, workload: &Slug, run_id: &RunId, event_type: EventType) -> String {
    let lane = if event_type.is_class_a() { "ledger" } else { "telemetry" };
    format!("pulse.v2.{lane}.{namespace}.{workload}.{run_id}.{}", event_type.as_str())
}

/// The run that an address made by [`event`] is about; `None` for every other address.
#[must_use]
pub fn run_of_event(subject: &str) -> Option<RunId> {
    let mut tokens = subject.strip_prefix("pulse.v2.")?.split('.');
    let is_event = matches!(tokens.next()?, "ledger" | "telemetry");
    let (_namespace, _workload, run_id, _event_type) =
        (tokens.next()?, tokens.next()?, tokens.next()?, tokens.next()?);
    if is_event && tokens.next().is_none() { RunId::new(run_id).ok() } else { None }
}

/// Every event of one run, of both lanes.
#[must_use]
pub fn all_of_run(namespace: &Slug, run_id: &RunId) -> String {
    format!("pulse.v2.*.{namespace}.*.{run_id}.>")
}

/// Every event of every run of a namespace, of both lanes.
#[must_use]
pub fn all_of_namespace(namespace: &Slug) -> [String; 2] {
    [format!("pulse.v2.ledger.{namespace}.>"), format!("pulse.v2.telemetry.{namespace}.>")]
}

/// `pulse.v1.<ns>.<workload>.<training_id>`: the six-key snapshot.
#[must_use]
pub fn snapshot_v1(namespace: &Slug, workload: &Slug, run_id: &RunId) -> String {
    format!("pulse.v1.{namespace}.{workload}.{run_id}")
}

/// `<ns>.<workload>.<training_id>`: a run's key in the bucket [`STATE_BUCKET`].
#[must_use]
pub fn state_key(namespace: &Slug, workload: &Slug, run_id: &RunId) -> String {
    format!("{namespace}.{workload}.{run_id}")
}

/// The address under which the server keeps a key of the bucket [`STATE_BUCKET`].
#[must_use]
pub fn state(namespace: &Slug, workload: &Slug, run_id: &RunId) -> String {
    format!("$KV.{STATE_BUCKET}.{}", state_key(namespace, workload, run_id))
}

/// `$KV.pulse_state.<ns>.*.<training_id>`: the address of a run's key, whatever its workload.
#[must_use]
pub fn state_of_run(namespace: &Slug, run_id: &RunId) -> String {
    format!("$KV.{STATE_BUCKET}.{namespace}.*.{run_id}")
}

/// Where the server is asked for a key of the bucket [`STATE_BUCKET`] by its address.
pub const STATE_LOOKUP: &str = "$JS.API.DIRECT.GET.KV_pulse_state";

/// `pulse.v2.node.<ns>.<node>.<what>`: what happens to a machine.
#[must_use]
pub fn node(namespace: &Slug, node: &Slug, what: &str) -> String {
    format!("pulse.v2.node.{namespace}.{node}.{what}")
}

/// `pulse.v2.node.*.*.<what>`: the same of every machine.
#[must_use]
pub fn every_node(what: &str) -> String {
    format!("pulse.v2.node.*.*.{what}")
}

/// `pulse.v2.ctl.<ns>.<node|any>`: below it lie the endpoints of a daemon; `None` = whichever.
#[must_use]
pub fn control(namespace: &Slug, node: Option<&Slug>) -> String {
    format!("pulse.v2.ctl.{namespace}.{}", node.map_or("any", Slug::as_str))
}

/// Everything of ours but what lies under the server's own names.
pub const ALL: &str = "pulse.>";
/// All commands and questions, of every namespace.
pub const ALL_CONTROL: &str = "pulse.v2.ctl.>";

/// `pulse.v1.<ns>.>`: every six-key snapshot of a namespace.
#[must_use]
pub fn all_snapshots_v1(namespace: &Slug) -> String {
    format!("pulse.v1.{namespace}.>")
}

/// `pulse.v2.node.<ns>.<node>.>`: all that happens to a machine; `None` = to each.
#[must_use]
pub fn all_of_node(namespace: &Slug, node: Option<&Slug>) -> String {
    format!("pulse.v2.node.{namespace}.{}.>", node.map_or("*", Slug::as_str))
}

/// `pulse.v2.ctl.<ns>.*.<verb>`: one verb of whichever machine; `>` = all verbs.
#[must_use]
pub fn control_of_every_node(namespace: &Slug, verb: &str) -> String {
    format!("pulse.v2.ctl.{namespace}.*.{verb}")
}

/// `$KV.pulse_state.<ns>.>`: where the server keeps the states of a namespace.
#[must_use]
pub fn all_states(namespace: &Slug) -> String {
    format!("$KV.{STATE_BUCKET}.{namespace}.>")
}

/// Whether an answer may be sent there. Servers do not check where somebody wants an answer to
/// go: whoever may ask, but not publish, could have us publish for them. So no answer goes to
/// an address of ours, or to one that a server has a meaning for.
#[must_use]
pub fn may_be_answered(reply: &str) -> bool {
    !reply.is_empty() && !reply.starts_with('$') && !reply.starts_with("pulse.")
}

/// `pulse.v2.ctl.<ns>.<node>.<verb>`: one endpoint of a daemon.
#[must_use]
pub fn control_verb(namespace: &Slug, node: &Slug, verb: &str) -> String {
    format!("{}.{verb}", control(namespace, Some(node)))
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
        assert_eq!(run_of_event(&of(EventType::Status)), Some(run.clone()));
        assert_eq!(run_of_event(&of(EventType::Progress)), Some(run.clone()));
        for other in [
            snapshot_v1(&slug("ledger"), &slug("othello"), &run),
            node(&slug("default"), &slug("n1"), "joined"),
            format!("{}.more", of(EventType::Status)),
        ] {
            assert_eq!(run_of_event(&other), None, "{other}");
        }
        assert_eq!(snapshot_v1(&slug("default"), &slug("othello"), &run), "pulse.v1.default.othello.r1");
        assert_eq!(state(&slug("a"), &slug("b"), &run), "$KV.pulse_state.a.b.r1");
        assert_eq!(control(&slug("a"), None), "pulse.v2.ctl.a.any");
        assert_eq!(control_verb(&slug("a"), &slug("n1"), "stop"), "pulse.v2.ctl.a.n1.stop");
        assert_eq!(state_of_run(&slug("a"), &run), "$KV.pulse_state.a.*.r1");
        assert!(STATE_LOOKUP.ends_with(STATE_BUCKET));
    }

    #[test]
    fn answers_go_to_inboxes_only() {
        let run = RunId::new("r1").unwrap();
        let slug = Slug::new("a").unwrap();
        assert!(may_be_answered("_INBOX.x.y") && may_be_answered("my.own.inbox"));
        let event = event(&slug, &slug, &run, EventType::Status);
        for bad in ["", event.as_str(), &control(&slug, None), &state(&slug, &slug, &run), "$JS.ACK.x"] {
            assert!(!may_be_answered(bad), "{bad}");
        }
    }
}
