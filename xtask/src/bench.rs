//! `cargo xtask bench NAME…`: the benchmarks of the package `resus-bench`, in the release profile.

use std::fmt;
use std::process::Command;

use crate::nats_server::{self, FetchError};
use crate::step::{self, StartError};
use crate::workspace::Workspace;

/// One benchmark per line: its name, then what it measures. The benchmarks' own program reads
/// the same file, so that a typing error is found before anything is compiled.
const KNOWN: &str = include_str!("../../benches/benches.txt");

/// The benchmark that needs a nats-server.
const BUS: &str = "bus";
/// Names that server to it; one that somebody else names is used.
const SERVER_VAR: &str = "RESUS_NATS_SERVER";

/// A name that is not in the list, or none.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(Option<String>);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => writeln!(f, "there is no bench {name:?}; there are:")?,
            None => writeln!(f, "which bench? there are:")?,
        }
        for line in KNOWN.lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// The names asked for, if they are all known.
///
/// # Errors
/// [`Unknown`], whose text lists the known ones.
pub fn choose(names: &[String]) -> Result<Vec<&str>, Unknown> {
    let known = |name: &str| KNOWN.lines().filter_map(|line| line.split(' ').next()).any(|k| k == name);
    if names.is_empty() {
        return Err(Unknown(None));
    }
    names
        .iter()
        .map(|name| if known(name) { Ok(name.as_str()) } else { Err(Unknown(Some(name.clone()))) })
        .collect()
}

/// Why benchmarks could not be run.
#[derive(Debug)]
pub enum BenchError {
    /// A program could not be started.
    Start(StartError),
    /// There is no nats-server.
    Server(FetchError),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Server(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BenchError {}

/// Builds what is measured and what measures, then runs the benchmarks one after another. Only
/// their results go to standard output.
///
/// # Errors
/// [`BenchError`].
pub fn run(workspace: &Workspace, names: &[&str]) -> Result<bool, BenchError> {
    // Before it takes minutes to compile anything.
    let fetched = names.contains(&BUS) && std::env::var_os(SERVER_VAR).is_none();
    let server = fetched.then(|| nats_server::newest(workspace)).transpose().map_err(BenchError::Server)?;
    // Together, so that what both depend on is compiled once; before, so that nothing is
    // compiled while something is measured.
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--locked", "--package", "resus", "--package", "resus-bench"]);
    let built = step::run("build", &mut cargo).map_err(BenchError::Start)?;
    eprintln!("{built}");
    let mut passed = built.passed;
    for name in names.iter().filter(|_| built.passed) {
        // It measures the `resus` that lies beside it.
        let mut bench = Command::new(workspace.target("release").join("resus-bench"));
        // Beside the build, since /tmp is often memory, whose syncs cost nothing.
        bench.arg(name).arg(workspace.target("bench"));
        bench.envs(server.as_ref().map(|program| (SERVER_VAR, program)));
        let verdict = step::run("bench", &mut bench).map_err(BenchError::Start)?;
        eprintln!("{verdict}");
        passed &= verdict.passed;
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_list_the_known_ones() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(&names(&["ledger", "restart-storm"])).unwrap(), ["ledger", "restart-storm"]);
        for (asked, word) in [(&["ledgr"][..], "ledgr"), (&["ledger", "x"], "\"x\""), (&[], "which bench?")] {
            let text = choose(&names(asked)).unwrap_err().to_string();
            assert!(
                text.contains(word) && text.contains("  ledger ") && text.contains("  othello "),
                "{text}"
            );
        }
    }
}
