//! `resus workload`: the kinds of training that can be run by name.

mod check;
mod list;
mod new;
mod show;

use crate::command::Around;
use crate::error::CliError;
use crate::target::Scope;
use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;

/// Arguments of `resus workload`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus workload new mine --python && resus run ./mine
  resus workload ls
  resus workload show othello
  resus workload check ./mine")]
pub(crate) struct WorkloadArgs {
    #[command(subcommand)]
    what: What,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum What {
    /// List the workloads: name, from where, and what they do
    Ls,
    /// Show a workload: its parameters and its command
    Show(show::ShowArgs),
    /// Say everything that is wrong with a workload, and what it would start
    Check(check::CheckArgs),
    /// Make a folder with a workload that runs, to start from
    New(new::NewArgs),
}

impl WorkloadArgs {
    /// Whose daemon it can be about.
    pub(crate) fn scope(&self) -> Scope {
        match &self.what {
            What::Ls | What::Show(_) => Scope::Anywhere,
            What::Check(_) | What::New(_) => Scope::Itself,
        }
    }

    /// Whether it is about to speak with the daemon as one build with itself.
    pub(crate) fn minds_the_build(&self) -> bool {
        self.scope() == Scope::Anywhere
    }
}

/// Carries out `resus workload`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn workload(args: WorkloadArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Ls => list::list(around).await,
        What::Show(args) => show::show(args, around).await,
        What::Check(args) => check::check(&args, around),
        What::New(args) => new::new(&args, around),
    }
}
