//! Benchmarks: `resus-bench NAME FOLDER` prints one line of JSON. `cargo xtask bench NAME` builds
//! and runs it.
//!
//! Every figure stands beside a baseline that was measured in the same run on the same disk or
//! processor, since a figure alone says more about the machine than about us.

mod ledger;
mod othello;
mod sample;

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("there is no bench {0:?}")]
    Unknown(String),
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerBenchError),
    #[error(transparent)]
    Othello(#[from] othello::OthelloBenchError),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else {
        eprintln!("usage: resus-bench NAME FOLDER (FOLDER is on the disk to be measured)");
        return ExitCode::from(2);
    };
    match measure(name, Path::new(folder)) {
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

fn measure(name: &str, folder: &Path) -> Result<Value, BenchError> {
    match name {
        "ledger" => Ok(ledger::measure(folder, ledger::Amount::FULL)?),
        "othello" => Ok(othello::measure(othello::BATCHES)?),
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
        assert!(matches!(measure("ledgr", Path::new("/")), Err(BenchError::Unknown(_))));
    }
}
