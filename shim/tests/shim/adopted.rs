//! Workers whose shim died, in the hands of the next one.

use std::fs;

use resus_shim::evidence;
use resus_shim::identity::ProcessId;
use resus_shim::protocol::{Exited, RefusalCode, Reply, Request, SignalName, SpawnOrder, Started, State};

use crate::rig::{Client, Rig, kill, lives, status_field, wait_for, wait_until};

/// Ends when the file `go` is there.
const UNTIL_GO: &str = "while ! [ -e go ]; do sleep 0.01; done";

/// A worker that runs `order`, whose shim was killed and has a successor.
fn adopted(rig: &mut Rig, order: &SpawnOrder, ready: impl FnOnce(&Rig)) -> (Client, Started) {
    let started = rig.client().started(order);
    ready(rig);
    rig.kill_shim();
    rig.start();
    let (client, hello) = rig.greet();
    match hello.state {
        State::Lost(lost) => assert!(lost.alive && lost.watched, "{lost:?}"),
        other => panic!("{other:?}"),
    }
    (client, started)
}

/// Whether this kernel tells how the children of others end.
fn kernel_tells() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_str().unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap());
    let tells = [numbers.next().unwrap(), numbers.next().unwrap()] >= [6, 15];
    println!("kernel {release} tells how the children of others end: {tells}");
    tells
}

/// The end is told, on record, and what is answered from then on.
fn assert_ended(rig: &Rig, client: &mut Client, code: Option<i32>, signal: Option<i32>) -> Exited {
    let exited = client.exited();
    let expected = if kernel_tells() { (code, signal) } else { (None, None) };
    assert_eq!((exited.exit.code, exited.exit.signal), expected, "{exited:?}");
    assert_eq!(exited.unrecorded, None);
    assert_eq!(evidence::read_exit(&rig.attempt_dir(1)).unwrap(), Some(exited.exit.clone()));
    assert_eq!(rig.greet().1.state, State::Exited(exited.clone()));
    exited
}

#[test]
fn how_it_ended_is_told_and_on_record() {
    for (end, code, signal) in [("exit 9", Some(9), None), ("kill -SEGV $$", None, Some(11))] {
        let mut rig = Rig::new();
        let order = rig.script(1, &format!("{UNTIL_GO}; {end}"));
        let (mut client, _) = adopted(&mut rig, &order, |_| ());
        fs::write(rig.path("go"), "").unwrap();
        let exited = assert_ended(&rig, &mut client, code, signal);
        assert_eq!(client.spawn(&order), Reply::Exited(exited));
    }
}

#[test]
fn an_end_while_no_daemon_is_there_is_kept() {
    let mut rig = Rig::new();
    let order = rig.script(1, &format!("{UNTIL_GO}; exit 9"));
    let (client, _) = adopted(&mut rig, &order, |_| ());
    drop(client);
    fs::write(rig.path("go"), "").unwrap();
    let exit = wait_for("the record", || evidence::read_exit(&rig.attempt_dir(1)).unwrap());
    assert_eq!(exit.code, kernel_tells().then_some(9));
    rig.kill_shim();
    rig.start();
    let known = State::Exited(Exited { attempt: 1, exit, unrecorded: None });
    assert_eq!(rig.greet().1.state, known);
}

#[test]
fn it_is_signalled_with_its_group_even_when_stopped() {
    let mut rig = Rig::new();
    let script = "sh -c 'trap \"echo child; exit\" TERM; echo $$ >child; while :; do sleep 0.01; done' & \
                  trap 'wait; echo parent; exit 3' TERM; wait; wait";
    let order = rig.script(1, script);
    let (mut client, started) = adopted(&mut rig, &order, |rig| {
        rig.wait_for_number("child");
    });
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Stop });
    let child = rig.wait_for_number("child");
    for pid in [started.pid, child] {
        wait_until("the group to stop", || status_field(pid, "State").starts_with('T'));
    }
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Term });
    assert_ended(&rig, &mut client, Some(3), None);
    assert!(rig.output(1).contains("child\nparent\n"), "{}", rig.output(1));
}

/// One child per way to hide: in the group, in another group, in another session.
const FAMILY: &str = "sh -c 'echo $$ >in_group; exec sleep 1000' & \
                      perl -e 'setpgrp(0, 0); open(F, q(>in_session)); print F qq($$\n); close(F); sleep 1000' & \
                      setsid sh -c 'echo $$ >outside; exec sleep 1000' & ";

fn family(rig: &Rig) -> [u32; 3] {
    ["in_group", "in_session", "outside"].map(|name| rig.wait_for_number(name))
}

#[test]
fn kill_tree_reaches_its_group_its_session_and_its_descendants() {
    let mut rig = Rig::new();
    let order = rig.script(1, &format!("{FAMILY} wait"));
    let (mut client, _) = adopted(&mut rig, &order, |rig| {
        family(rig);
    });
    client.done(&Request::KillTree { attempt: 1 });
    let exited = assert_ended(&rig, &mut client, None, Some(9));
    assert_eq!((exited.exit.strays_killed, exited.exit.unkillable), (3, 0));
    assert_eq!(rig.processes(), [rig.shim_pid()]);
}

#[test]
fn what_it_leaves_of_its_group_and_session_goes_and_what_cannot_be_proven_its_own_stays() {
    let mut rig = Rig::new();
    let order = rig.script(1, &format!("{FAMILY} {UNTIL_GO}; exit 5"));
    let (mut client, _) = adopted(&mut rig, &order, |rig| {
        family(rig);
    });
    fs::write(rig.path("go"), "").unwrap();
    let exited = assert_ended(&rig, &mut client, Some(5), None);
    assert_eq!((exited.exit.strays_killed, exited.exit.unkillable), (2, 0));
    let [in_group, in_session, outside] = family(&rig);
    assert!(!lives(in_group) && !lives(in_session) && lives(outside));
    let refused = client.refused(&Request::Spawn(rig.script(2, "exec sleep 1000")));
    assert_eq!((refused.code, refused.holders), (RefusalCode::Locked, vec![ProcessId::of(outside).unwrap()]));
}

#[test]
fn the_next_attempt_starts_after_the_record_of_its_end() {
    let mut rig = Rig::new();
    let order = rig.order(1, &["sleep", "1000"]);
    let (mut client, started) = adopted(&mut rig, &order, |_| ());
    client.ask(&Request::Spawn(rig.script(2, "exec sleep 1000")));
    kill(started.pid);
    assert_eq!(client.exited().attempt, 1);
    match client.hear() {
        Reply::Started(second) => assert_eq!(second.attempt, 2),
        other => panic!("{other:?}"),
    }
    assert!(evidence::read_exit(&rig.attempt_dir(1)).unwrap().is_some());
}

#[test]
fn a_shim_stays_with_it_and_leaves_after_it() {
    let mut rig = Rig::new();
    let order = rig.script(1, &format!("{UNTIL_GO}; exit 6"));
    let (mut client, _) = adopted(&mut rig, &order, |_| ());
    assert_eq!(client.refusal_code(&Request::Quit), RefusalCode::Busy);
    let pid = rig.shim_pid().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Cont });
    fs::write(rig.path("go"), "").unwrap();
    assert_eq!(client.exited().exit.code, kernel_tells().then_some(6));
    assert!(rig.wait_for_shim().success());
}

#[test]
fn only_the_lost_attempt_is_ever_meant() {
    let mut rig = Rig::new();
    let order = rig.order(1, &["sleep", "1000"]);
    let (mut client, started) = adopted(&mut rig, &order, |_| ());
    assert_eq!(client.refusal_code(&Request::KillTree { attempt: 2 }), RefusalCode::NotRunning);
    let signal = Request::Signal { attempt: 2, signal: SignalName::Kill };
    assert_eq!(client.refusal_code(&signal), RefusalCode::NotRunning);
    assert!(lives(started.pid));
}
