//! Signals to a worker's tree, and what is done about those who hide from them.

use std::fs;

use resus_shim::identity::ProcessId;
use resus_shim::protocol::{RefusalCode, Request, SignalName};

use crate::rig::{Rig, kill, lives, status_field, wait_until};

#[test]
fn term_reaches_the_whole_group_even_when_stopped() {
    let rig = Rig::new();
    let mut client = rig.client();
    let script = "perl -e '$SIG{TERM} = sub { print qq(child\\n); exit }; open(F, q(>child)); print F qq($$\\n); \
                  close(F); sleep 1000 while 1' & trap 'wait; echo parent; exit 3' TERM; wait; wait";
    let started = client.started(&rig.script(1, script));
    let child = rig.wait_for_number("child");
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Stop });
    for pid in [started.pid, child] {
        wait_until("the group to stop", || status_field(pid, "State").starts_with('T'));
    }
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Term });
    let exit = client.exited().exit;
    assert_eq!((exit.code, exit.strays_killed), (Some(3), 0), "{}", rig.output(1));
    assert!(rig.output(1).contains("child\nparent\n"), "{}", rig.output(1));
}

#[test]
fn a_worker_that_ignores_term_dies_of_kill_tree() {
    let rig = Rig::new();
    let mut client = rig.client();
    let started = client.started(&rig.script(1, "trap '' TERM; echo 1 >ready; while :; do sleep 1000; done"));
    rig.wait_for_number("ready");
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Term });
    assert!(lives(started.pid));
    client.done(&Request::KillTree { attempt: 1 });
    assert_eq!(client.exited().exit.signal, Some(9));
    assert_eq!(rig.processes(), [rig.shim_pid()]);
}

#[test]
fn grandchildren_in_sessions_of_their_own_die_with_the_worker_and_are_counted() {
    let rig = Rig::new();
    let mut client = rig.client();
    // `setsid` forks as its caller leads a group; the subshell ends: double fork, new session.
    let script = "for n in 1 2 3; do (setsid sh -c \"echo \\$\\$ >stray$n; exec sleep 1000\" &); done; \
                  while ! [ -s stray1 -a -s stray2 -a -s stray3 ]; do sleep 0.01; done; exit 5";
    client.started(&rig.script(1, script));
    let exit = client.exited().exit;
    assert_eq!((exit.code, exit.strays_killed, exit.unkillable), (Some(5), 3, 0));
    assert_eq!(rig.processes(), [rig.shim_pid()]);
    for n in 1..=3 {
        assert!(!lives(rig.wait_for_number(&format!("stray{n}"))));
    }
}

#[test]
fn a_tree_that_keeps_forking_is_killed_to_the_last() {
    let rig = Rig::new();
    let mut client = rig.client();
    let script = "spread() { for n in 1 2 3 4 5 6 7; do (setsid sh -c 'while :; do (sleep 0.01 &); sleep 0.01; done' &); done; }; \
                  spread; spread; echo 1 >ready; while :; do sleep 1000; done";
    client.started(&rig.script(1, script));
    rig.wait_for_number("ready");
    wait_until("a large tree", || rig.processes().len() > 20);
    client.done(&Request::KillTree { attempt: 1 });
    let exit = client.exited().exit;
    assert!(exit.strays_killed >= 14, "{exit:?}");
    assert_eq!(exit.unkillable, 0);
    assert_eq!(rig.processes(), [rig.shim_pid()]);
}

#[test]
fn dead_orphans_do_not_pile_up_while_the_worker_lives() {
    let rig = Rig::new();
    let mut client = rig.client();
    let script =
        "for n in 1 2 3 4 5 6 7 8; do (setsid sh -c 'exit 0' &); done; echo 1 >ready; exec sleep 1000";
    let started = client.started(&rig.script(1, script));
    rig.wait_for_number("ready");
    let shim = rig.shim_pid();
    let children = || fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    wait_until("orphans to be reaped", || children().trim() == started.pid.to_string());
}

#[test]
fn only_the_running_attempt_is_ever_signalled() {
    let rig = Rig::new();
    let mut client = rig.client();
    let kill = |attempt| Request::Signal { attempt, signal: SignalName::Kill };
    assert_eq!(client.refusal_code(&kill(1)), RefusalCode::NotRunning);
    client.started(&rig.script(1, "exit 0"));
    client.exited();
    assert_eq!(client.refusal_code(&kill(1)), RefusalCode::NotRunning);
    let started = client.started(&rig.script(2, "exec sleep 1000"));
    assert_eq!(client.refusal_code(&kill(1)), RefusalCode::NotRunning);
    assert_eq!(client.refusal_code(&Request::KillTree { attempt: 3 }), RefusalCode::NotRunning);
    assert!(lives(started.pid));
}

#[test]
fn a_stray_of_a_lost_tree_keeps_the_next_attempt_out_until_it_is_dead() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let started =
        client.started(&rig.script(1, "(setsid sh -c 'echo $$ >stray; exec sleep 1000' &); exec sleep 1000"));
    let stray = rig.wait_for_number("stray");
    rig.kill_shim();
    kill(started.pid);
    // A zombie would be adopted.
    wait_until("its number to be free", || ProcessId::of(started.pid).is_err());

    rig.start();
    let mut client = rig.client();
    let order = rig.script(2, "exec sleep 1000");
    let refused = client.refused(&Request::Spawn(order.clone()));
    assert_eq!(refused.code, RefusalCode::Locked);
    assert_eq!(refused.holders, [ProcessId::of(stray).unwrap()]);
    assert!(lives(stray), "it is not ours to kill");
    assert!(!rig.attempt_dir(2).join("spawn.json").exists());

    kill(stray);
    wait_until("the stray's death", || !lives(stray));
    assert!(lives(client.started(&order).pid));
}

#[test]
fn the_end_of_a_stray_lets_a_waiting_start_go_on() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let started =
        client.started(&rig.script(1, "(setsid sh -c 'echo $$ >stray; exec sleep 1000' &); exec sleep 1000"));
    let stray = rig.wait_for_number("stray");
    rig.kill_shim();
    kill(started.pid);
    wait_until("the worker's number to be free", || ProcessId::of(started.pid).is_err());
    rig.start();
    let mut client = rig.client();
    client.ask(&Request::Spawn(rig.script(2, "exec sleep 1000")));
    kill(stray);
    match client.hear() {
        resus_shim::protocol::Reply::Started(second) => assert_eq!(second.attempt, 2),
        other => panic!("{other:?}"),
    }
}
