//! However the start of an attempt is cut short, whatever holds the run's lock, whoever has a
//! worker's number by now, and after a reboot: never two workers, and nobody else is signalled.
//!
//! Orphans become children of this process (or of one in namespaces of its own), which reaps
//! them: so the tests do not depend on the machine's init.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod instants;
mod lock;
mod namespaces;
mod number;
mod reboot;

use resus_tests::{Home, Process, alive, kill, processes_of};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One run that is started again and again. Its workers note that they were started, and stay.
struct Stage {
    home: Home,
    id: String,
}

impl Stage {
    /// A run whose first attempt runs. Nothing is retried unless the test says so.
    fn new() -> Self {
        set_child_subreaper(Some(getpid())).unwrap();
        let home = Home::new();
        let script = "echo $PULSE_ATTEMPT $$ >> starts; exec sleep 1000";
        let id = home.submit(&["--retries", "0", "--", "sh", "-c", script]);
        let stage = Self { home, id };
        let _first = stage.running(1);
        stage
    }

    /// Waits until the attempt runs, and returns its worker: the only one that there is and
    /// ever was of this attempt.
    fn running(&self, attempt: u32) -> u32 {
        let run = self.home.until(&self.id, &format!("attempt {attempt} running"), |run| {
            assert!(run["attempt"].as_u64() <= Some(u64::from(attempt)), "another attempt: {run}");
            run["attempt"] == attempt && run["phase"] == "running"
        });
        let worker = pid_of(&run);
        let started = self.home.wait_for("the worker to say that it started", || {
            Some(self.starts(attempt)).filter(|starts| !starts.is_empty())
        });
        assert_eq!(started, [format!("{attempt} {worker}")], "started twice");
        // A process in the middle of an exec has no environment to be found by.
        let workers = self.home.wait_for("the worker to be seen", || {
            Some(self.home.workers(&self.id)).filter(|workers| !workers.is_empty())
        });
        assert_eq!(workers.iter().map(|process| process.pid).collect::<Vec<_>>(), [worker]);
        worker
    }

    /// What workers of the attempt noted when they were started: the attempt and their id.
    fn starts(&self, attempt: u32) -> Vec<String> {
        let starts = std::fs::read_to_string(self.home.path().join("work/starts")).unwrap_or_default();
        let of_this = |line: &&str| line.split_once(' ').is_some_and(|(n, _)| n == attempt.to_string());
        starts.lines().filter(of_this).map(str::to_owned).collect()
    }

    /// Kills the run, whose worker may be our child by now, and waits until its shim is gone.
    fn cancel(&self, worker: u32) {
        let mut killing = self.home.start(&["kill", &self.id]);
        self.home.wait_for("the kill", || {
            reap(worker);
            killing.try_wait().unwrap()
        });
        self.home.finish(killing, "kill").expect_code(0);
        self.settled("cancelled");
    }

    /// Waits until the run has ended in `phase` and nothing of it is there any more.
    fn settled(&self, phase: &str) {
        let _ended = self.home.until_phase(&self.id, phase);
        self.home.wait_for("the end of worker and shim", || {
            (self.home.workers(&self.id).is_empty() && self.shim().is_none() && !self.socket().exists())
                .then_some(())
        });
    }

    fn retry(&self) {
        self.home.resus(&["retry", &self.id]).expect_code(0);
    }

    fn shim(&self) -> Option<Process> {
        let is_it =
            |process: &Process| process.command.contains(" shim ") && process.command.contains(&self.id);
        processes_of(self.home.path()).into_iter().find(is_it)
    }

    fn kill_shim(&self) {
        let shim = self.home.wait_for("a shim", || self.shim());
        kill(shim.pid, "KILL");
        self.home.wait_for("the shim's death", || (!alive(shim.pid)).then_some(()));
    }

    /// Where the run's shim listens.
    fn socket(&self) -> PathBuf {
        let short = &self.id[self.id.len() - 20..];
        self.home.socket().with_file_name(format!("{short}.shim"))
    }

    fn attempt_dir(&self, attempt: u32) -> PathBuf {
        self.home.run_dir(&self.id).join(format!("attempts/{attempt:04}"))
    }
}

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

/// Reaps the process if it is a dead child of ours.
fn reap(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _not_ours_or_alive = waitpid(Some(pid), WaitOptions::NOHANG);
}

/// A process that has nothing to do with any run. It leads a group, so that a signal meant for
/// the group of a worker with its number would meet it.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").env_clear().process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// How often the daemon has adopted a worker.
fn adoptions(home: &Home) -> usize {
    let log = std::fs::read_to_string(home.state().join("daemon.log")).unwrap_or_default();
    log.matches("worker adopted").count()
}
