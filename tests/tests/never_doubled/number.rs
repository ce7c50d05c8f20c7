//! A dead worker's process id in the hands of a stranger.

use crate::namespaces::inside;
use crate::{Stage, Stranger, adoptions, reap};
use resus_tests::{alive, kill};

const TRIALS: u32 = 60;

/// Starts a process with this id, which is free.
fn stranger(wanted: u32) -> Stranger {
    for _ in 0..1_000 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (wanted - 1).to_string()).unwrap();
        let stranger = Stranger::new();
        if stranger.pid() == wanted {
            return stranger;
        }
    }
    panic!("process id {wanted} could not be had");
}

/// Ends the worker as an accident would, and gives its id to somebody else.
fn replace(stage: &Stage, worker: u32) -> Stranger {
    kill(worker, "KILL");
    stage.home.wait_for("the worker's id to be free", || {
        reap(worker);
        (!std::path::Path::new(&format!("/proc/{worker}")).exists()).then_some(())
    });
    stranger(worker)
}

/// The daemon holds the adopted worker, and learns of its end and of the user's wish to kill
/// it at the same time.
fn while_the_daemon_holds_it(stage: &Stage, worker: u32) -> Stranger {
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
fn while_nobody_looks(stage: &Stage, worker: u32) -> Stranger {
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
        let stranger = if attempt % 2 == 0 {
            while_the_daemon_holds_it(&stage, worker)
        } else {
            while_nobody_looks(&stage, worker)
        };
        let ended = |run: &serde_json::Value| run["phase"] == "failed" || run["phase"] == "cancelled";
        let run = stage.home.until(&stage.id, "the end", ended);
        stage.settled(run["phase"].as_str().unwrap());
        assert!(alive(stranger.pid()), "trial {attempt}: the stranger was signalled: {run}");
        if attempt < TRIALS {
            stage.retry();
        }
    }
}
