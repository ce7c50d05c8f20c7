//! `resus checkpoints show`: what a file says about itself.

use crate::command::Around;
use crate::error::CliError;
use crate::judgement::unusable;
use crate::named::{self, Named};
use crate::render::outline::{document, text};
use clap::Args;
use resus_checkpoint::peek;
use resus_core::exit::ExitCode;

/// Arguments of `resus checkpoints show`.
#[derive(Debug, Args)]
#[command(after_help = "Reads the head only: 'resus checkpoints verify' reads all of it.

Examples:
  resus checkpoints show nightly:latest
  resus checkpoints show model.prsm --json")]
pub(crate) struct ShowArgs {
    /// A file, or RUN:CHECKPOINT
    #[arg(value_name = "PATH")]
    pub what: String,
}

/// Carries out `resus checkpoints show`.
///
/// # Errors
/// [`CliError`]: there is none, or it is damaged where it says what it is.
pub(crate) async fn show(args: ShowArgs, around: &Around) -> Result<ExitCode, CliError> {
    let path = named::file(Named::typed(&args.what), around).await?;
    let peeked = peek(&path).map_err(|refusal| unusable(path.clone(), refusal, "show"))?;
    let console = &around.console;
    match console.json {
        true => console.out_json(&document(&path, &peeked))?,
        false => console.out(&text(&path, &peeked, &console.out_page()))?,
    }
    Ok(ExitCode::Ok)
}
