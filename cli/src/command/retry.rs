//! `resus retry`: another attempt, asked for by the user.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::{checkpoint, short};
use crate::submission::command_body;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;

/// Arguments of `resus retry`.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that waits for its next retry is tried at once. What you ask for is not counted
as one of its retries.

Examples:
  resus retry nightly
  resus retry @latest && resus logs -f @latest"
)]
pub(crate) struct RetryArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
}

/// Carries out `resus retry`.
///
/// # Errors
/// [`CliError`] of the first run that it fails for.
pub(crate) async fn retry(args: RetryArgs, around: &Around) -> Result<ExitCode, CliError> {
    for run in &args.runs {
        let body = &command_body(Verb::Retry);
        let reply = ask(&around.target, |client| async move { client.command(run, body).await }).await?;
        if around.console.json {
            around.console.out_json(&reply.run)?;
            continue;
        }
        around.console.tell(&told(&reply.run, &around.console.err_page()));
    }
    Ok(ExitCode::Ok)
}

fn told(view: &RunView, page: &Page) -> String {
    let id = short(&view.run_id);
    let from = match &view.checkpoint {
        Some(newest) => {
            format!("from checkpoint {}, if it verifies", checkpoint(newest, &view.progress.unit))
        }
        None => "from the beginning: there is no checkpoint".to_owned(),
    };
    let text = format!("{id} ({}) attempt {} starts {from}", view.name, view.attempt);
    format!("↻ {}\n  watch it with: resus logs {id} -f\n", page.sentence(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use serde_json::json;

    #[test]
    fn a_retry_says_from_where_it_starts() {
        let newest =
            json!({"checkpoint_id": "ck-12000", "path": "/a", "step": 12000.0, "size_bytes": 1048576});
        let expected = "\
↻ 8c1d9e77 (othello) attempt 2 starts from checkpoint ck-12000 at 12,000 games,
  1MiB, if it verifies
  watch it with: resus logs 8c1d9e77 -f
";
        assert_eq!(told(&view(json!({"attempt": 2, "checkpoint": newest})), &page(80)), expected);
        let bare = told(&view(json!({"attempt": 2})), &page(80));
        assert!(bare.contains("starts from the beginning: there is no checkpoint\n"), "{bare}");
    }
}
