//! Attempts between two shims, and between an order and its worker.

use super::*;

/// A machine whose start of attempt 5 waits for the run's lock.
fn waiting(settled: Settled) -> Machine {
    let mut machine = machine(settled);
    assert_eq!(machine.on_request(A, spawn(5), 0), [Action::TrySpawn]);
    assert_eq!(machine.on_lock_held(0), [Action::KillStrays]);
    machine
}

#[test]
fn a_watched_worker_is_acted_on_like_a_running_one() {
    let lost = || machine(Settled::Lost(lost(5)));
    let control = Request::Control { attempt: 5, line: "{}".into() };
    assert!(matches!(lost().on_request(A, control, 0)[..], [Action::Deliver { attempt: 5, .. }]));
    let signal = SignalName::Kill;
    let expected = [Action::Signal { client: A, attempt: 5, signal }];
    assert_eq!(lost().on_request(A, Request::Signal { attempt: 5, signal }, 0), expected);
    let expected = [Action::KillTree, done(A, "kill_tree", Some(5), None)];
    assert_eq!(lost().on_request(A, Request::KillTree { attempt: 5 }, 0), expected);
    let expected = [Action::Freeze { client: A, attempt: 5 }];
    assert_eq!(lost().on_request(A, Request::Freeze { attempt: 5 }, 0), expected);
}

#[test]
fn a_lost_worker_that_nobody_holds_is_spoken_to_but_not_signalled() {
    let mut machine = machine(Settled::Lost(Lost { watched: false, ..lost(5) }));
    let control = Request::Control { attempt: 5, line: "{}".into() };
    assert!(matches!(machine.on_request(A, control, 0)[..], [Action::Deliver { attempt: 5, .. }]));
    let signal = Request::Signal { attempt: 5, signal: SignalName::Kill };
    let actions = machine.on_request(A, signal, 0);
    assert_eq!(refused(&actions[0]), (A, "signal", Some(5), RefusalCode::NotRunning));
}

#[test]
fn the_end_of_a_watched_worker_is_told_and_disturbs_no_start_that_waits_for_it() {
    let mut machine = waiting(Settled::Lost(lost(4)));
    assert_eq!(machine.on_lost_ended(exited(4), 10), [Action::Send(A, Reply::Exited(exited(4)))]);
    assert_eq!(machine.order().map(|order| order.attempt), Some(5));
    assert_eq!(greet(&mut machine, B), State::Exited(exited(4)));
}

#[test]
fn a_shim_with_a_watched_worker_stays_and_leaves_after_it() {
    let mut machine = Machine::new(about(), Settled::Lost(lost(5)), true, 0);
    assert_eq!(machine.next_deadline(), None, "it is not idle");
    greet(&mut machine, A);
    let actions = machine.on_request(A, Request::Quit, 0);
    assert_eq!(refused(&actions[0]), (A, "quit", None, RefusalCode::Busy));

    machine.lost_mut().unwrap().alive = false;
    assert_eq!(machine.on_request(A, Request::Quit, 0), [done(A, "quit", None, None)]);
    assert_eq!(machine.on_tick(0), [], "its end is not on record");
    machine.on_lost_ended(exited(5), 0);
    assert_eq!(machine.on_tick(0), [Action::Leave]);
}

#[test]
fn a_start_that_waits_is_visible_and_whoever_saw_it_hears_how_it_goes_on() {
    let mut machine = waiting(Settled::Exited(exited(4)));
    let seen = hello(&mut machine, B);
    assert_eq!((seen.state, seen.starting), (State::Exited(exited(4)), Some(5)));
    let failed = Refused::new("spawn", Some(5), RefusalCode::Locked, "held");
    let told = machine.on_spawn_failed(&failed, 0);
    assert_eq!(told, [A, B].map(|client| Action::Send(client, Reply::Refused(failed.clone()))));
    assert_eq!(hello(&mut machine, B).starting, None);
}

#[test]
fn whoever_wants_no_worker_drops_a_start_that_waits() {
    let signals = [SignalName::Term, SignalName::Kill, SignalName::Int, SignalName::Quit];
    let requests = signals.map(|signal| Request::Signal { attempt: 5, signal });
    for request in requests.into_iter().chain([Request::KillTree { attempt: 5 }]) {
        let mut machine = waiting(Settled::Lost(lost(4)));
        greet(&mut machine, B);
        let actions = machine.on_request(B, request.clone(), 0);
        let [first, second, answer] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(refused(first), (A, "spawn", Some(5), RefusalCode::Dropped), "who asked for it");
        assert_eq!(refused(second), (B, "spawn", Some(5), RefusalCode::Dropped), "who saw it wait");
        assert_eq!(*answer, done(B, request.op(), Some(5), Some(5)));
        assert_eq!((machine.next_deadline(), machine.on_tick(1_000)), (None, Vec::new()), "nothing starts");
        assert_eq!(answer_to_kill(&mut machine), RefusalCode::NotRunning);
    }
}

fn answer_to_kill(machine: &mut Machine) -> RefusalCode {
    refused(&machine.on_request(A, Request::KillTree { attempt: 5 }, 0)[0]).3
}

#[test]
fn what_does_not_mean_stop_leaves_a_start_alone() {
    for signal in [SignalName::Stop, SignalName::Cont, SignalName::Usr1] {
        let mut machine = waiting(Settled::Idle);
        let actions = machine.on_request(A, Request::Signal { attempt: 5, signal }, 0);
        assert_eq!(refused(&actions[0]), (A, "signal", Some(5), RefusalCode::NotRunning));
        assert!(machine.order().is_some());
    }
    let mut machine = waiting(Settled::Idle);
    let actions = machine.on_request(A, Request::KillTree { attempt: 4 }, 0);
    assert_eq!(refused(&actions[0]), (A, "kill_tree", Some(4), RefusalCode::NotRunning));
    assert!(machine.order().is_some());
}

#[test]
fn quit_drops_a_start_that_waits_and_leaves() {
    let mut machine = waiting(Settled::Exited(exited(4)));
    let actions = machine.on_request(A, Request::Quit, 0);
    assert_eq!(refused(&actions[0]), (A, "spawn", Some(5), RefusalCode::Dropped));
    assert_eq!(actions[1..], [done(A, "quit", None, Some(5)), Action::Leave]);
}
