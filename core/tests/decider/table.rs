//! The whole table: every phase × every input, as a golden file that people can read.

use crate::support::*;
use resus_core::ids::Attempt;
use resus_core::phase::Phase;
use resus_core::spec::Contract;
use std::fmt::Write;

/// Inputs that lead from acceptance to each phase.
fn road_to(phase: Phase) -> &'static [&'static str] {
    match phase {
        Phase::Choosing => &[],
        Phase::Spawning => &["picked none"],
        Phase::Starting => &["picked none", "started"],
        Phase::Running => &["picked none", "started", "sign of life"],
        Phase::Pausing => &["picked none", "started", "sign of life", "pause"],
        Phase::Paused => &["picked none", "started", "sign of life", "pause", "said paused"],
        Phase::CoolingDown => &["picked none", "started", "said success"],
        Phase::Asked => &["picked none", "started", "sign of life", "stop"],
        Phase::Terminated => &["picked none", "started", "sign of life", "stop", "ask undelivered"],
        Phase::Killed => &["picked none", "started", "sign of life", "kill"],
        Phase::Waiting => &["picked none", "started", "sign of life", "killed"],
        Phase::Done => &["picked none", "started", "said success", "exit 0"],
        Phase::Failed => &["picked none", "started", "sign of life", "exit 125"],
        Phase::Cancelled => &["stop"],
    }
}

/// Two checkpoints, both whole.
const TWO_SAVED: &[&str] =
    &["picked none", "started", "said saved earlier", "earlier good", "said saved", "checkpoint good"];

const SAVED_AND_FAILED: &[&str] =
    &["picked none", "started", "sign of life", "said saved", "checkpoint good", "exit 125"];

/// States that a phase does not tell apart, and the inputs that lead to them.
const FURTHER: &[(&str, Contract, &[&str])] = &[
    ("Starting, a pause is wanted", Contract::Pulse, &["picked none", "started", "pause"]),
    (
        "Running, told to go on",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "pause", "resume"],
    ),
    (
        "Running, a checkpoint is asked for",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "checkpoint"],
    ),
    ("Running, opaque and silent", Contract::Opaque, &["picked none", "started"]),
    ("Pausing, freezing", Contract::Opaque, &["picked none", "started", "pause"]),
    ("Pausing, releasing", Contract::Pulse, &["picked none", "started", "sign of life", "release"]),
    (
        "Paused, held again",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "pause", "said paused", "said running", "said paused"],
    ),
    (
        "Paused, frozen",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "pause", "hold undelivered", "frozen"],
    ),
    ("Paused, opaque and frozen", Contract::Opaque, &["picked none", "started", "pause", "frozen"]),
    ("Paused, released", Contract::Pulse, &["picked none", "started", "sign of life", "release", "exit 3"]),
    ("Terminated, releasing", Contract::Opaque, &["picked none", "started", "release"]),
    ("Terminated, released and resumed", Contract::Opaque, &["picked none", "started", "release", "resume"]),
    ("Failed, with a checkpoint", Contract::Pulse, SAVED_AND_FAILED),
    (
        "Paused, released with a checkpoint",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "said saved", "checkpoint good", "release", "exit 3"],
    ),
    (
        "Choosing, restoring",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "said saved", "checkpoint good", "exit 125", "restore"],
    ),
    ("Running, with two checkpoints", Contract::Pulse, TWO_SAVED),
    (
        "Running, with one announced",
        Contract::Pulse,
        &["picked none", "started", "sign of life", "said saved"],
    ),
    (
        "Running, with one pinned",
        Contract::Pulse,
        &["picked none", "started", "said saved", "checkpoint good", "pin"],
    ),
    (
        "Choosing, with one checkpoint",
        Contract::Pulse,
        &["picked none", "started", "said saved", "checkpoint good", "killed", "deadline"],
    ),
    (
        "Choosing, with one set aside",
        Contract::Pulse,
        &[
            "picked none",
            "started",
            "said saved earlier",
            "earlier good",
            "said saved",
            "checkpoint good",
            "said nan",
            "exit 1",
            "deadline",
        ],
    ),
    ("Failed, all damaged", Contract::Pulse, &["all damaged"]),
    ("Killed, hung", Contract::Pulse, &["picked none", "started", "sign of life", "no heartbeat"]),
];

#[test]
fn every_phase_answers_every_input_as_the_table_says() {
    let mut table = String::from(
        "# phase <- input: next phase [events] {effects} reason. Written by the test `table`;\n\
         # UPDATE=1 cargo test -p resus-core --test table\n",
    );
    let mut cells = 0;
    let phases = Phase::ALL.map(|phase| (format!("{phase:?}"), Contract::Pulse, road_to(phase)));
    let further = FURTHER.iter().map(|(name, contract, road)| ((*name).to_owned(), *contract, *road));
    for (state, contract, road) in phases.into_iter().chain(further) {
        let (mut fleet, _) = accepted(spec(contract, policy()), at(0));
        // Times are far enough apart for a silence to count.
        for (n, name) in (1_u64..).zip(road) {
            let next = input(name, run(&fleet).attempt, run(&fleet).upto);
            fleet.step(&run_id(), &next, at(n * 100_000)).unwrap();
        }
        let phase = format!("{:?}", run(&fleet).phase);
        assert!(state.starts_with(&phase), "{state}: {phase}");
        writeln!(table, "\n{state}").unwrap();
        // Far enough that any deadline has passed.
        let now = at(10_000_000);
        for (name, input) in all_inputs(run(&fleet).attempt, run(&fleet).upto) {
            let mut fork = fleet.clone();
            let result = fork.step(&run_id(), &input, now);
            writeln!(table, "  {name:<16} -> {}", told(&result, fork.get(&run_id()).unwrap_or(run(&fleet))))
                .unwrap();
            cells += 1;
        }
    }
    println!("{cells} cells");
    golden("table.txt", &table);
}

#[test]
fn facts_of_another_attempt_change_nothing() {
    for phase in Phase::ALL {
        let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
        for name in road_to(phase) {
            let next = input(name, run(&fleet).attempt, run(&fleet).upto);
            fleet.step(&run_id(), &next, at(1_000)).unwrap();
        }
        for stale in [Attempt(0), run(&fleet).attempt.next()] {
            for (name, input) in inputs(stale, 0) {
                let about_attempt = matches!(
                    &input,
                    resus_core::input::Input::Observed { .. }
                        | resus_core::input::Input::DeadlinePassed { .. }
                );
                if !about_attempt || name.starts_with("checkpoint") || name == "pruned" {
                    continue;
                }
                let before = run(&fleet).clone();
                let step = fleet.step(&run_id(), &input, at(1_000_000)).unwrap();
                assert_eq!(run(&fleet), &before, "{phase:?} {name}");
                assert!(step.effects.is_empty(), "{phase:?} {name}");
            }
        }
    }
}
