//! The chores of this repository, so that a developer and the CI do the same: `cargo xtask test`,
//! `cargo xtask lint`, `cargo xtask bench NAME`.
//!
//! Architecture invariant: no dependencies. This crate is compiled before anything else can
//! happen, and its dependencies would be compiled a second time with other features.

mod bench;
mod clients;
mod debian;
mod disk_tools;
mod lint;
mod nats_server;
mod step;
mod tally;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use crate::workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [FILTER…]   build everything once, then run all tests, or those whose name contains a FILTER
  nats-server      fetch the NATS servers that tests run against; 'test' does so too
  clients          install the libraries of other languages that tests use; 'test' does so too
  disk-tools       fetch what tests do harm to disks with; 'test' does so too
  lint             rustfmt, clippy, rustdoc and cargo-deny, all without a warning
  bench NAME…      run benchmarks in the release profile, one line of JSON each
  help             this text

Everything goes into cargo's target folder, tools of our own included (under tools/).
";

/// Exit code for a command line that does not fit.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    };
    match (command.as_str(), rest) {
        ("help" | "-h" | "--help", _) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        ("test", filters) => in_workspace(|workspace| test::run(workspace, filters)),
        ("nats-server", []) => in_workspace(nats_server::fetch),
        ("disk-tools", []) => in_workspace(disk_tools::fetch),
        ("clients", []) => in_workspace(clients::install),
        ("lint", []) => in_workspace(lint::run),
        ("bench", names) => match bench::choose(names) {
            Ok(names) => in_workspace(|workspace| bench::run(workspace, &names)),
            Err(unknown) => usage(&unknown.to_string()),
        },
        ("clients" | "disk-tools" | "lint" | "nats-server", [extra, ..]) => {
            usage(&format!("{command} takes no argument, not {extra:?}"))
        }
        _ => usage(&format!("there is no command {command:?}\n\n{HELP}")),
    }
}

/// Runs `work`, whose result says whether all went well; an error is one that kept it from going on.
fn in_workspace<E: std::error::Error>(work: impl FnOnce(&Workspace) -> Result<bool, E>) -> ExitCode {
    let workspace = match Workspace::of_this_program() {
        Ok(workspace) => workspace,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match work(&workspace) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(what: &str) -> ExitCode {
    eprintln!("error: {what}");
    ExitCode::from(USAGE)
}
