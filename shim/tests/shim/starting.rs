//! The window in which a start waits for the run's lock.

use std::fs;

use resus_shim::evidence;
use resus_shim::identity::ProcessId;
use resus_shim::protocol::{RefusalCode, Reply, Request, SignalName, State};

use crate::rig::{Client, Rig, kill, lives, wait_until};

/// A rig in which a process of attempt 1 outlives its worker and its shim, and holds the run's
/// lock; its id.
fn locked() -> (Rig, u32) {
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
    (rig, stray)
}

/// A client that hears nothing unless the window is open: the start of attempt 2 waits.
fn ask_for_a_start(rig: &Rig) -> Client {
    let mut client = rig.client();
    client.ask(&Request::Spawn(rig.script(2, "exec sleep 1000")));
    client
}

fn dropped(client: &mut Client) -> u32 {
    match client.hear() {
        Reply::Refused(refused) => {
            assert_eq!((refused.op.as_str(), refused.code), ("spawn", RefusalCode::Dropped), "{refused:?}");
            refused.attempt.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_daemon_that_comes_in_the_window_sees_the_start_and_hears_of_it() {
    let (rig, stray) = locked();
    drop(ask_for_a_start(&rig));
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.starting, Some(2));
    assert!(matches!(hello.state, State::Lost(lost) if lost.attempt == 1));
    kill(stray);
    match client.hear() {
        Reply::Started(started) => assert_eq!(started.attempt, 2),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.greet().1.starting, None);
}

#[test]
fn a_daemon_that_comes_in_the_window_hears_that_the_start_failed() {
    let (rig, _stray) = locked();
    drop(ask_for_a_start(&rig));
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.starting, Some(2));
    match client.hear() {
        Reply::Refused(refused) => {
            assert_eq!((refused.code, refused.attempt), (RefusalCode::Locked, Some(2)))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stop_in_the_window_leaves_no_worker_behind() {
    let (mut rig, stray) = locked();
    let term = Request::Signal { attempt: 2, signal: SignalName::Term };
    for request in [term, Request::KillTree { attempt: 2 }] {
        let mut asker = ask_for_a_start(&rig);
        let mut stopper = rig.client();
        stopper.ask(&request);
        assert_eq!((dropped(&mut stopper), dropped(&mut asker)), (2, 2));
        let (op, attempt) = (request.op().to_owned(), Some(2));
        assert_eq!(stopper.hear(), Reply::Done { op, attempt, dropped: Some(2) });
    }
    // Nothing is left to come: the lock is free now, and still there is no worker.
    kill(stray);
    wait_until("the stray's death", || !lives(stray));
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.starting, None);
    client.done(&Request::Quit);
    assert!(rig.wait_for_shim().success());
    assert!(!rig.attempt_dir(2).join(evidence::SPAWN_JSON).exists());
    assert_eq!(fs::read_dir(rig.attempt_dir(2)).unwrap().count(), 0);
}

#[test]
fn quit_in_the_window_drops_the_start_and_ends_the_shim() {
    let (mut rig, stray) = locked();
    let mut asker = ask_for_a_start(&rig);
    let (mut client, hello) = rig.greet();
    assert_eq!(hello.starting, Some(2));
    client.ask(&Request::Quit);
    assert_eq!((dropped(&mut client), dropped(&mut asker)), (2, 2));
    assert_eq!(client.hear(), Reply::Done { op: "quit".into(), attempt: None, dropped: Some(2) });
    assert!(rig.wait_for_shim().success());
    assert!(lives(stray), "it is not ours to kill");
    assert!(!rig.attempt_dir(2).join(evidence::SPAWN_JSON).exists());
}
