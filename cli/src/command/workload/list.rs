//! `resus workload ls`.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::workloads;
use resus_core::exit::ExitCode;

/// Lists the workloads of the daemon that is asked.
pub(super) async fn list(around: &Around) -> Result<ExitCode, CliError> {
    let list = ask(&around.target, |client| async move { client.workloads().await }).await?;
    let console = &around.console;
    if console.json {
        console.out_json(&list)?;
        return Ok(ExitCode::Ok);
    }
    console.out(&workloads::list(&list, &console.out_page()))?;
    if let Some(trouble) = &list.trouble {
        let text = format!("warning: {}", crate::render::parts::said(trouble));
        console.tell(&format!("{}\n", console.err_page().sentence(&text)));
    }
    Ok(ExitCode::Ok)
}
