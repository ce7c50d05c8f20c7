//! `resus checkpoints compare`: how two checkpoints differ.

use crate::command::Around;
use crate::counting::Counting;
use crate::error::CliError;
use crate::judgement::unusable;
use crate::named::{self, Named};
use crate::progress::watched;
use crate::render::comparison::{document, text};
use clap::Args;
use resus_checkpoint::{CompareError, compare_with};
use resus_core::exit::ExitCode;
use std::path::PathBuf;

/// Arguments of `resus checkpoints compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Both are verified. Exit code 0 if their sections are the same, 16 if they differ, 15 if one
is damaged.

Examples:
  resus checkpoints compare nightly:ck-000100 nightly:latest
  resus checkpoints compare a.prsm b.prsm"
)]
pub(crate) struct CompareArgs {
    /// A file, or RUN:CHECKPOINT
    #[arg(value_name = "A")]
    pub first: String,
    /// Another
    #[arg(value_name = "B")]
    pub second: String,
}

/// Carries out `resus checkpoints compare`.
///
/// # Errors
/// [`CliError`]: there is none, or it is damaged.
pub(crate) async fn compare(args: CompareArgs, around: &Around) -> Result<ExitCode, CliError> {
    let first = named::file(Named::typed(&args.first), around).await?;
    let second = named::file(Named::typed(&args.second), around).await?;
    let disk = Counting::default();
    let length = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    // Read once to verify and once to compare.
    let size = length(&first).saturating_add(length(&second)).saturating_mul(2);
    let (reader, one, other) = (disk.clone(), first.clone(), second.clone());
    let work = tokio::task::spawn_blocking(move || compare_with(&reader, &one, &other));
    let name = format!("{} and {}", args.first, args.second);
    let found = watched(&name, size, &disk, work, around.console).await?.map_err(|error| match error {
        CompareError::First(refusal) => unusable(first, refusal, "compare"),
        CompareError::Second(refusal) => unusable(second, refusal, "compare"),
    })?;
    let console = &around.console;
    match console.json {
        true => console.out_json(&document(&found))?,
        false => console.out(&text(&found, &console.out_page()))?,
    }
    Ok(if found.is_same() { ExitCode::Ok } else { ExitCode::Differs })
}
