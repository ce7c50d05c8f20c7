mod window;

use super::*;
use crate::identity::ProcessId;
use crate::protocol::{Exit, Hello, RefusalCode, Request, SignalName, State, VERSION};

const A: ClientId = 1;
const B: ClientId = 2;

fn about() -> About {
    About { build: "test".into(), run_id: String::new(), shim_pid: 10, boot_id: "boot".into() }
}

fn machine(settled: Settled) -> Machine {
    let mut machine = Machine::new(about(), settled, true, 0);
    greet(&mut machine, A);
    machine
}

fn greet(machine: &mut Machine, client: ClientId) -> State {
    hello(machine, client).state
}

fn hello(machine: &mut Machine, client: ClientId) -> Hello {
    match machine.on_request(client, Request::Hello { v: VERSION }, 0).as_slice() {
        [Action::Send(to, Reply::Hello(hello))] if *to == client => hello.clone(),
        other => panic!("no hello: {other:?}"),
    }
}

fn order(attempt: u32) -> SpawnOrder {
    let dir = format!("/run/attempts/{attempt:04}");
    SpawnOrder { attempt, argv: vec!["true".into()], env: Vec::new(), cwd: "/".into(), dir, events: None }
}

fn spawn(attempt: u32) -> Request {
    Request::Spawn(order(attempt))
}

fn started(attempt: u32) -> Started {
    Started { attempt, pid: 100 + attempt, start_ticks: 7, boot_id: "boot".into() }
}

fn exited(attempt: u32) -> Exited {
    let exit = Exit {
        code: Some(0),
        signal: None,
        core_dumped: false,
        user_ms: 0,
        sys_ms: 0,
        max_rss_bytes: 0,
        unix_ms: 0,
        strays_killed: 0,
        unkillable: 0,
    };
    Exited { attempt, exit, unrecorded: None }
}

fn lost(attempt: u32) -> Lost {
    let worker = Some(ProcessId { pid: 100 + attempt, start_ticks: 7 });
    Lost { attempt, worker, boot_id: Some("boot".into()), alive: true, watched: true }
}

fn done(client: ClientId, op: &str, attempt: Option<u32>, dropped: Option<u32>) -> Action {
    Action::Send(client, Reply::Done { op: op.into(), attempt, dropped })
}

/// A refusal without its sentence.
fn refused(action: &Action) -> (ClientId, &str, Option<u32>, RefusalCode) {
    match action {
        Action::Send(client, Reply::Refused(refused)) => {
            (*client, refused.op.as_str(), refused.attempt, refused.code)
        }
        other => panic!("no refusal: {other:?}"),
    }
}

fn running(attempt: u32) -> Machine {
    let mut machine = machine(Settled::Idle);
    assert_eq!(machine.on_request(A, spawn(attempt), 0), [Action::TrySpawn]);
    assert_eq!(machine.on_started(started(attempt)), [Action::Send(A, Reply::Started(started(attempt)))]);
    machine
}

/// What a spawn of `attempt` is answered with, as one word.
fn answer(machine: &mut Machine, attempt: u32) -> String {
    match machine.on_request(A, spawn(attempt), 0).as_slice() {
        [] => "wait".into(),
        [Action::TrySpawn] => "try".into(),
        [Action::Send(A, Reply::Started(started))] => format!("started {}", started.attempt),
        [Action::Send(A, Reply::Exited(exited))] => format!("exited {}", exited.attempt),
        [Action::Send(A, Reply::Refused(refused))] => format!("{:?}", refused.code),
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn a_spawn_is_answered_by_what_is_known_of_its_attempt() {
    fn starting() -> Machine {
        let mut machine = machine(Settled::Idle);
        machine.on_request(A, spawn(5), 0);
        machine
    }
    fn ending() -> Machine {
        let mut machine = running(5);
        machine.on_worker_dead();
        machine
    }
    // Per state: what a lower, the same and a higher attempt are answered with.
    type Case = (&'static str, fn() -> Machine, [&'static str; 3]);
    let cases: [Case; 5] = [
        ("starting", starting, ["Stale", "wait", "Busy"]),
        ("running", || running(5), ["Stale", "started 5", "Busy"]),
        ("ending", ending, ["Stale", "started 5", "Busy"]),
        ("exited", || machine(Settled::Exited(exited(5))), ["Stale", "exited 5", "try"]),
        ("lost", || machine(Settled::Lost(lost(5))), ["Stale", "Lost", "try"]),
    ];
    for (state, make, expected) in cases {
        let answers = [4, 5, 6].map(|attempt| answer(&mut make(), attempt));
        assert_eq!(answers, expected, "{state}");
    }
}

#[test]
fn everybody_greeted_hears_of_a_start_and_an_end() {
    let mut machine = running(1);
    assert_eq!(greet(&mut machine, B), State::Running(started(1)));
    machine.on_worker_dead();
    let told = machine.on_exited(exited(1), 5);
    assert_eq!(told, [A, B].map(|client| Action::Send(client, Reply::Exited(exited(1)))));
    assert_eq!(greet(&mut machine, 3), State::Exited(exited(1)));
}

#[test]
fn nothing_but_hello_is_heard_before_hello() {
    let mut machine = running(1);
    let requests = [spawn(2), Request::KillTree { attempt: 1 }, Request::Quit, Request::Bye];
    for request in requests {
        match machine.on_request(B, request.clone(), 0).as_slice() {
            [Action::Send(B, Reply::Refused(refused))] => assert_eq!(refused.code, RefusalCode::HelloFirst),
            other => panic!("{request:?} gave {other:?}"),
        }
    }
}

#[test]
fn another_version_is_refused_with_both_numbers_and_hung_up_on() {
    let mut machine = machine(Settled::Idle);
    match machine.on_request(B, Request::Hello { v: 7 }, 0).as_slice() {
        [Action::Send(B, Reply::Refused(refused)), Action::Close(B)] => {
            assert_eq!(refused.code, RefusalCode::Version);
            assert!(refused.message.contains('7') && refused.message.contains('1'), "{}", refused.message);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_running_attempt_can_be_acted_on() {
    let actions = |machine: &mut Machine, attempt| {
        [
            Request::Signal { attempt, signal: SignalName::Term },
            Request::KillTree { attempt },
            Request::Freeze { attempt },
            Request::Thaw { attempt },
            Request::Control { attempt, line: "{}".into() },
        ]
        .map(|request| machine.on_request(A, request, 0).remove(0))
    };
    let refused = |action: &Action| matches!(action, Action::Send(A, Reply::Refused(r)) if r.code == RefusalCode::NotRunning);

    assert!(!actions(&mut running(5), 5).iter().any(refused));
    assert!(actions(&mut running(5), 4).iter().all(refused));
    assert!(actions(&mut running(5), 6).iter().all(refused));
    assert!(actions(&mut machine(Settled::Exited(exited(5))), 5).iter().all(refused));
    let mut ending = running(5);
    ending.on_worker_dead();
    assert!(actions(&mut ending, 5).iter().all(refused));
}

#[test]
fn a_control_line_must_be_one_json_value_on_one_line() {
    let mut machine = running(1);
    let long = format!("\"{}\"", "x".repeat(100_000));
    for line in ["", "{", "{}\n{}", "pause", &long] {
        let control = Request::Control { attempt: 1, line: line.into() };
        match machine.on_request(A, control, 0).as_slice() {
            [Action::Send(A, Reply::Refused(refused))] => assert_eq!(refused.code, RefusalCode::BadRequest),
            other => panic!("{line:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_held_lock_is_waited_for_and_then_given_up_on() {
    let mut machine = machine(Settled::Exited(exited(1)));
    assert_eq!(machine.on_request(A, spawn(2), 1_000), [Action::TrySpawn]);
    assert_eq!(machine.on_lock_held(1_000), [Action::KillStrays], "only the first time");
    let mut tries = 0;
    let (gave_up, now) = loop {
        let now = machine.next_deadline().unwrap();
        assert_eq!(machine.on_tick(now), [Action::TrySpawn]);
        tries += 1;
        assert!(tries < 1_000, "never gives up");
        match machine.on_lock_held(now).as_slice() {
            [] => {}
            actions => break (actions.to_vec(), now),
        }
    };
    assert_eq!(gave_up, [Action::GiveUpOnLock]);
    assert_eq!(now, 1_000 + LOCK_WAIT_MS);

    let refused = Refused::new("spawn", Some(2), RefusalCode::Locked, "held");
    let told = machine.on_spawn_failed(&refused, now);
    assert_eq!(told, [Action::Send(A, Reply::Refused(refused))]);
    assert_eq!(greet(&mut machine, B), State::Exited(exited(1)), "as if it had never been asked for");
    assert_eq!(answer(&mut machine, 2), "try");
}

#[test]
fn a_start_outwaits_the_end_of_the_worker_before_it() {
    let mut machine = machine(Settled::Exited(exited(1)));
    assert_eq!(machine.on_request(A, spawn(2), 0), [Action::TrySpawn]);
    assert_eq!(machine.on_lock_held(0), [Action::KillStrays]);
    for now in [LOCK_WAIT_MS, 2 * LOCK_WAIT_MS, 3 * LOCK_WAIT_MS] {
        assert_eq!(machine.on_tick(now), [Action::TrySpawn]);
        machine.on_predecessor_ending(now);
        assert_eq!(machine.next_deadline(), Some(now + LOCK_RETRY_MS));
    }
    let after = 3 * LOCK_WAIT_MS + LOCK_RETRY_MS;
    assert_eq!(machine.on_tick(after), [Action::TrySpawn]);
    assert_eq!(machine.on_lock_held(after), [Action::KillStrays], "counted anew");
}

#[test]
fn whoever_asked_for_a_start_is_told_that_it_failed() {
    let mut machine = machine(Settled::Idle);
    greet(&mut machine, B);
    assert_eq!(machine.on_request(A, spawn(1), 0), [Action::TrySpawn]);
    assert_eq!(machine.on_request(B, spawn(1), 0), []);
    let refused = Refused::new("spawn", Some(1), RefusalCode::CommandNotFound, "no such program");
    let told = machine.on_spawn_failed(&refused, 0);
    assert_eq!(told, [A, B].map(|client| Action::Send(client, Reply::Refused(refused.clone()))));
}

#[test]
fn a_shim_leaves_when_idle_for_long_and_never_before() {
    let mut machine = machine(Settled::Idle);
    assert_eq!(machine.next_deadline(), None, "a client is here");
    machine.on_request(A, Request::Bye, 0);
    machine.on_closed(A, 500);
    assert_eq!(machine.next_deadline(), Some(500 + IDLE_MS));
    assert_eq!(machine.on_tick(499 + IDLE_MS), []);
    assert_eq!(machine.on_tick(500 + IDLE_MS), [Action::Leave]);

    let mut working = running(1);
    working.on_request(A, Request::Bye, 0);
    working.on_closed(A, 500);
    assert_eq!(working.on_tick(500 + 2 * IDLE_MS), [], "a worker lives");
    working.on_worker_dead();
    working.on_exited(exited(1), 5 * IDLE_MS);
    assert_eq!(working.next_deadline(), Some(6 * IDLE_MS));
}

#[test]
fn quit_and_sigterm_wait_for_the_worker() {
    let mut machine = running(1);
    match machine.on_request(A, Request::Quit, 0).as_slice() {
        [Action::Send(A, Reply::Refused(refused))] => assert_eq!(refused.code, RefusalCode::Busy),
        other => panic!("{other:?}"),
    }
    machine.on_asked_to_leave();
    assert_eq!(machine.on_tick(0), []);
    machine.on_worker_dead();
    assert_eq!(machine.on_tick(0), []);
    machine.on_exited(exited(1), 0);
    assert_eq!(machine.on_tick(0), [Action::Leave]);
    assert!(machine.on_request(A, Request::Quit, 0).contains(&Action::Leave));
}

#[test]
fn only_an_abrupt_loss_of_the_last_client_revives_the_daemon() {
    let mut machine = running(1);
    greet(&mut machine, B);
    machine.on_closed(A, 0);
    assert_eq!(machine.next_deadline(), None, "B is still here");
    machine.on_closed(B, 1_000);
    assert_eq!(machine.on_tick(1_199), []);
    assert_eq!(machine.on_tick(1_200), [Action::Revive]);
    greet(&mut machine, A);
    assert_eq!(machine.next_deadline(), None, "it is back");
    machine.on_request(A, Request::Bye, 2_000);
    machine.on_closed(A, 2_000);
    assert_eq!(machine.next_deadline(), None, "it said bye");
}

#[test]
fn a_stranger_who_never_greeted_revives_nobody() {
    let mut machine = Machine::new(about(), Settled::Idle, true, 0);
    machine.on_closed(B, 0);
    assert_eq!(machine.next_deadline(), Some(IDLE_MS));
}

#[test]
fn a_daemon_stopped_on_purpose_stays_stopped() {
    let mut machine = running(1);
    machine.on_closed(A, 0);
    assert_eq!(machine.on_tick(200), [Action::Revive]);
    machine.on_daemon_stopped();
    assert_eq!(machine.next_deadline(), None);
}
