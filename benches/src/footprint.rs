//! `footprint`: what the daemon and the shims cost while the workers say nothing.
//!
//! Memory is the proportional set size, so what a hundred shims share counts once. The
//! baseline is the memory of the workers themselves, the lightest there are.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Fault, Fleet, Home, Marks, Process, Retries, Worker, cpu_ms_in_all, pss_bytes};

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 4] =
    [("pss_1_mib", 10.0), ("pss_100_mib", 25.0), ("pss_500_mib", 80.0), ("idle_cpu_ms_per_s", 1.0)];

/// How many workers, and how long their silence is listened to.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Name of the figure, workers.
    fleets: [(&'static str, u32); 3],
    /// The fleet, by its name, whose idle CPU time is measured.
    idle: &'static str,
    /// For how long.
    listen: Duration,
    /// Time from the start of the last worker until what its start took has been given back.
    settle: Duration,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self {
        fleets: [("1", 1), ("100", 100), ("500", 500)],
        idle: "100",
        listen: Duration::from_secs(30),
        settle: Duration::from_secs(3),
    };
    /// Shows that it works.
    const QUICK: Self = Self {
        fleets: [("1", 1), ("100", 3), ("500", 5)],
        idle: "100",
        listen: Duration::from_millis(500),
        settle: Duration::from_millis(100),
    };
}

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("footprint"));
    for (name, workers) in amount.fleets {
        let home = Home::new(folder)?;
        let mut marks = Marks::create(home.path().join("marks"))?;
        let fleet = Fleet::start(&home, &Worker::Trivial, workers, Retries::Never, &mut marks)?;
        fleet.shown_running(&home)?;
        thread::sleep(amount.settle);
        let ours = ours(&home, workers)?;
        let daemon: Vec<_> = ours.iter().filter(|process| process.is_daemon()).collect();
        let whole = pss_mib(ours.iter().map(|process| process.pid))?;
        result.insert(format!("pss_{name}_mib"), json!(whole));
        let alone = pss_mib(daemon.iter().map(|process| process.pid))?;
        result.insert(format!("daemon_{name}_mib"), json!(alone));
        result.insert(format!("workers_{name}_mib"), json!(pss_mib(fleet.pids())?));
        if name == amount.idle {
            result.insert("idle_cpu_ms_per_s".to_owned(), json!(idle_cpu(&ours, amount.listen)?));
        }
        home.close()?;
    }
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// The daemon and the shims: one of each run.
fn ours(home: &Home, workers: u32) -> Result<Vec<Process>, Fault> {
    let mut all = home.processes()?;
    all.retain(|process| process.is_daemon() || process.is_shim());
    let shims = all.iter().filter(|process| process.is_shim()).count();
    if shims == workers as usize && all.len() == shims + 1 {
        return Ok(all);
    }
    Err(Fault::wrong(format!("{workers} runs have {shims} shims and {} daemons", all.len() - shims)))
}

/// In MiB, to a hundredth.
fn pss_mib(pids: impl Iterator<Item = u32>) -> Result<f64, Fault> {
    let bytes = pids.map(pss_bytes).sum::<Result<u64, Fault>>()?;
    Ok((bytes as f64 / f64::from(1 << 20) * 100.0).round() / 100.0)
}

/// Milliseconds of CPU per second, to a thousandth. With what threads used that have ended
/// meanwhile: a sleeping daemon does its little work on threads that come and go.
fn idle_cpu(processes: &[Process], listen: Duration) -> Result<f64, Fault> {
    let used = || processes.iter().map(|process| cpu_ms_in_all(process.pid)).sum::<Result<u64, Fault>>();
    let (start, before) = (Instant::now(), used()?);
    thread::sleep(listen);
    let (after, took) = (used()?, start.elapsed());
    let ms = after.saturating_sub(before) as f64;
    Ok((ms / took.as_secs_f64() * 1000.0).round() / 1000.0)
}
