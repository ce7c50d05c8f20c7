//! Crashes between the intent to start a worker and the record that it was started.
//!
//! Where the victims are is not left to chance: a file that the shim is about to write is a
//! FIFO that nobody reads, or the test listens where the shim would.

use crate::Stage;
use resus_tests::{alive, kill};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Trials per instant.
const TRIALS: u32 = 21;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victims {
    Daemon,
    Shim,
    Both,
}

const ANY: [Victims; 3] = [Victims::Daemon, Victims::Shim, Victims::Both];

/// Runs the trials, each with the next attempt of one run and the next choice of victims.
fn trials(victims: &[Victims], trial: impl Fn(&Stage, u32, Victims)) {
    let stage = Stage::new();
    stage.cancel(stage.running(1));
    for (attempt, victims) in (2..2 + TRIALS).zip(victims.iter().cycle()) {
        println!("attempt {attempt}: {victims:?}");
        trial(&stage, attempt, *victims);
        stage.cancel(stage.running(attempt));
    }
}

/// Makes a file of an attempt that is to come a FIFO: whoever opens it to write waits.
fn block(stage: &Stage, attempt: u32, name: &str) -> PathBuf {
    let dir = stage.attempt_dir(attempt);
    fs::create_dir(&dir).unwrap();
    let fifo = dir.join(name);
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    fifo
}

/// Waits until the run's lock is held: the shim was given the order and goes about it.
fn until_locked(stage: &Stage) {
    let lock = fs::metadata(stage.home.run_dir(&stage.id).join("run.lock")).unwrap();
    let mark = format!(":{} ", lock.ino());
    stage.home.wait_for("the run's lock to be held", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("FLOCK") && line.contains(&mark)).then_some(())
    });
}

fn kill_all(stage: &Stage, victims: Victims) {
    // The daemon first: it would at once start another shim.
    if victims != Victims::Shim {
        stage.home.kill_daemon();
    }
    if victims != Victims::Daemon {
        stage.kill_shim();
    }
}

#[test]
fn a_crash_after_the_intent_and_before_the_order_starts_one_worker() {
    trials(&[Victims::Daemon], |stage, _, victims| {
        let socket = stage.socket();
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        stage.retry();
        // The intent is on disk, for the daemon turns to the shim.
        let connection = stage.home.wait_for("the daemon", || listener.accept().ok());
        kill_all(stage, victims);
        drop((connection, listener));
        fs::remove_file(socket).unwrap();
    });
}

#[test]
fn a_crash_after_the_order_and_before_the_fork_starts_one_worker() {
    trials(&ANY, |stage, attempt, victims| {
        let fifo = block(stage, attempt, "output.log");
        stage.retry();
        until_locked(stage);
        if victims == Victims::Daemon {
            kill_all(stage, victims);
            // The shim goes on; the worker will not print anything.
            return drop(File::open(fifo).unwrap());
        }
        fs::remove_file(fifo).unwrap();
        kill_all(stage, victims);
    });
}

#[test]
fn a_crash_after_the_fork_and_before_its_record_starts_one_worker() {
    trials(&[Victims::Shim, Victims::Both], |stage, attempt, victims| {
        let fifo = block(stage, attempt, "spawn.json.tmp");
        stage.retry();
        let forked = stage.home.wait_for("the fork", || {
            // Looked for each time: the first one seen may be the last attempt's, just leaving.
            let shim = stage.shim()?.pid;
            let children = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).ok()?;
            // It has to stand before the FIFO: otherwise it would find none, and write its record.
            let waits_in = fs::read_to_string(format!("/proc/{shim}/wchan")).ok()?;
            waits_in.contains("wait_for_partner").then(|| children.trim().parse().ok())?
        });
        fs::remove_file(fifo).unwrap();
        kill_all(stage, victims);
        stage.home.wait_for("the end of what was forked", || (!alive(forked)).then_some(()));
    });
}

#[test]
fn a_crash_after_the_record_and_before_the_daemon_knows_keeps_the_one_worker() {
    trials(&ANY, |stage, attempt, victims| {
        let fifo = block(stage, attempt, "output.log");
        stage.retry();
        until_locked(stage);
        let daemon = stage.home.daemon_pid();
        kill(daemon, "STOP");
        drop(File::open(fifo).unwrap());
        stage.home.wait_for("the worker", || stage.starts(attempt).pop());
        assert!(stage.attempt_dir(attempt).join("spawn.json").exists());
        kill_all(stage, victims);
        kill(daemon, "CONT");
    });
}
