//! `resus config`: the settings: what applies and why, whether a file is right, and what to start
//! from.

mod check;
mod init;
mod show;

use crate::command::Around;
use crate::error::CliError;
use crate::settings::{DEFAULT, Voice, schema};
pub(crate) use show::applying;

use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;

/// Arguments of `resus config`.
#[derive(Debug, Args)]
#[command(
    after_help = "Settings are layers: the defaults, your file (~/.config/resus/config.toml or what $RESUS_CONFIG
names), the project's resus.toml (in the folder of the command or the nearest one above it), and
--set KEY=VALUE. The later one wins.

Examples:
  resus config show --origin
  resus config init && resus config check
  resus config defaults | grep -A12 retry"
)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the settings that apply in this folder
    Show(show::ShowArgs),
    /// Look for mistakes in the settings of this folder, or in files; exit code 13 if there are
    Check(check::CheckArgs),
    /// Print the JSON Schema of the settings, for editors
    Schema(SchemaArgs),
    /// Write a file to start from, in this folder or, with --user, for yourself
    Init(init::InitArgs),
    /// Print every key with its meaning and its default
    Defaults,
}

#[derive(Debug, Args)]
#[command(
    after_help = "'resus config init' writes it, too, beside your settings, and names it in the file's first line.

Examples:
  resus config schema > config.schema.json
  resus config schema --project > resus.schema.json"
)]
struct SchemaArgs {
    /// Of a project's resus.toml rather than of the user's file
    #[arg(long)]
    project: bool,
}

/// Carries out `resus config`.
///
/// # Errors
/// [`CliError`].
pub(crate) fn config(args: ConfigArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Show(args) => show::show(&args, around)?,
        What::Check(args) => check::check(&args, around)?,
        What::Schema(SchemaArgs { project }) => {
            let voice = if project { Voice::Project } else { Voice::User };
            around.console.out(&schema::text(voice))?;
        }
        What::Init(args) => init::init(&args, around)?,
        What::Defaults if around.console.json => around.console.out_json(&DEFAULT)?,
        What::Defaults => around.console.out(DEFAULT)?,
    }
    Ok(ExitCode::Ok)
}
