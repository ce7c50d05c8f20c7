//! `resus config`: the settings.

use crate::command::Around;
use crate::error::CliError;
use crate::settings::DEFAULT;
use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;

/// Arguments of `resus config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every key with its meaning and its default, as a file to start from
    Defaults,
}

/// Carries out `resus config`.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn config(args: ConfigArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Defaults if around.console.json => around.console.out_json(&DEFAULT)?,
        What::Defaults => around.console.out(DEFAULT)?,
    }
    Ok(ExitCode::Ok)
}
