//! `resus run --dry-run`: what would be accepted, as the daemon that would accept it says.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::{plan, workloads};
use resus_core::api::Submission;
use resus_core::exit::ExitCode;

/// Shows what `submission` would come to. The checks are those of the real thing, and so are the
/// refusals.
pub(crate) async fn dry_run(submission: &Submission, around: &Around) -> Result<ExitCode, CliError> {
    let planned = ask(&around.target, |client| async move { client.plan(submission).await }).await?;
    let console = &around.console;
    if console.json {
        console.out_json(&planned)?;
        return Ok(ExitCode::Ok);
    }
    console.out(&plan::text(&planned, &console.out_page()))?;
    console.tell(&workloads::warnings(&planned.warnings, &console.err_page()));
    Ok(ExitCode::Ok)
}
