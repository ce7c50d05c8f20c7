//! Benchmarks: `resus-bench NAME FOLDER` prints one line of JSON. `cargo xtask bench NAME` builds
//! and runs it.
//!
//! Every figure stands beside a baseline that was measured in the same run on the same disk or
//! processor, since a figure alone says more about the machine than about us. Where there is a
//! goal, the line says it, and whether it was met.
//!
//! The same program is also the workers of the benchmarks; see `rig`.

mod adopt;
mod bus;
mod checkpoint;
mod cli;
mod event_latency;
mod extent;
mod footprint;
mod goal;
mod hang;
mod ingest;
mod ledger;
mod logs;
mod othello;
mod pause;
mod restart;
mod restart_storm;
mod rig;
mod sample;
mod silence;
mod start;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::extent::Extent;

const USAGE: &str = "usage: resus-bench NAME FOLDER [quick] (FOLDER is on the disk to be measured)";

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("there is no bench {0:?}")]
    Unknown(String),
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::CheckpointBenchError),
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerBenchError),
    #[error(transparent)]
    Othello(#[from] othello::OthelloBenchError),
    #[error(transparent)]
    Rig(#[from] rig::Fault),
}

fn main() -> ExitCode {
    // The first act of all: it is what a worker is asked for.
    let begun_ns = rig::monotonic_ns();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(life) = rig::Worker::live_if_asked(&arguments, begun_ns) {
        return life;
    }
    if let Some(life) = checkpoint::live_if_asked(&arguments) {
        return life;
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, folder, extent) = match words[..] {
        [name, folder] => (name, folder, Extent::Full),
        [name, folder, "quick"] => (name, folder, Extent::Quick),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure_beside(name, Path::new(folder), extent) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: bench {name}: {}", with_sources(&error));
            ExitCode::FAILURE
        }
    }
}

/// Measures, and adds how busy the machine was before: with a high load, figures mean little.
fn measure_beside(name: &str, folder: &Path, extent: Extent) -> Result<Value, BenchError> {
    let load = rig::load()?;
    let mut result = measure(name, folder, extent)?;
    if let Value::Object(figures) = &mut result {
        figures.insert("load".to_owned(), json!(load));
    }
    Ok(result)
}

fn measure(name: &str, folder: &Path, extent: Extent) -> Result<Value, BenchError> {
    match name {
        "ledger" => Ok(ledger::measure(folder, extent)?),
        "othello" => Ok(othello::measure(extent)?),
        "restart" => Ok(restart::measure(folder, extent)?),
        "restart-storm" => Ok(restart_storm::measure(folder, extent)?),
        "adopt" => Ok(adopt::measure(folder, extent)?),
        "start" => Ok(start::measure(folder, extent)?),
        "footprint" => Ok(footprint::measure(folder, extent)?),
        "cli" => Ok(cli::measure(folder, extent)?),
        "silence" => Ok(silence::measure(folder, extent)?),
        "logs" => Ok(logs::measure(folder, extent)?),
        "hang" => Ok(hang::measure(folder, extent)?),
        "pause" => Ok(pause::measure(folder, extent)?),
        "ingest" => Ok(ingest::measure(folder, extent)?),
        "event-latency" => Ok(event_latency::measure(folder, extent)?),
        "bus" => Ok(bus::measure(folder, extent)?),
        "checkpoint" => Ok(checkpoint::measure(folder, extent)?),
        other => Err(BenchError::Unknown(other.to_owned())),
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_bench_is_dispatched() {
        let list = include_str!("../benches.txt");
        let source = include_str!("main.rs");
        for line in list.lines() {
            let (name, what) = line.split_once(' ').expect("a name, then what it measures");
            assert!(source.contains(&format!("\"{name}\" => Ok(")), "{name} is listed and not dispatched");
            assert!(!what.trim().is_empty());
        }
        assert!(matches!(measure("ledgr", Path::new("/"), Extent::Quick), Err(BenchError::Unknown(_))));
    }
}
