//! Trees that are stopped as a whole and go on as a whole.

use std::fs;

use resus_shim::protocol::{RefusalCode, Request, SignalName, State};

use crate::rig::{Rig, kill, lives, status_field, wait_until};

const FREEZE: Request = Request::Freeze { attempt: 1 };
const THAW: Request = Request::Thaw { attempt: 1 };

/// A worker with a child in its group and one in a session of its own whose parent is gone.
/// Each writes its id, then counts by making its own file longer.
const FAMILY: &str = "count='echo $$ >$0; while :; do echo >>$0.count; sleep 0.01; done'; \
                      sh -c \"$count\" inside & (setsid sh -c \"$count\" outside &); \
                      trap 'echo told; kill $!; exit 3' TERM; echo $$ >worker; \
                      while :; do echo >>worker.count; sleep 0.01; done";

const NAMES: [&str; 3] = ["worker", "inside", "outside"];

fn family(rig: &Rig) -> [u32; 3] {
    NAMES.map(|name| rig.wait_for_number(name))
}

fn is_stopped(pid: u32) -> bool {
    status_field(pid, "State").starts_with('T')
}

/// Stopped, or a parent that waits for the exec of a child which is stopped (vfork): that one never
/// shows as stopped.
fn can_not_run(pid: u32) -> bool {
    is_stopped(pid) || status_field(pid, "State").starts_with('D')
}

fn counts(rig: &Rig) -> [u64; 3] {
    NAMES.map(|name| fs::metadata(rig.path(&format!("{name}.count"))).map_or(0, |file| file.len()))
}

/// All of them count.
fn wait_for_life(rig: &Rig) {
    let before = counts(rig);
    wait_until("all to go on", || counts(rig).iter().zip(before).all(|(now, before)| *now > before));
}

/// Everybody of the rig but the shim.
fn everybody(rig: &Rig) -> Vec<u32> {
    rig.processes().into_iter().filter(|&pid| pid != rig.shim_pid()).collect()
}

#[test]
fn all_of_a_tree_is_stopped_and_goes_on() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, FAMILY));
    family(&rig);
    wait_for_life(&rig);
    for _ in 0..5 {
        client.done(&FREEZE);
        let stopped = everybody(&rig);
        assert!(stopped.len() >= 3 && stopped.iter().all(|&pid| can_not_run(pid)), "{stopped:?}");
        client.done(&FREEZE);
        client.done(&THAW);
        assert!(family(&rig).iter().all(|&pid| !is_stopped(pid)));
        wait_for_life(&rig);
    }
}

#[test]
fn a_tree_that_keeps_forking_is_frozen_to_the_last() {
    let rig = Rig::new();
    let mut client = rig.client();
    let script = "spread() { for n in 1 2 3 4 5; do (setsid sh -c 'while :; do (sleep 0.01 &); sleep 0.01; done' &); done; }; \
                  spread; spread; echo 1 >ready; while :; do sleep 1000; done";
    client.started(&rig.script(1, script));
    rig.wait_for_number("ready");
    wait_until("a large tree", || rig.processes().len() > 15);
    client.done(&FREEZE);
    let frozen = everybody(&rig);
    assert!(frozen.len() >= 11, "{frozen:?}");
    assert!(frozen.iter().all(|&pid| can_not_run(pid)), "{frozen:?}");
    assert_eq!(everybody(&rig), frozen, "nobody was forked");
    client.done(&Request::KillTree { attempt: 1 });
    assert_eq!(client.exited().exit.signal, Some(9));
    assert_eq!(rig.processes(), [rig.shim_pid()]);
}

#[test]
fn a_frozen_tree_dies_of_kill_tree() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, FAMILY));
    family(&rig);
    client.done(&FREEZE);
    client.done(&Request::KillTree { attempt: 1 });
    assert_eq!(client.exited().exit.signal, Some(9));
    assert_eq!(rig.processes(), [rig.shim_pid()]);
}

#[test]
fn term_thaws_a_frozen_tree_so_that_it_can_leave() {
    let rig = Rig::new();
    let mut client = rig.client();
    // The worker leaves only after it has heard from its frozen child in another session.
    let script = "(setsid sh -c 'echo $$ >outside; while ! [ -e told ]; do sleep 0.01; done; echo 1 >heard' &); \
                  trap '>told; while ! [ -e heard ]; do sleep 0.01; done; exit 3' TERM; \
                  echo 1 >ready; while :; do sleep 0.01; done";
    client.started(&rig.script(1, script));
    rig.wait_for_number("ready");
    let outside = rig.wait_for_number("outside");
    client.done(&FREEZE);
    assert!(can_not_run(outside));
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Term });
    assert_eq!(client.exited().exit.code, Some(3));
}

#[test]
fn a_frozen_worker_stays_frozen_without_its_daemon_and_without_its_shim() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, FAMILY));
    let family = family(&rig);
    client.done(&FREEZE);
    drop(client);
    let (mut client, hello) = rig.greet();
    assert!(matches!(hello.state, State::Running(_)));
    assert!(family.iter().all(|&pid| can_not_run(pid)));
    client.done(&FREEZE);

    rig.kill_shim();
    rig.start();
    let mut client = rig.client();
    assert!(family.iter().all(|&pid| lives(pid) && can_not_run(pid)));
    client.done(&THAW);
    let [worker, inside, outside] = family;
    assert!(!is_stopped(worker) && !is_stopped(inside));
    // Nothing ties it to the worker any more, but what it inherited.
    assert!(can_not_run(outside));
    kill(outside);
}

#[test]
fn an_adopted_tree_is_stopped_and_goes_on() {
    let mut rig = Rig::new();
    let script = FAMILY.replace("(setsid sh -c \"$count\" outside &)", "setsid sh -c \"$count\" outside &");
    rig.client().started(&rig.script(1, &script.replace("&;", "&")));
    let family = family(&rig);
    rig.kill_shim();
    rig.start();
    let mut client = rig.client();
    wait_for_life(&rig);
    client.done(&FREEZE);
    assert!(family.iter().all(|&pid| can_not_run(pid)));
    client.done(&THAW);
    assert!(family.iter().all(|&pid| !is_stopped(pid)));
    wait_for_life(&rig);
}

#[test]
fn only_the_running_attempt_can_be_frozen() {
    let rig = Rig::new();
    let mut client = rig.client();
    assert_eq!(client.refusal_code(&FREEZE), RefusalCode::NotRunning);
    client.started(&rig.order(1, &["sleep", "1000"]));
    assert_eq!(client.refusal_code(&Request::Freeze { attempt: 2 }), RefusalCode::NotRunning);
    assert_eq!(client.refusal_code(&Request::Thaw { attempt: 2 }), RefusalCode::NotRunning);
    client.done(&Request::KillTree { attempt: 1 });
    client.exited();
    assert_eq!(client.refusal_code(&THAW), RefusalCode::NotRunning);
}
