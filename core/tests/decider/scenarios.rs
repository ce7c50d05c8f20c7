//! Scenarios as text: `testdata/scenarios/*.txt` hold timed inputs above `----` and what
//! they lead to below it. Anyone can add one without Rust; `UPDATE=1` writes the lower half.

use crate::support::*;
use resus_core::fleet::Fleet;
use resus_core::policy::{Policy, RetryPolicy};
use resus_core::spec::Contract;
use std::fmt::Write;

/// Plays the upper half: a first line `pulse` or `opaque`, maybe with `, N retries`, then
/// `SECONDS INPUT` lines.
fn play(script: &str) -> String {
    let mut lines = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    let (contract, retries) = first.split_once(", ").unwrap_or((first, "2 retries"));
    let contract = match contract {
        "pulse" => Contract::Pulse,
        "opaque" => Contract::Opaque,
        other => panic!("the first line says pulse or opaque, not {other:?}"),
    };
    let max = retries.strip_suffix(" retries").and_then(|max| max.parse().ok());
    let max = max.unwrap_or_else(|| panic!("how many retries are {retries:?}?"));
    let policy = Policy { retry: RetryPolicy { max, ..policy().retry }, ..policy() };
    let (mut fleet, accepted) = accepted(spec(contract, policy), at(0));
    let mut told = String::new();
    show(&mut told, "0", "submit", &fleet, &Ok(accepted));
    for line in lines {
        let (seconds, name) = line.trim().split_once(' ').unwrap_or_else(|| panic!("no input in {line:?}"));
        let ms = (seconds.parse::<f64>().unwrap() * 1000.0).round() as u64;
        let next = input(name.trim(), run(&fleet).attempt, run(&fleet).upto);
        let result = fleet.step(&run_id(), &next, at(ms));
        show(&mut told, seconds, name.trim(), &fleet, &result);
    }
    told
}

fn show(
    told: &mut String,
    seconds: &str,
    name: &str,
    fleet: &Fleet,
    result: &Result<resus_core::fleet::Step, resus_core::fleet::FleetError>,
) {
    writeln!(told, "{seconds:>6} {name}\n       -> {}", crate::support::told(result, run(fleet))).unwrap();
    for recorded in result.iter().flat_map(|step| &step.recorded) {
        let envelope = &recorded.envelope;
        writeln!(
            told,
            "       {}.{} {} {}",
            envelope.attempt,
            recorded.record.seq,
            envelope.event_type.as_str(),
            envelope.payload
        )
        .unwrap();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the tests of core may read files; core may not")]
fn scenarios_go_as_they_are_written() {
    let folder = format!("{}/testdata/scenarios", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 8, "scenarios are missing: {names:?}");
    for name in names {
        let path = format!("{}/testdata/scenarios/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let script = text.split("----\n").next().unwrap_or_default();
        golden(&format!("scenarios/{name}"), &format!("{script}----\n{}", play(script)));
    }
}
