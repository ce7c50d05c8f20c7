//! Steps: commands with a name, a duration and a verdict.

use std::fmt;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is called.
    pub name: &'static str,
    /// Whether its command ended with code 0.
    pub passed: bool,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "ok    " } else { "FAILED" };
        write!(f, "{word} {:<8} {:>7.1} s", self.name, self.took.as_secs_f64())
    }
}

/// Why a command could not even be started.
#[derive(Debug)]
pub struct StartError {
    program: String,
    source: io::Error,
}

impl StartError {
    /// The failure to start `command`.
    pub fn of(command: &Command, source: io::Error) -> Self {
        Self { program: command.get_program().to_string_lossy().into_owned(), source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to start {}: {}", self.program, self.source)
    }
}

impl std::error::Error for StartError {}

/// Runs a command to its end, with our own input and output.
///
/// # Errors
/// [`StartError`] when it can't be started; that it fails is a verdict.
pub fn run(name: &'static str, command: &mut Command) -> Result<Verdict, StartError> {
    eprintln!("== {name}: {}", line_of(command));
    let start = Instant::now();
    let status = command.status().map_err(|source| StartError::of(command, source))?;
    Ok(Verdict { name, passed: status.success(), took: start.elapsed() })
}

/// The command as one could type it.
pub fn line_of(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_a_verdict_and_one_that_is_missing_an_error() {
        assert!(run("true", &mut Command::new("true")).unwrap().passed);
        assert!(!run("false", &mut Command::new("false")).unwrap().passed);
        let error = run("none", &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--locked"]);
        assert_eq!(line_of(&command), "cargo test --locked");
    }
}
