//! A shim that is killed in the middle of a start. Where it is then is not left to chance: a
//! file that it is about to write is a FIFO, which nobody reads.

use std::fs;
use std::path::{Path, PathBuf};

use resus_shim::evidence;
use resus_shim::protocol::{Request, State};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::rig::{Rig, wait_for, wait_until};

const TRIALS: u32 = 25;

/// Writing to `path` waits from now on.
fn block(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn children(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap()
}

/// Whether somebody holds the run's lock. Looks at `/proc`, so as not to hold it itself.
fn is_locked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(lock) = fs::metadata(path) else { return false };
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("FLOCK") && line.contains(&format!(":{} ", lock.ino())))
}

/// Kills the shim in the middle of starting attempt 1, when `is_there` says that it is there
/// because of the FIFO `name`, then lets a new shim start the same attempt.
fn killed_in_a_start(name: &str, is_there: fn(&Rig) -> bool) {
    for trial in 0..TRIALS {
        let mut rig = Rig::new();
        let order = rig.script(1, "echo started; exec sleep 1000");
        let fifo: PathBuf = rig.attempt_dir(1).join(name);
        block(&fifo);
        rig.client().ask(&Request::Spawn(order.clone()));
        wait_until("the instant", || is_there(&rig));
        fs::remove_file(&fifo).unwrap();
        rig.kill_shim();
        wait_until("the end of all it had begun", || rig.processes().is_empty());
        assert_eq!(rig.output(1), "", "trial {trial}: the program ran without a record of it");

        rig.start();
        let (mut client, hello) = rig.greet();
        assert_eq!(hello.state, State::Idle, "trial {trial}");
        let started = client.started(&order);
        wait_until("the program", || rig.output(1) == "started\n");
        // In the middle of its second exec it has no environment to be found by.
        let mut processes =
            wait_for("both to be seen", || Some(rig.processes()).filter(|found| found.len() >= 2));
        processes.sort_unstable();
        let mut expected = [rig.shim_pid(), started.pid];
        expected.sort_unstable();
        assert_eq!(processes, expected, "trial {trial}");
    }
}

#[test]
fn a_shim_killed_before_it_forks_has_started_nothing() {
    killed_in_a_start(evidence::OUTPUT_LOG, |rig| is_locked(&rig.run_dir().join(evidence::RUN_LOCK)));
}

#[test]
fn a_shim_killed_before_it_has_recorded_a_worker_leaves_none() {
    killed_in_a_start("spawn.json.tmp", |rig| !children(rig.shim_pid()).is_empty());
}

#[test]
fn a_program_begins_after_its_record_is_there() {
    let rig = Rig::new();
    let mut client = rig.client();
    let script = "cat runs/r1/attempts/0001/spawn.json; echo $$";
    let started = client.started(&rig.script(1, script));
    client.exited();
    let output = rig.output(1);
    let (record, pid) = output.trim().split_once('\n').unwrap();
    let record: evidence::Spawn = serde_json::from_str(record).unwrap();
    assert_eq!((record.pid, record.start_ticks), (started.pid, started.start_ticks));
    assert_eq!(pid, started.pid.to_string());
}
