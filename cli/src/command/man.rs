//! `resus man`: manual pages.

use crate::command::Around;
use crate::error::CliError;
use crate::help::pages::{ManualPage, page, pages};
use clap::Args;
use resus_core::exit::ExitCode;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `resus man`.
#[derive(Debug, Args)]
#[command(after_help = "Pages are written in roff, which man shows. They say what --help says.

Examples:
  resus man | man -l -
  resus man checkpoints verify | man -l -
  resus man --dir ~/.local/share/man/man1 && man resus-run")]
pub(crate) struct ManArgs {
    /// Of this command [default: resus itself]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write all pages into this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Carries out `resus man`. Asks no daemon.
///
/// # Errors
/// [`CliError`]: there is no such command, or a page can't be written.
pub(crate) fn man(args: &ManArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let Some(dir) = &args.dir else {
        let page = page(&args.command).map_err(CliError::Output)?.ok_or_else(|| CliError::Usage {
            what: format!("there is no command {:?}", args.command.join(" ")),
            next: "resus --help lists all commands".to_owned(),
        })?;
        match console.json {
            true => console.out_json(&document(&page))?,
            false => console.out(&page.text)?,
        }
        return Ok(ExitCode::Ok);
    };
    let pages = pages().map_err(CliError::Output)?;
    make(dir)?;
    for page in &pages {
        let path = dir.join(&page.file);
        fs::write(&path, &page.text).map_err(|source| CliError::Io { what: "write", path, source })?;
        if console.json {
            console.out_json(&document(page))?;
        }
    }
    if !console.json {
        console.tell(&format!("{} pages are in {}\n", pages.len(), dir.display()));
    }
    Ok(ExitCode::Ok)
}

fn make(dir: &Path) -> Result<(), CliError> {
    fs::create_dir_all(dir).map_err(|source| CliError::Io { what: "make", path: dir.to_owned(), source })
}

fn document(page: &ManualPage) -> serde_json::Value {
    json!({"file": page.file, "text": page.text})
}
