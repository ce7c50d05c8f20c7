//! `resus completion`: the script that lets a shell complete commands, runs and checkpoints.

use crate::command::Around;
use crate::completion::script;
use crate::error::CliError;
use clap::Args;
use clap::builder::PossibleValuesParser;
use resus_core::exit::ExitCode;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// What people type.
const PROGRAM: &str = "resus";

/// Arguments of `resus completion`.
#[derive(Debug, Args)]
#[command(
    after_help = "Names and ids of runs, checkpoints and workloads are completed as they are at that moment. No
daemon is started for it, and one that does not answer at once is not waited for.

Examples:
  source <(resus completion bash)      # in ~/.bashrc
  source <(resus completion zsh)       # in ~/.zshrc, behind compinit
  resus completion fish > ~/.config/fish/completions/resus.fish"
)]
pub(crate) struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(
        value_name = "SHELL",
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(["bash", "zsh", "fish", "elvish", "powershell"])
    )]
    pub shell: String,
}

/// Carries out `resus completion`. Asks no daemon.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn completion(args: &CompletionArgs, around: &Around) -> Result<ExitCode, CliError> {
    let text = script(&args.shell, &program()).map_err(CliError::Output)?.unwrap_or_default();
    match around.console.json {
        true => around.console.out_json(&text)?,
        false => around.console.out(&text)?,
    }
    Ok(ExitCode::Ok)
}

/// What the script is to call: `resus` if that is this program, else its path.
fn program() -> String {
    let Some(here) = env::current_exe().ok().and_then(|path| fs::canonicalize(path).ok()) else {
        return PROGRAM.to_owned();
    };
    let is_found = in_path().and_then(|path| fs::canonicalize(path).ok()).is_some_and(|found| found == here);
    if is_found { PROGRAM.to_owned() } else { here.to_string_lossy().into_owned() }
}

fn in_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|path: &PathBuf| is_file(path))
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}
