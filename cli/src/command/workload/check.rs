//! `resus workload check`.

use crate::command::Around;
use crate::error::CliError;
use crate::render::workloads;
use crate::submission::working_folder;
use crate::workloads::{is_path, refused, registry, whole_path};
use clap::Args;
use resus_actors::workload::Asked;
use resus_core::exit::ExitCode;
use std::env;
use std::path::Path;

/// Arguments of `resus workload check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus workload check
  resus workload check ./mine
  resus workload check mine --json

Exit code 13: it can't be run; every fault is told with its place. What would probably not go well,
a program or a script that is not there, is a warning.")]
pub(super) struct CheckArgs {
    /// Its name, or the path of its folder or file [default: this folder]
    #[arg(value_name = "NAME|PATH", default_value = ".", hide_default_value = true)]
    workload: String,
}

/// Looks at a workload, without a daemon.
pub(super) fn check(args: &CheckArgs, around: &Around) -> Result<ExitCode, CliError> {
    let path = is_path(&args.workload).then(|| whole_path(&args.workload)).transpose()?;
    let asked = path.as_ref().map_or(Asked::Name(&args.workload), |path| Asked::Path(Path::new(path)));
    let programs = env::var("PATH").ok();
    let checked = registry()?.check(asked, &working_folder()?, programs.as_deref()).map_err(refused)?;
    let console = &around.console;
    if console.json {
        console.out_json(&checked)?;
        return Ok(ExitCode::Ok);
    }
    console.out(&workloads::checked(&checked, &args.workload, &console.out_page()))?;
    console.tell(&workloads::warnings(&checked.warnings, &console.err_page()));
    Ok(ExitCode::Ok)
}
