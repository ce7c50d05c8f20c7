//! `resus checkpoints ls`: what a run can go on from.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::checkpoints::{Listing, text};
use crate::render::parts::short;
use clap::Args;
use jiff::Timestamp;
use resus_core::exit::ExitCode;

/// Arguments of `resus checkpoints ls`.
#[derive(Debug, Args)]
#[command(
    after_help = "The newest comes first. The next attempt begins from the one marked with '→', if it verifies
again then. NUMBERS says whether those in it are finite. MARKS: 'in use' is what the present
attempt began from, 'kept' what retention leaves alone for another reason than its rules.

Examples:
  resus checkpoints ls nightly
  resus checkpoints ls nightly --json | jq -r '.checkpoints[].checkpoint.path'"
)]
pub(crate) struct ListArgs {
    /// Which run
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Carries out `resus checkpoints ls`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn list(run: &str, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let list = ask(&around.target, |client| async move { client.checkpoints(run).await }).await?;
    if console.json {
        console.out_json(&list)?;
        return Ok(ExitCode::Ok);
    }
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    if list.checkpoints.is_empty() {
        console.tell(&format!("{} ({}) has no checkpoint\n", short(&view.run_id), view.name));
        return Ok(ExitCode::Ok);
    }
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let in_use =
        view.resumed_from.as_ref().filter(|_| view.ended_at.is_none()).map(|from| from.path.as_str());
    let listing = Listing { list: &list, unit: &view.progress.unit, in_use, now_ms };
    console.out(&text(&listing, &console.out_page()))?;
    Ok(ExitCode::Ok)
}
