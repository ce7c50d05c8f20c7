//! A dead worker's process id in the hands of a stranger.

use crate::namespaces::inside;
use crate::{Stage, adoptions, reap};
use resus_tests::{alive, kill};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const TRIALS: u32 = 60;

/// Starts a process with this id, which is free. It leads a group, so that a signal meant for
/// the dead worker's group would meet it.
fn stranger(wanted: u32) -> Child {
    for _ in 0..1_000 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (wanted - 1).to_string()).unwrap();
        let mut command = Command::new("sleep");
        command.arg("1000").env_clear().stdin(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        if child.id() == wanted {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("process id {wanted} could not be had");
}

/// Ends the worker as an accident would, and gives its id to somebody else.
fn replace(stage: &Stage, worker: u32) -> Child {
    kill(worker, "KILL");
    stage.home.wait_for("the worker's id to be free", || {
        reap(worker);
        (!std::path::Path::new(&format!("/proc/{worker}")).exists()).then_some(())
    });
    stranger(worker)
}

/// The daemon holds the adopted worker, and learns of its end and of the user's wish to kill
/// it at the same time.
fn while_the_daemon_holds_it(stage: &Stage, worker: u32) -> Child {
    let before = adoptions(&stage.home);
    stage.kill_shim();
    stage.home.wait_for("the adoption", || (adoptions(&stage.home) > before).then_some(()));
    let daemon = stage.home.daemon_pid();
    kill(daemon, "STOP");
    let stranger = replace(stage, worker);
    let killing = stage.home.start(&["kill", &stage.id]);
    kill(daemon, "CONT");
    let said = stage.home.finish(killing, "kill");
    // Killed, or found to be over already.
    assert!([0, 11].contains(&said.code), "{said:?}");
    stranger
}

/// Nobody is there when it happens; a new daemon and a new shim know of the worker by what
/// was recorded.
fn while_nobody_looks(stage: &Stage, worker: u32) -> Child {
    stage.home.kill_daemon();
    stage.kill_shim();
    let stranger = replace(stage, worker);
    let run = stage.home.until_phase(&stage.id, "failed");
    assert_eq!(run["last_failure"]["code"], "TRAINING_LOST");
    stranger
}

#[test]
fn a_process_with_a_dead_workers_id_is_never_signalled() {
    if !inside("number::a_process_with_a_dead_workers_id_is_never_signalled") {
        return;
    }
    let stage = Stage::new();
    for attempt in 1..=TRIALS {
        let worker = stage.running(attempt);
        let mut stranger = if attempt % 2 == 0 {
            while_the_daemon_holds_it(&stage, worker)
        } else {
            while_nobody_looks(&stage, worker)
        };
        let ended = |run: &serde_json::Value| run["phase"] == "failed" || run["phase"] == "cancelled";
        let run = stage.home.until(&stage.id, "the end", ended);
        stage.settled(run["phase"].as_str().unwrap());
        assert!(alive(stranger.id()), "trial {attempt}: the stranger was signalled: {run}");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        if attempt < TRIALS {
            stage.retry();
        }
    }
}
