//! What a changed setting does to a worker that is there already.

use crate::support::*;
use resus_core::fleet::Fleet;
use resus_core::phase::Phase;
use resus_core::policy::{Overrides, Policy};
use resus_core::spec::Contract;
use resus_core::watch::limits;

/// A run on whose way these happened, one each second.
fn come(policy: Policy, names: &[&str]) -> Fleet {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy), at(0));
    for (name, second) in names.iter().zip(1..) {
        go(&mut fleet, name, second);
    }
    fleet
}

fn go(fleet: &mut Fleet, name: &str, second: u64) {
    let next = input(name, run(fleet).attempt, run(fleet).upto);
    fleet.step(&run_id(), &next, at(second * 1000)).unwrap();
}

fn configure(fleet: &mut Fleet, changes: Overrides, second: u64) {
    let wish = resus_core::input::Input::Configure { changes, by: "test".into() };
    fleet.step(&run_id(), &wish, at(second * 1000)).unwrap();
}

fn startup(fleet: &mut Fleet, seconds: u64, second: u64) -> Option<u64> {
    let startup_timeout_ms = Some(seconds * 1000);
    configure(fleet, Overrides { startup_timeout_ms, ..Overrides::default() }, second);
    run(fleet).deadline_mono_ms
}

fn heartbeat(fleet: &mut Fleet, seconds: u64) -> Option<u64> {
    let heartbeat_timeout_ms = Some(seconds * 1000);
    configure(fleet, Overrides { heartbeat_timeout_ms, ..Overrides::default() }, 10);
    limits(run(fleet)).heartbeat_ms.map(|ms| ms / 1000)
}

#[test]
fn a_start_without_a_limit_is_never_over_and_another_limit_counts_anew() {
    let mut fleet = come(policy(), &["picked none", "started"]);
    assert_eq!(startup(&mut fleet, 0, 10), None);
    go(&mut fleet, "said loading", 11);
    go(&mut fleet, "deadline", 12);
    assert_eq!((run(&fleet).phase, run(&fleet).deadline_mono_ms), (Phase::Starting, None));
    assert_eq!(startup(&mut fleet, 30, 20), Some(50_000));
    go(&mut fleet, "said loading", 25);
    assert_eq!(run(&fleet).deadline_mono_ms, Some(55_000));
    let retries = Overrides { retries: Some(9), ..Overrides::default() };
    configure(&mut fleet, retries, 26);
    assert_eq!(run(&fleet).deadline_mono_ms, Some(55_000), "what is not named stays");
    go(&mut fleet, "sign of life", 30);
    assert_eq!(startup(&mut fleet, 40, 31), None, "it has started");
}

#[test]
fn a_shorter_limit_on_silence_waits_for_a_worker_that_knows_of_it() {
    let mut fleet = come(policy(), &["picked none", "started", "sign of life"]);
    assert_eq!(heartbeat(&mut fleet, 5), Some(60), "it was told 60 s");
    assert_eq!(heartbeat(&mut fleet, 90), Some(90));
    assert_eq!(heartbeat(&mut fleet, 0), None);
    assert_eq!(heartbeat(&mut fleet, 5), Some(60));
    go(&mut fleet, "no heartbeat", 50);
    assert_eq!(run(&fleet).phase, Phase::Running);
    for (name, second) in
        [("killed", 100), ("deadline", 110), ("picked none", 111), ("started", 112), ("sign of life", 113)]
    {
        go(&mut fleet, name, second);
    }
    assert_eq!(limits(run(&fleet)).heartbeat_ms, Some(5_000), "the next worker was told 5 s");
}

#[test]
fn a_worker_that_was_told_no_limit_beats_every_ten_seconds() {
    let unlimited = Policy { heartbeat_timeout_ms: 0, ..policy() };
    let mut fleet = come(unlimited, &["picked none", "started", "sign of life"]);
    assert_eq!(limits(run(&fleet)).heartbeat_ms, None);
    assert_eq!([5, 25].map(|seconds| heartbeat(&mut fleet, seconds)), [Some(20), Some(25)]);
}

#[test]
fn a_worker_whose_order_may_be_repeated_has_heard_of_the_longer_limit() {
    let mut fleet = come(policy(), &["picked none"]);
    assert_eq!(heartbeat(&mut fleet, 5), None, "nobody is there");
    go(&mut fleet, "started", 11);
    go(&mut fleet, "sign of life", 12);
    assert_eq!(limits(run(&fleet)).heartbeat_ms, Some(60_000));
}

#[test]
fn a_grace_that_was_none_for_a_while_is_divided_as_before() {
    let mut fleet = come(policy(), &["picked none", "started", "sign of life"]);
    let grace = |seconds: u64| Overrides { grace_ms: Some(seconds * 1000), ..Overrides::default() };
    let asked_until = |fleet: &Fleet| {
        let mut fork = fleet.clone();
        go(&mut fork, "stop", 20);
        assert_eq!(run(&fork).phase, Phase::Asked);
        run(&fork).deadline_mono_ms
    };
    configure(&mut fleet, grace(0), 10);
    assert_eq!(asked_until(&fleet), Some(20_000));
    configure(&mut fleet, grace(60), 11);
    assert_eq!(asked_until(&fleet), Some(30_000));
}
