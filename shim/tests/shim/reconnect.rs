//! Daemons that die and come back, and shims that do.

use std::fs;
use std::os::unix::net::UnixListener;

use resus_shim::evidence;
use resus_shim::identity::ProcessId;
use resus_shim::protocol::{Lost, RefusalCode, Reply, Request, State};

use crate::rig::{Rig, kill, lives, wait_until};

#[test]
fn a_daemon_that_comes_back_finds_its_worker_running() {
    let rig = Rig::new();
    let (mut client, hello) = rig.greet();
    assert_eq!((hello.run_id.as_str(), hello.shim_pid, hello.state), ("r1", rig.shim_pid(), State::Idle));
    let started = client.started(&rig.order(1, &["sleep", "1000"]));
    drop(client);
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.state, State::Running(started.clone()));
    assert_eq!(client.started(&rig.order(1, &["sleep", "1000"])), started);
}

#[test]
fn an_end_that_nobody_heard_is_kept() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, "while ! [ -e go ]; do sleep 0.01; done; exit 9"));
    drop(client);
    fs::write(rig.path("go"), "").unwrap();
    wait_until("the record", || rig.attempt_dir(1).join(evidence::EXIT_JSON).exists());
    let (_client, hello) = rig.greet();
    match hello.state {
        State::Exited(exited) => assert_eq!((exited.attempt, exited.exit.code), (1, Some(9))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_client_hears_of_starts_and_ends() {
    let rig = Rig::new();
    let (mut first, mut second) = (rig.client(), rig.client());
    let started = first.started(&rig.script(1, "exit 2"));
    assert_eq!(second.hear(), Reply::Started(started));
    assert_eq!(second.exited(), first.exited());
}

#[test]
fn a_new_shim_knows_what_the_old_one_recorded() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(3, "exit 8"));
    let exited = client.exited();
    rig.kill_shim();
    rig.start();
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.state, State::Exited(exited.clone()));
    assert_eq!(client.spawn(&rig.script(3, "exit 8")), Reply::Exited(exited));
    assert_eq!(client.refusal_code(&Request::Spawn(rig.script(2, "true"))), RefusalCode::Stale);
}

#[test]
fn a_worker_of_a_dead_shim_is_reported_lost_and_never_started_twice() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let order = rig.order(1, &["sleep", "1000"]);
    let started = client.started(&order);
    rig.kill_shim();
    rig.start();

    let worker = Some(ProcessId { pid: started.pid, start_ticks: started.start_ticks });
    let boot_id = Some(started.boot_id.clone());
    let lost = Lost { attempt: 1, worker, boot_id, alive: true, watched: true };
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.state, State::Lost(lost.clone()));
    let refused = client.refused(&Request::Spawn(order));
    assert_eq!((refused.code, refused.lost), (RefusalCode::Lost, Some(lost)));
    assert!(lives(started.pid));
}

#[test]
fn a_worker_that_was_gone_before_a_new_shim_came_is_reported_lost() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let order = rig.order(1, &["sleep", "1000"]);
    let started = client.started(&order);
    rig.kill_shim();
    kill(started.pid);
    wait_until("its number to be free", || ProcessId::of(started.pid).is_err());
    rig.start();
    let worker = Some(ProcessId { pid: started.pid, start_ticks: started.start_ticks });
    let lost = Lost { attempt: 1, worker, boot_id: Some(started.boot_id), alive: false, watched: false };
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.state, State::Lost(lost.clone()));
    let refused = client.refused(&Request::Spawn(order));
    assert_eq!((refused.code, refused.lost), (RefusalCode::Lost, Some(lost)));
    client.started(&rig.script(2, "exec sleep 1000"));
}

#[test]
fn a_start_that_was_never_recorded_is_not_repeated_while_its_worker_lives() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let order = rig.order(1, &["sleep", "1000"]);
    let started = client.started(&order);
    rig.kill_shim();
    // As if the shim had died between starting the worker and writing this.
    fs::remove_file(rig.attempt_dir(1).join(evidence::SPAWN_JSON)).unwrap();
    rig.start();
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.state, State::Idle);
    let refused = client.refused(&Request::Spawn(order));
    assert_eq!(refused.code, RefusalCode::Locked);
    assert_eq!(refused.holders, [ProcessId { pid: started.pid, start_ticks: started.start_ticks }]);
}

#[test]
fn a_lost_worker_that_let_go_of_the_lock_still_keeps_the_next_attempt_out() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let closes_all =
        "use POSIX; POSIX::close($_) for 3..63; open(F, q(>ready)); print F qq(1\n); close(F); sleep 1000";
    let started = client.started(&rig.order(1, &["perl", "-e", closes_all]));
    rig.wait_for_number("ready");
    rig.kill_shim();
    rig.start();
    let mut client = rig.client();
    let refused = client.refused(&Request::Spawn(rig.script(2, "true")));
    assert_eq!(refused.code, RefusalCode::Locked);
    assert_eq!(refused.holders, [ProcessId { pid: started.pid, start_ticks: started.start_ticks }]);
}

#[test]
fn two_shims_of_one_run_cannot_be() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.order(1, &["sleep", "1000"]));
    let second = rig.shim_command(&[]).output().unwrap();
    assert!(second.status.success());
    assert_eq!(second.stderr, b"");
    let (_client, hello) = rig.greet();
    assert_eq!(hello.shim_pid, rig.shim_pid(), "the sockets are still the first one's");
}

#[test]
fn a_stale_socket_is_replaced_and_a_file_of_somebody_else_is_not() {
    let mut rig = Rig::without_shim();
    drop(UnixListener::bind(rig.path("s")).unwrap());
    rig.start();
    drop(rig.client());
    rig.kill_shim();
    fs::remove_file(rig.path("s")).unwrap();
    fs::write(rig.path("s"), "precious").unwrap();
    rig.start();
    assert_eq!(rig.wait_for_shim().code(), Some(i32::from(resus_shim::EXIT_FAILED)));
    assert_eq!(fs::read_to_string(rig.path("s")).unwrap(), "precious");
    assert!(fs::read_to_string(rig.run_dir().join("shim.log")).unwrap().contains("not a socket"));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let rig = Rig::without_shim();
    let outcome = rig.shim_command(&[]).arg("--verbose").output().unwrap();
    assert_eq!(outcome.status.code(), Some(i32::from(resus_shim::EXIT_USAGE)));
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("--verbose"));
}
