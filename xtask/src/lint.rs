//! `cargo xtask lint`: everything that can be said about the code without running it.

use std::fmt;
use std::process::Command;

use crate::step::{self, StartError};
use crate::tools::{self, ToolError};
use crate::workspace::Workspace;

/// Why the lints could not be run to their end.
#[derive(Debug)]
pub enum LintError {
    /// A command could not be started.
    Start(StartError),
    /// A tool is missing and could not be installed.
    Tool(ToolError),
}

impl fmt::Display for LintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Tool(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LintError {}

/// Runs every lint, also after one has failed, and says how each went.
///
/// # Errors
/// [`LintError`] when one could not be run at all.
pub fn run(workspace: &Workspace) -> Result<bool, LintError> {
    for component in ["rustfmt", "clippy"] {
        tools::component(workspace, component).map_err(LintError::Tool)?;
    }
    let deny = tools::cargo_deny(workspace).map_err(LintError::Tool)?;
    let mut verdicts = Vec::new();
    for (name, command) in [
        ("fmt", &mut cargo(workspace, &["fmt", "--all", "--check"])),
        ("clippy", &mut clippy(workspace)),
        ("doc", &mut doc(workspace)),
        ("deny", Command::new(deny).current_dir(workspace.root()).args(DENY)),
    ] {
        verdicts.push(step::run(name, command).map_err(LintError::Start)?);
    }
    let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
    for verdict in &verdicts {
        println!("{verdict}");
    }
    println!("== lint: {passed} of {} steps passed", verdicts.len());
    Ok(passed == verdicts.len())
}

/// Advisories are left out: they need a copy of a database that a build must not depend on.
const DENY: [&str; 6] = ["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.cargo();
    command.args(arguments);
    command
}

fn clippy(workspace: &Workspace) -> Command {
    cargo(workspace, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

fn doc(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace, &["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}
