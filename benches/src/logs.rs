//! `logs`: what a worker's output costs us.
//!
//! Counted is the CPU time of the daemon and the shim while the worker prints. The baseline is
//! a pump, which reads the same output from a pipe and writes it to a file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{
    DONE, Fault, Fleet, Home, Marks, Retries, Runs, Worker, cpu_ns, cpu_ns_of_this_thread, millis_between,
    monotonic_ns,
};

/// Time after the last byte until whoever wants to look at it has looked.
const SETTLE: Duration = Duration::from_secs(1);
/// Bytes that the pump moves at once: a pipe's.
const PUMP_BYTES: usize = 64 * 1024;
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 1] = [("cpu_ms_per_mib", 0.5)];

/// How much is printed.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// In MiB.
    mib: u64,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self { mib: 256 };
    /// Shows that it works.
    const QUICK: Self = Self { mib: 1 };
}

/// What one side used, and how long the worker took.
struct Cost {
    cpu_ns: u64,
    took_ms: f64,
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    let bytes = amount.mib << 20;
    let pump = pump(&home, bytes)?;
    let ours = ours(&home, bytes)?;
    home.close()?;
    // To a ten-thousandth: a cost of nothing would else look like no cost measured.
    let per_mib = |cost: &Cost| (cost.cpu_ns as f64 / 1e6 / amount.mib as f64 * 1e4).round() / 1e4;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("logs"));
    result.insert("output_mib".to_owned(), json!(amount.mib));
    result.insert("cpu_ms_per_mib".to_owned(), json!(per_mib(&ours)));
    result.insert("printed_in_ms".to_owned(), json!(ours.took_ms));
    result.insert("pump_cpu_ms_per_mib".to_owned(), json!(per_mib(&pump)));
    result.insert("pump_printed_in_ms".to_owned(), json!(pump.took_ms));
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

fn ours(home: &Home, bytes: u64) -> Result<Cost, Fault> {
    let mut marks = Marks::create(home.path().join("ours.marks"))?;
    let go = home.path().join("ours.go");
    let fleet = Fleet::start(home, &Worker::Flood { go: go.clone(), bytes }, 1, Retries::Never, &mut marks)?;
    fleet.shown_running(home)?;
    thread::sleep(SETTLE);
    let processes = home.processes()?;
    let ours: Vec<u32> =
        processes.iter().filter(|process| process.is_daemon() || process.is_shim()).map(|p| p.pid).collect();
    if ours.len() != 2 {
        return Err(Fault::wrong(format!("one daemon and one shim are not {} processes", ours.len())));
    }
    let used = || ours.iter().copied().map(cpu_ns).sum::<Result<u64, Fault>>();
    let before = used()?;
    let took_ms = let_go(&go, &mut marks)?;
    thread::sleep(SETTLE);
    let after = used()?;
    all_is_there(home, bytes)?;
    Ok(Cost { cpu_ns: after.saturating_sub(before), took_ms })
}

/// Lets the worker print, and waits until it is done.
fn let_go(go: &Path, marks: &mut Marks) -> Result<f64, Fault> {
    let from_ns = monotonic_ns();
    File::create_new(go).map_err(Fault::io("create", go))?;
    let done = marks.next_one()?;
    if done.word != DONE {
        return Err(Fault::wrong(format!("the worker says {:?} instead of {DONE:?}", done.word)));
    }
    Ok(millis_between(from_ns, done.at_ns))
}

/// The daemon hands out the last byte, and there is none after it.
fn all_is_there(home: &Home, bytes: u64) -> Result<(), Fault> {
    let mut daemon = home.connect()?;
    let runs: Runs = daemon.get("/v2/runs")?;
    let id = runs.runs.first().map(|run| run.run_id.clone()).unwrap_or_default();
    let tail = daemon.bytes(&format!("/v2/runs/{id}/output?offset={}", bytes - 1))?;
    if tail.len() == 1 {
        return Ok(());
    }
    Err(Fault::wrong(format!("of {bytes} bytes of output, the last one is followed by {} bytes", tail.len())))
}

/// The baseline, on this thread.
fn pump(home: &Home, bytes: u64) -> Result<Cost, Fault> {
    let mut marks = Marks::create(home.path().join("pump.marks"))?;
    let (go, copy) = (home.path().join("pump.go"), home.path().join("pump.log"));
    let argv = Worker::Flood { go: go.clone(), bytes }.command(marks.path(), 0)?;
    let (program, arguments) = argv.split_first().ok_or_else(|| Fault::wrong("a worker has no program"))?;
    let start = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut worker = start.map_err(Fault::io("start", program))?;
    let pumped = (|| {
        let mut from = worker.stdout.take().ok_or_else(|| Fault::wrong("the worker has no output"))?;
        let mut to = File::create_new(&copy).map_err(Fault::io("create", &copy))?;
        let mut buffer = vec![0; PUMP_BYTES];
        marks.next_one()?;
        let before = cpu_ns_of_this_thread()?;
        let from_ns = monotonic_ns();
        File::create_new(&go).map_err(Fault::io("create", &go))?;
        let mut left = bytes;
        while left > 0 {
            let read = from.read(&mut buffer).map_err(Fault::io("read from", program))?;
            if read == 0 {
                return Err(Fault::wrong("the worker ended before it had printed all"));
            }
            let piece = buffer.get(..read).unwrap_or_default();
            to.write_all(piece).map_err(Fault::io("write", &copy))?;
            left = left.saturating_sub(read as u64);
        }
        let cpu_ns = cpu_ns_of_this_thread()?.saturating_sub(before);
        let done = marks.next_one()?;
        Ok(Cost { cpu_ns, took_ms: millis_between(from_ns, done.at_ns) })
    })();
    let ended = worker.kill().and_then(|()| worker.wait()).map_err(Fault::io("end", program));
    std::fs::remove_file(&copy).map_err(Fault::io("remove", &copy))?;
    ended.and(pumped)
}
