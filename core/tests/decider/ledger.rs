//! The serialised form of every event is the ledger's format: old ledgers must always load.

use crate::support::*;
use resus_core::event::Record;
use resus_core::phase::Phase;
use resus_core::spec::Contract;
use std::collections::BTreeSet;

/// Histories that between them record every kind of event.
const HISTORIES: &[&[&str]] = &[
    &[
        "picked none",
        "started",
        "sign of life",
        "said saved",
        "checkpoint good",
        "pruned",
        "said stage",
        "killed",
        "deadline",
        "picked older",
        "started",
        "said success",
        "exit 0",
    ],
    &["picked none", "started", "stop", "ask undelivered", "deadline", "deadline", "exit unseen"],
    &["picked none", "started", "rebooted", "exit unseen", "retry"],
    &["picked none", "started", "sign of life", "said oom", "exit 1"],
    &["deadline", "picked none", "started", "taken over", "stop", "ask undelivered", "exit 1"],
];

#[test]
fn every_event_is_written_as_it_always_was() {
    let mut lines = String::new();
    let mut kinds = BTreeSet::new();
    for (n, history) in HISTORIES.iter().enumerate() {
        let contract = if n == 2 { Contract::Opaque } else { Contract::Pulse };
        let (mut fleet, accepted) = accepted(spec(contract, policy()), at(0));
        let mut recorded = accepted.recorded;
        for (second, name) in history.iter().enumerate() {
            let next = input(name, run(&fleet).attempt, run(&fleet).upto);
            let due = run(&fleet).deadline_mono_ms.unwrap_or(0);
            let now = at((1_000 * (second as u64 + 1)).max(if *name == "deadline" { due } else { 0 }));
            recorded.extend(fleet.step(&run_id(), &next, now).unwrap().recorded);
            if n == 2 && *name == "started" {
                let spoke = input("sign of life", run(&fleet).attempt, 0);
                recorded.extend(fleet.step(&run_id(), &spoke, now).unwrap().recorded);
            }
        }
        assert!(
            run(&fleet).phase.is_terminal() || run(&fleet).phase == Phase::Choosing,
            "{:?}",
            run(&fleet).phase
        );
        for recorded in recorded {
            if kinds.insert(recorded.record.event.name()) {
                lines.push_str(&serde_json::to_string(&recorded.record).unwrap());
                lines.push('\n');
            }
        }
    }
    assert_eq!(kinds.len(), 21, "a kind of event is missing: {kinds:?}");
    golden("ledger-v1.jsonl", &lines);
    for line in lines.lines() {
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
}
