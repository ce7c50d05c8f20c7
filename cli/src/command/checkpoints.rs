//! `resus checkpoints`: the checkpoints of a run, and the files that they are.

mod compare;
mod convert;
mod foreign;
mod keep;
mod list;
mod prsm;
mod show;
mod verify;

use crate::command::Around;
use crate::command::restore::{RestoreArgs, restore};
use crate::error::CliError;
use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;

/// Arguments of `resus checkpoints`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  resus checkpoints nightly
  resus checkpoints verify nightly
  resus checkpoints restore nightly ck-000150"
)]
pub(crate) struct CheckpointsArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// List those of this run
    #[arg(value_name = "RUN", required = true)]
    run: Option<String>,
}

/// What to do with them.
#[derive(Debug, Subcommand)]
enum What {
    /// List the checkpoints of a run
    Ls(list::ListArgs),
    /// Read every byte of checkpoints, and say what is wrong and where
    Verify(verify::VerifyArgs),
    /// Show what a checkpoint file says about itself
    Show(show::ShowArgs),
    /// Show how two checkpoints differ
    Compare(compare::CompareArgs),
    /// Write a checkpoint in another version of the format, or packed
    Convert(convert::ConvertArgs),
    /// Let a run go on from an older checkpoint, or anew
    Restore(RestoreArgs),
    /// Let retention leave a checkpoint alone
    Pin(keep::PinArgs),
    /// Let the rules of retention apply to it again
    Unpin(keep::PinArgs),
    /// Delete now what no rule keeps
    Prune(keep::PruneArgs),
}

/// Carries out `resus checkpoints`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn checkpoints(args: CheckpointsArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        None => list::list(args.run.as_deref().unwrap_or_default(), around).await,
        Some(What::Ls(args)) => list::list(&args.run, around).await,
        Some(What::Verify(args)) => verify::verify(args, around).await,
        Some(What::Show(args)) => show::show(args, around).await,
        Some(What::Compare(args)) => compare::compare(args, around).await,
        Some(What::Convert(args)) => convert::convert(args, around).await,
        Some(What::Restore(args)) => restore(args, around).await,
        Some(What::Pin(args)) => keep::pin(args, true, around).await,
        Some(What::Unpin(args)) => keep::pin(args, false, around).await,
        Some(What::Prune(args)) => keep::prune(args, around).await,
    }
}
