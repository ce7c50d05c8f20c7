//! `silence`: how long a person waits to be told that the daemon hangs.
//!
//! The daemon is stopped (SIGSTOP) and commands of several kinds are asked in turn. The baseline is the
//! same commands with the daemon awake.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Fault, Fleet, Home, Marks, Retries, Worker};
use crate::sample::Sample;

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 1] = [("silent_p95_ms", 3_000.0)];
/// What is asked: from memory, of the ledger, and a command to a run.
const COMMANDS: [&[&str]; 4] = [&["ps"], &["why", "@latest"], &["logs", "@latest"], &["resume", "@latest"]];

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let rounds = extent.choose(10, 1);
    let home = Home::new(folder)?;
    let mut marks = Marks::create(home.path().join("marks"))?;
    let fleet = Fleet::start(&home, &Worker::Trivial, 1, Retries::Never, &mut marks)?;
    fleet.shown_running(&home)?;
    let awake = asked(&home, rounds)?;
    let daemon = home.daemon_pid()?;
    signal(daemon, Signal::STOP)?;
    let silent = asked(&home, rounds);
    signal(daemon, Signal::CONT)?;
    let silent = silent?;
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("silence"));
    result.insert("commands".to_owned(), json!(rounds * COMMANDS.len()));
    silent.tell_ms("silent", &mut result);
    awake.tell_ms("awake", &mut result);
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// How long each command took, whatever it said.
fn asked(home: &Home, rounds: usize) -> Result<Sample, Fault> {
    let mut sample = Sample::default();
    for _ in 0..rounds {
        for args in COMMANDS {
            sample.add(timed(home, args)?);
        }
    }
    Ok(sample)
}

fn timed(home: &Home, args: &[&str]) -> Result<Duration, Fault> {
    let mut command = home.command(args);
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.map_err(Fault::io("run", command.get_program()))?;
    Ok(begun.elapsed())
}

fn signal(pid: u32, signal: Signal) -> Result<(), Fault> {
    let known = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = known.ok_or_else(|| Fault::wrong(format!("{pid} is no process id")))?;
    kill_process(pid, signal).map_err(|error| Fault::wrong(format!("failed to signal the daemon: {error}")))
}
