//! `resus daemon status`.

use crate::command::Around;
use crate::daemon::record::{Record, build_id};
use crate::daemon::start::locate;
use crate::error::CliError;
use crate::render::parts::said;
use crate::text::columns::pad;
use crate::text::duration::show_s;
use crate::text::paint::{Colour, Paint};
use crate::text::size;
use resus_core::api::DaemonView;
use resus_core::exit::ExitCode;
use std::path::Path;

/// Columns of the labels.
const LABEL_WIDTH: usize = 12;

/// Shows how the daemon is. Starts none.
///
/// # Errors
/// [`CliError`]: none runs, or it hangs.
pub(super) async fn status(around: &Around) -> Result<ExitCode, CliError> {
    let view = locate(&around.state).daemon().await?;
    if around.console.json {
        around.console.out_json(&view)?;
        return Ok(ExitCode::Ok);
    }
    let record = Record::read(&around.state).filter(|record| record.pid == view.pid);
    around.console.out(&block(&view, record.as_ref(), around.console.out_paint))?;
    let ours = build_id(Path::new("/proc/self/exe")).ok();
    if record.is_some_and(|record| ours.is_some_and(|ours| ours != record.build_id)) {
        around.console.tell(
            "note: it is another build than this command; 'resus daemon stop' and the next command start this \
             one, and trainings go on meanwhile\n",
        );
    }
    Ok(ExitCode::Ok)
}

fn block(view: &DaemonView, record: Option<&Record>, paint: Paint) -> String {
    let head = match &view.degraded {
        None => paint.on(Colour::Green, "● running"),
        Some(_) => paint.on(Colour::Yellow, "! degraded"),
    };
    let mut text =
        format!("{head}  pid {}  version {}  up {}\n", view.pid, said(&view.version), show_s(view.uptime_s));
    let mut row = |label: &str, value: &str| {
        let label = paint.on(Colour::Dim, &pad(label, LABEL_WIDTH));
        text.push_str(&format!("  {label}{value}\n"));
    };
    if let Some(why) = &view.degraded {
        row("degraded", &said(why));
    }
    row("runs", &runs(view));
    row("node", &said(&view.node));
    row("state", &said(&view.state_dir));
    if let Some(record) = record {
        row("socket", &said(&record.socket.to_string_lossy()));
    }
    row("memory", &size::show(view.rss_bytes));
    if view.actor_restarts.values().any(|restarts| *restarts > 0) {
        let restarts: Vec<_> =
            view.actor_restarts.iter().map(|(actor, count)| format!("{} {count}", said(actor))).collect();
        row("restarts", &restarts.join(", "));
    }
    text
}

fn runs(view: &DaemonView) -> String {
    let mut text = format!("{} live, {} in all", view.runs_live, view.runs_total);
    if view.runs_quarantined > 0 {
        text.push_str(&format!(", {} set aside (their history is damaged)", view.runs_quarantined));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn view(degraded: Option<&str>) -> DaemonView {
        let view = json!({
            "pid": 77, "version": "0.1.0", "state_dir": "/s", "node": "gpu-a1", "started_at": "x",
            "uptime_s": 192.0, "runs_live": 2, "runs_total": 14, "runs_quarantined": 1, "degraded": degraded,
            "ledger_pos": 9, "rss_bytes": 12 << 20, "actor_restarts": {"store": 1},
        });
        serde_json::from_value(view).expect("a view")
    }

    #[test]
    fn a_daemon_in_a_block() {
        let expected = "\
! degraded  pid 77  version 0.1.0  up 3m12s
  degraded    disk full
  runs        2 live, 14 in all, 1 set aside (their history is damaged)
  node        gpu-a1
  state       /s
  memory      12MiB
  restarts    store 1
";
        assert_eq!(block(&view(Some("disk full")), None, Paint(false)), expected);
        assert!(block(&view(None), None, Paint(false)).starts_with("● running  pid 77"));
    }
}
