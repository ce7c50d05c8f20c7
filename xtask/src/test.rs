//! `cargo xtask test`: one build, all tests, one closing line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Instant;

use crate::clients;
use crate::disk_tools;
use crate::nats_server;
use crate::step::{self, StartError};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Tells integration tests which `resus` to start: they are in another package than the
/// program, so cargo does not tell them.
const RESUS_BIN: &str = "RESUS_BIN";

/// Why the tests could not be run to their end.
#[derive(Debug)]
pub enum TestError {
    /// Cargo could not be started.
    Start(StartError),
    /// The output of the tests could not be read or repeated.
    Output(io::Error),
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Output(error) => write!(f, "failed to pass on the output of the tests: {error}"),
        }
    }
}

impl std::error::Error for TestError {}

/// Builds everything, runs the tests that match, and says how many passed. The last line of
/// standard output is `N passed, N failed`.
///
/// # Errors
/// [`TestError`] when cargo could not be started or listened to.
pub fn run(workspace: &Workspace, filters: &[String]) -> Result<bool, TestError> {
    let start = Instant::now();
    let built = build(workspace)?;
    if built && nats_server::fetch(workspace).is_err() {
        // Told already; a test that needs what is missing fails and says so.
        eprintln!("warning: tests that need a NATS server will fail");
    }
    if built && disk_tools::fetch(workspace).is_err() {
        eprintln!("warning: tests that do harm to disks will fail");
    }
    if built && let Err(error) = clients::install(workspace) {
        eprintln!("warning: tests that use libraries of other languages will fail: {error}");
    }
    let tally = if built { test(workspace, filters)? } else { Tally::default().closed(false) };
    let Tally { programs, passed, failed, ignored } = tally;
    let took = start.elapsed().as_secs_f64();
    println!("== test: {programs} programs run, {ignored} tests ignored, {took:.1} s with the build");
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Builds the programs and the tests together. Building `resus` by itself would select other
/// features of shared dependencies, and compile tokio and everything above it twice.
fn build(workspace: &Workspace) -> Result<bool, TestError> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--all-targets", "--locked"]);
    let verdict = step::run("build", &mut cargo).map_err(TestError::Start)?;
    eprintln!("{verdict}");
    Ok(verdict.passed)
}

fn test(workspace: &Workspace, filters: &[String]) -> Result<Tally, TestError> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--"]).args(filters);
    cargo.env(RESUS_BIN, workspace.program("resus")).stdout(Stdio::piped());
    eprintln!("== test: {}", step::line_of(&cargo));
    let mut child = cargo.spawn().map_err(|source| TestError::Start(StartError::of(&cargo, source)))?;
    let heard = match child.stdout.take() {
        Some(output) => listen(output, &mut io::stdout()),
        None => Ok(Tally::default()),
    };
    let status = child.wait().map_err(TestError::Output)?;
    Ok(heard.map_err(TestError::Output)?.closed(status.success()))
}

/// Repeats the output line by line and counts. What tests print need not be UTF-8.
fn listen(output: impl Read, repeat: &mut impl Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        repeat.write_all(&line)?;
        tally.hear(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    repeat.flush()?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_repeated_byte_by_byte_and_counted() {
        let said =
            b"\xff\xfe not text\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\nno newline";
        let mut repeated = Vec::new();
        let tally = listen(&said[..], &mut repeated).unwrap();
        assert_eq!(repeated, said);
        assert_eq!((tally.programs, tally.passed), (1, 3));
    }
}
