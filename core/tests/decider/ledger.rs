//! The serialised form of every event is the ledger's format: old ledgers must always load.

use crate::support::*;
use resus_core::apply;
use resus_core::event::{Event, Record};
use resus_core::explain;
use resus_core::fleet::Recorded;
use resus_core::phase::Phase;
use resus_core::policy::ErrorPolicy;
use resus_core::run::Run;
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
    &[
        "picked none",
        "started",
        "sign of life",
        "pause",
        "said paused",
        "said running",
        "said paused",
        "resume",
        "checkpoint",
        "checkpoint undelivered",
        "no heartbeat",
        "killed",
        "deadline",
    ],
    &["picked none", "started", "sign of life", "said errors", "said paused", "release", "exit 3", "resume"],
    &[
        "picked none",
        "started",
        "sign of life",
        "configure",
        "said saved",
        "checkpoint good",
        "exit 125",
        "restore",
        "restored",
        "stop",
        "never spawned",
        "restore",
        "restore torn",
        "drop output",
        "remove",
    ],
    &[
        "picked none",
        "started",
        "said saved earlier",
        "earlier good",
        "said saved",
        "checkpoint good",
        "pin",
        "unpin",
        "checkpoint bad",
        "said saved",
        "checkpoint good",
        "said nan",
        "exit 1",
        "deadline",
        "picked poisoned",
        "picks 3",
        "started",
        "killed",
        "restore none",
        "started",
        "exit 125",
    ],
    &[
        "picked none",
        "started",
        "said saved",
        "checkpoint good",
        "killed",
        "deadline",
        "picked newest",
        "started",
        "killed",
        "deadline",
        "picked newest",
        "started",
        "killed",
        "retry",
        "all damaged",
    ],
];

/// Every record of a history, with the run after it.
fn told(n: usize, history: &[&str]) -> Vec<(Record, Run)> {
    let contract = if n == 2 { Contract::Opaque } else { Contract::Pulse };
    let (mut fleet, accepted) = accepted(spec(contract, policy()), at(0));
    let mut recorded = accepted.recorded;
    for (second, name) in history.iter().enumerate() {
        let next = input(name, run(&fleet).attempt, run(&fleet).upto);
        let due = match *name {
            "deadline" => run(&fleet).deadline_mono_ms.unwrap_or(0),
            "no heartbeat" => run(&fleet).phase_since.mono_ms + 100_000,
            _ => 0,
        };
        let now = at((1_000 * (second as u64 + 1)).max(due));
        let step = fleet.step(&run_id(), &next, now).unwrap();
        recorded.extend(step.recorded);
        if step.removed.is_some() {
            assert_eq!(second + 1, history.len(), "nothing follows");
            return told_of(recorded);
        }
        if n == 2 && *name == "started" {
            let spoke = input("sign of life", run(&fleet).attempt, 0);
            recorded.extend(fleet.step(&run_id(), &spoke, now).unwrap().recorded);
        }
    }
    let end = run(&fleet).phase;
    assert!(end.is_terminal() || end == Phase::Choosing, "{end:?}");
    told_of(recorded)
}

fn told_of(recorded: Vec<Recorded>) -> Vec<(Record, Run)> {
    let mut so_far: Option<Run> = None;
    let fold = |record: Record| {
        let after = match so_far.take() {
            None => apply::begin(&record).unwrap(),
            Some(mut before) => apply::apply(&mut before, &record).map(|()| before).unwrap(),
        };
        so_far = Some(after.clone());
        (record, after)
    };
    recorded.into_iter().map(|recorded| recorded.record).map(fold).collect()
}

fn all_told() -> Vec<(Record, Run)> {
    HISTORIES.iter().enumerate().flat_map(|(n, history)| told(n, history)).collect()
}

#[test]
fn every_event_is_written_as_it_always_was() {
    let mut lines = String::new();
    let mut kinds = BTreeSet::new();
    for (record, _) in all_told() {
        if kinds.insert(record.event.name()) {
            lines.push_str(&serde_json::to_string(&record).unwrap());
            lines.push('\n');
        }
    }
    assert_eq!(kinds.len(), 35, "a kind of event is missing: {kinds:?}");
    golden("ledger-v1.jsonl", &lines);
    for line in lines.lines() {
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
}

/// Rows as version 0.1.0 wrote them, before runs could be paused.
#[test]
fn rows_of_the_first_version_still_load() {
    let rows = include_str!("../../testdata/ledger-v1.0.jsonl");
    let mut kinds = BTreeSet::new();
    for row in rows.lines() {
        let record: Record = serde_json::from_str(row).unwrap();
        kinds.insert(record.event.name());
        match &record.event {
            // A run that was accepted before gets the limits of today.
            Event::Accepted { spec, .. } => assert_eq!(spec.policy.errors, ErrorPolicy::default()),
            Event::Said { at_units, .. } => assert_eq!(*at_units, None),
            _ => assert_eq!(serde_json::to_string(&record).unwrap(), row),
        }
    }
    assert_eq!(kinds.len(), 21, "{kinds:?}");
}

#[test]
fn every_event_is_explained_in_one_sentence() {
    let mut lines = String::new();
    let mut kinds = BTreeSet::new();
    for (record, after) in all_told() {
        let sentence = explain::sentence(&record, &after);
        assert!(!sentence.is_empty() && !sentence.contains('\n') && !sentence.ends_with('.'), "{sentence:?}");
        kinds.insert(record.event.name());
        let line = format!("{:<22} {sentence}\n", record.event.name());
        if !lines.contains(&line) {
            lines.push_str(&line);
        }
    }
    assert_eq!(kinds.len(), 35, "a kind of event is missing: {kinds:?}");
    golden("explain.txt", &lines);
}
