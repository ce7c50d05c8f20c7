//! Properties that hold for every history, checked on random ones.

use crate::reach::check_step;
use crate::support::*;
use proptest::prelude::*;
use resus_core::api::Foretold;
use resus_core::codes::Code;
use resus_core::event::{Event, StopCause, Why};
use resus_core::fleet::{Fleet, Recorded};
use resus_core::ids::{Attempt, Slug};
use resus_core::input::{Exit, Fact, Input, Reached, Verb};
use resus_core::phase::Phase;
use resus_core::policy::{Policy, RetryPolicy};
use resus_core::pulse::v2::Status;
use resus_core::pulse::word::{Word, WorkerError};
use resus_core::spec::Contract;
use std::collections::BTreeMap;

/// One random move: which input, how far the clock goes, whether the attempt is the right one.
type Move = (prop::sample::Index, u32, bool);

fn history() -> impl Strategy<Value = (bool, Vec<Move>)> {
    let one = (
        any::<prop::sample::Index>(),
        prop_oneof![Just(0), 1..2_000u32, Just(120_000)],
        prop::bool::weighted(0.95),
    );
    (any::<bool>(), prop::collection::vec(one, 1..120))
}

struct Played {
    fleet: Fleet,
    records: Vec<Recorded>,
    grace_moved: bool,
    spent_by_user: bool,
}

fn play(opaque: bool, moves: &[Move], policy: Policy) -> Played {
    let contract = if opaque { Contract::Opaque } else { Contract::Pulse };
    let (mut fleet, step) = accepted(spec(contract, policy), at(0));
    let mut played =
        Played { records: step.recorded, grace_moved: false, spent_by_user: false, fleet: fleet.clone() };
    let mut now = 0;
    for (index, wait, current) in moves {
        now += u64::from(*wait);
        let before = run(&fleet).clone();
        let attempt = if *current { before.attempt } else { Attempt(before.attempt.0.saturating_sub(1)) };
        let all = all_inputs(attempt, before.upto);
        let (_, input) = &all[index.index(all.len())];
        if let Input::Remove { .. } = input {
            check_removal(&fleet, &played.records, input, now);
            continue;
        }
        let Ok(step) = fleet.step(&run_id(), input, at(now)) else { continue };
        let after = run(&fleet);
        check_step(&before, &step, after);
        if let (Some(old), Some(new)) = (&before.stop, &after.stop) {
            played.grace_moved |= new.grace_ends_mono_ms > old.grace_ends_mono_ms;
        }
        if matches!(input, Input::Command { verb: Verb::Retry, .. }) {
            played.spent_by_user |= after.retry.spent_mono_ms.len() > before.retry.spent_mono_ms.len();
        }
        played.records.extend(step.recorded);
    }
    played.fleet = fleet;
    played
}

/// The ledger of a run that is removed now replays into a fleet without it, which knows its id.
fn check_removal(fleet: &Fleet, records: &[Recorded], input: &Input, now: u64) {
    let mut fork = fleet.clone();
    let Ok(step) = fork.step(&run_id(), input, at(now)) else { return };
    let mut replayed = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
    for recorded in records.iter().chain(&step.recorded) {
        replayed.replay(&recorded.record);
    }
    assert!(replayed.get(&run_id()).is_none() && replayed.quarantined().count() == 0);
    assert!(replayed.removed().eq(fork.removed()), "{:?}", fork.removed().collect::<Vec<_>>());
    replayed.replay(&records[0].record);
    assert!(replayed.get(&run_id()).is_none(), "a removed run is never resurrected");
}

/// The status machine of PULSE: idle → preparing → running → cooling_down → end; from any
/// living status to error or cancelled; back to preparing only for another attempt.
fn may_follow(before: Status, after: Status, same_attempt: bool) -> bool {
    if before == after {
        return !before.is_terminal() || same_attempt;
    }
    match (before, after) {
        (Status::Done | Status::Error | Status::Cancelled, Status::Preparing) => !same_attempt,
        (Status::Done | Status::Error | Status::Cancelled, _) => false,
        (Status::Idle, Status::Preparing) => true,
        // A run can be paused before its worker is ready.
        (Status::Preparing | Status::Running, Status::Paused) => true,
        (Status::Paused, Status::Running | Status::Preparing | Status::CoolingDown) => true,
        (Status::Preparing, Status::Running) => true,
        (Status::Running | Status::CoolingDown, Status::Preparing) => true,
        (Status::Running, Status::CoolingDown) => true,
        (_, Status::Done) => {
            matches!(before, Status::Preparing | Status::Running | Status::Paused | Status::CoolingDown)
        }
        (_, Status::Error | Status::Cancelled) => true,
        (_, _) => false,
    }
}

/// What every command would do, asked of a fleet that is not changed by it, is what it then does.
fn check_foretold(fleet: &Fleet, now: u64) {
    let before = format!("{fleet:?}");
    let current = run(fleet);
    for (name, input) in inputs(current.attempt, current.upto) {
        let considered = fleet.consider(&run_id(), &input, at(now));
        assert_eq!(format!("{fleet:?}"), before, "{name}: asking changes nothing");
        let mut really = fleet.clone();
        let stepped = really.step(&run_id(), &input, at(now));
        match (considered, stepped) {
            (Ok((foretold, after)), Ok(step)) => {
                assert_eq!(foretold, step, "{name}");
                assert_eq!(&after, run(&really), "{name}");
                let Ok(told) = Foretold::of(current, &foretold) else { panic!("{name}: it does not fit") };
                assert_eq!(told.events.len(), step.recorded.len(), "{name}");
                assert_eq!(told.phase, after.phase.as_str(), "{name}");
            }
            (Err(foretold), Err(refused)) => assert_eq!(foretold, refused, "{name}"),
            (foretold, step) => panic!("{name}: {foretold:?} and then {step:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_a_command_would_do_is_what_it_does((opaque, moves) in history()) {
        let played = play(opaque, &moves, policy());
        check_foretold(&played.fleet, 500_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules((opaque, moves) in history()) {
        let policy = Policy { retry: RetryPolicy { window_ms: 300_000, ..policy().retry }, ..policy() };
        let played = play(opaque, &moves, policy.clone());

        // The state is the fold of the ledger and nothing else.
        let mut replayed = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
        for recorded in &played.records {
            replayed.replay(&recorded.record);
        }
        prop_assert_eq!(replayed.quarantined().count(), 0);
        prop_assert_eq!(run(&replayed), run(&played.fleet));

        // Sequence numbers are contiguous from 1 on the ledger and on the wire.
        for (n, recorded) in played.records.iter().enumerate() {
            prop_assert_eq!(recorded.record.seq, n as u64 + 1);
            let id = format!("run-1.{}.{}", recorded.record.attempt, n + 1);
            prop_assert_eq!(recorded.envelope.event_id(), Some(id));
            prop_assert!(recorded.envelope.event_type.is_class_a());
        }

        // One terminal event per attempt, and only legal changes of status.
        let mut ended: BTreeMap<Attempt, u32> = BTreeMap::new();
        let mut last = (Status::Idle, Attempt(0));
        for recorded in &played.records {
            if let Event::Ended { .. } = recorded.record.event {
                *ended.entry(recorded.record.attempt).or_default() += 1;
            }
            if let Some(word) = recorded.envelope.payload.get("status").filter(|_| recorded.envelope.event_type.as_str() == "status") {
                let status: Status = serde_json::from_value(word.clone()).unwrap();
                let same = recorded.record.attempt == last.1;
                prop_assert!(may_follow(last.0, status, same), "{} -> {}", last.0, status);
                last = (status, recorded.record.attempt);
            }
        }
        prop_assert!(ended.values().all(|n| *n == 1), "{:?}", ended);

        // Nothing is retried, begun or found hung while a pause is wanted.
        let mut pause_wanted = false;
        for recorded in &played.records {
            match &recorded.record.event {
                Event::PauseBegun { .. } => pause_wanted = true,
                Event::Resumed { .. } | Event::CoolingBegun | Event::Ended { .. } => pause_wanted = false,
                Event::StopBegun { cause: StopCause::User, .. } => pause_wanted = false,
                Event::AttemptBegun { .. } | Event::RetryScheduled { .. } | Event::Hung { .. } => {
                    prop_assert!(!pause_wanted, "{:?}", recorded.record);
                }
                _ => {}
            }
        }

        // What a user chose to go on from is gone on from, or the run ends: never from another one.
        let mut chosen: Option<&str> = None;
        for recorded in &played.records {
            match &recorded.record.event {
                Event::AttemptBegun { restore: Some(checkpoint), .. } => chosen = Some(&checkpoint.path),
                // A later wish of theirs.
                Event::AttemptBegun { anew: true, .. } => chosen = None,
                Event::SpawnOrdered { from, .. } => {
                    let from = from.as_ref().map(|checkpoint| checkpoint.path.as_str());
                    prop_assert!(chosen.is_none() || chosen == from, "{:?}", recorded.record);
                    chosen = None;
                }
                Event::Ended { .. } => chosen = None,
                _ => {}
            }
        }

        // Taking over twice asks for the same as once.
        let mut fleet = played.fleet.clone();
        let taken_over = Input::TakenOver { boot_id: run(&fleet).boot_id.clone() };
        let once = fleet.step(&run_id(), &taken_over, at(100_000_000)).unwrap();
        let twice = fleet.step(&run_id(), &taken_over, at(100_000_000)).unwrap();
        prop_assert_eq!(once.effects, twice.effects);

        // In any window, no more retries count than the budget allows. A user's own retry and
        // healthy progress open a fresh budget; a reboot counts what was spent as spent now.
        let window_ms = policy.retry.window_ms;
        let mut spent: Vec<u64> = Vec::new();
        for recorded in &played.records {
            let now = recorded.record.at.mono_ms;
            match &recorded.record.event {
                Event::AttemptBegun { requested_by: Some(_), .. } => spent.clear(),
                Event::Failed(failure) if failure.was_healthy => spent.clear(),
                Event::RetryScheduled { counted: true, .. } => {
                    spent.retain(|at| *at >= now.saturating_sub(window_ms));
                    spent.push(now);
                    prop_assert!(spent.len() <= policy.retry.max as usize, "{:?}", spent);
                }
                Event::Rebooted { .. } => spent.iter_mut().for_each(|at| *at = now),
                _ => {}
            }
        }

        prop_assert!(!played.grace_moved, "a second stop moved the grace");
        prop_assert!(!played.spent_by_user, "a user's retry burnt budget");
    }
}

#[test]
fn a_second_stop_leaves_deadline_and_events_as_they_are() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    for name in ["picked none", "started", "sign of life", "stop"] {
        let next = input(name, run(&fleet).attempt, 0);
        fleet.step(&run_id(), &next, at(10)).unwrap();
    }
    let before = run(&fleet).clone();
    for later in [20, 5_000, 9_999] {
        let step = fleet.step(&run_id(), &command(Verb::Stop), at(later)).unwrap();
        assert!(step.recorded.is_empty() && step.effects.is_empty());
    }
    assert_eq!(run(&fleet), &before);
}

#[test]
fn the_same_command_twice_creates_one_run() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    let command = resus_core::ids::CommandId::new("cmd-1").unwrap();
    let other = resus_core::ids::RunId::new("run-2").unwrap();
    let (id, step) = fleet.submit(other, spec(Contract::Pulse, policy()), Some(command), at(5)).unwrap();
    assert_eq!((id, step.recorded.len(), fleet.runs().count()), (run_id(), 0, 1));
}

#[test]
fn a_record_that_does_not_fit_quarantines_its_run_alone() {
    let (mut fleet, step) = accepted(spec(Contract::Pulse, policy()), at(0));
    let other = resus_core::ids::RunId::new("run-2").unwrap();
    let (_, second) = fleet.submit(other.clone(), spec(Contract::Pulse, policy()), None, at(5)).unwrap();
    let mut replayed = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
    replayed.replay(&step.recorded[0].record);
    let mut torn = step.recorded[1].record.clone();
    torn.seq = 7;
    replayed.replay(&torn);
    for recorded in &second.recorded {
        replayed.replay(&recorded.record);
    }
    assert_eq!(replayed.quarantined().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [run_id()]);
    assert_eq!(replayed.get(&other).map(|r| r.phase), Some(Phase::Choosing));
    assert!(replayed.step(&run_id(), &command(Verb::Stop), at(9)).is_err());
}

/// A worker at `unit` that reports `count` skipped samples at once.
fn skipped(run: &resus_core::run::Run, unit: f64, count: u32) -> Input {
    let word = Word::Error(WorkerError {
        error_code: Code::new("APP_BAD_SAMPLE"),
        message: "not a number".into(),
        is_retryable: None,
        fatal: false,
        target: None,
        count,
        details: None,
    });
    let said = Fact::Said { word, said_unix_ms: None, at_units: Some(unit), upto: run.upto + 1 };
    Input::Observed { attempt: run.attempt, fact: said }
}

#[test]
fn exactly_the_allowed_share_goes_on_over_a_crash_and_one_more_pauses() {
    let (mut fleet, step) = accepted(spec(Contract::Pulse, policy()), at(0));
    let mut records = step.recorded;
    let mut tell = |fleet: &mut Fleet, input: &Input, ms: u64| {
        let step = fleet.step(&run_id(), input, at(ms)).unwrap();
        records.extend(step.recorded);
        step.why
    };
    let road = ["picked none", "started", "sign of life"];
    for name in road {
        let next = input(name, run(&fleet).attempt, 0);
        tell(&mut fleet, &next, 1_000);
    }
    let few = skipped(run(&fleet), 500.0, 6);
    assert_eq!(tell(&mut fleet, &few, 2_000), Why::WorkerSaid);
    let (exit, reached) = (Exit::by_signal(9), Some(Reached { done: 1_300.0, total: None }));
    let killed = Input::Observed { attempt: Attempt(1), fact: Fact::Exited { exit, reached } };
    assert_eq!(tell(&mut fleet, &killed, 3_000), Why::FailureRetried);
    assert_eq!(tell(&mut fleet, &Input::DeadlinePassed { attempt: Attempt(1) }, 9_000), Why::BackoffOver);
    for name in road {
        let next = input(name, run(&fleet).attempt, 0);
        tell(&mut fleet, &next, 10_000);
    }
    // 1,300 units by the first attempt and 200 by the second, which began at the beginning.
    let at_limit = skipped(run(&fleet), 200.0, 9);
    assert_eq!(tell(&mut fleet, &at_limit, 11_000), Why::WorkerSaid, "15 of 1,500");
    let one_more = skipped(run(&fleet), 200.0, 1);
    assert_eq!(tell(&mut fleet, &one_more, 11_000), Why::ErrorRateExceeded);
    assert_eq!((run(&fleet).phase, run(&fleet).errors.attempted()), (Phase::Pausing, 1_500.0));
    let mut replayed = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
    for recorded in &records {
        let line = serde_json::to_string(&recorded.record).unwrap();
        replayed.replay(&serde_json::from_str(&line).unwrap());
    }
    assert_eq!(run(&replayed), run(&fleet), "the window is a fold of the ledger");
    fleet.step(&run_id(), &command(Verb::Resume), at(12_000)).unwrap();
    assert_eq!((run(&fleet).errors.failed(), run(&fleet).errors.attempted()), (0, 0.0));
}

#[test]
fn a_resume_after_the_users_own_pause_forgets_no_failure_and_a_retry_by_the_user_does() {
    let (mut fleet, _) = accepted(spec(Contract::Pulse, policy()), at(0));
    let mut go = |names: &[&str]| {
        for name in names {
            let next = input(name, run(&fleet).attempt, run(&fleet).upto);
            fleet.step(&run_id(), &next, at(1_000)).unwrap();
        }
        run(&fleet).errors.failed()
    };
    let failed = go(&[
        "picked none",
        "started",
        "sign of life",
        "said oom-survived",
        "pause",
        "said paused",
        "resume",
    ]);
    assert_eq!(failed, 1);
    assert_eq!(go(&["killed", "retry"]), 0);
}
