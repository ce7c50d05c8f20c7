//! `resus workload show`.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::workloads;
use crate::text::nearest::nearest;
use crate::workloads::{is_path, refused, registry, whole_path};
use clap::Args;
use resus_actors::workload::Asked;
use resus_core::api::{Problem, WorkloadView};
use resus_core::exit::ExitCode;

use std::path::Path;

/// Arguments of `resus workload show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus workload show othello
  resus workload show ./mine --json")]
pub(super) struct ShowArgs {
    /// Its name, or the path of its folder
    #[arg(value_name = "NAME|PATH")]
    workload: String,
}

/// Shows a workload.
pub(super) async fn show(args: ShowArgs, around: &Around) -> Result<ExitCode, CliError> {
    let view = match is_path(&args.workload) {
        true => of_path(&args.workload, around)?,
        false => of_name(&args.workload, around).await?,
    };
    let console = &around.console;
    match console.json {
        true => console.out_json(&view)?,
        false => console.out(&workloads::show(&view, &args.workload, &console.out_page()))?,
    }
    Ok(ExitCode::Ok)
}

/// A folder is one of this machine.
fn of_path(path: &str, around: &Around) -> Result<WorkloadView, CliError> {
    around.here()?;
    registry()?.view(Asked::Path(Path::new(&whole_path(path)?))).map_err(refused)
}

async fn of_name(name: &str, around: &Around) -> Result<WorkloadView, CliError> {
    let list = ask(&around.target, |client| async move { client.workloads().await }).await?;
    // A folder with the name of a built-in one comes behind it.
    if let Some(view) = list.workloads.iter().find(|view| view.name == name) {
        return match view.faults.is_empty() {
            true => Ok(view.clone()),
            false => Err(refused(broken(view))),
        };
    }
    let near = nearest(name, list.workloads.iter().map(|view| view.name.as_str()));
    // A folder of that name here is nearer than any other name.
    let hint = match (Path::new(name).join("workload.toml").is_file(), near) {
        (true, _) => format!("resus workload show ./{name}"),
        (false, Some(near)) => format!("resus workload show {near}"),
        (false, None) => "resus workload ls".to_owned(),
    };
    Err(refused(Problem {
        kind: "urn:resus:not-found".to_owned(),
        title: "No such workload".to_owned(),
        status: 404,
        detail: format!("there is no workload called {name:?}"),
        hint: Some(hint),
        exit_code: ExitCode::NotFound,
    }))
}

fn broken(view: &WorkloadView) -> Problem {
    let folder = view.folder.as_deref().unwrap_or(&view.name);
    Problem {
        kind: "urn:resus:config-invalid".to_owned(),
        title: "The workload can't be run".to_owned(),
        status: 422,
        detail: view.faults.join("\n"),
        hint: Some(format!("mend it, then: resus workload check {folder}")),
        exit_code: ExitCode::ConfigInvalid,
    }
}
