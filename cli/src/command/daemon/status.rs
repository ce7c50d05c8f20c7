//! `resus daemon status`.

use crate::command::Around;
use crate::command::daemon::known::Known;
use crate::daemon::record::Record;
use crate::daemon::service;
use crate::error::CliError;
use crate::render::bus;
use crate::render::page::Page;
use crate::render::parts::said;
use crate::text::columns::pad;
use crate::text::duration::show_s;
use crate::text::paint::Colour;
use crate::text::size;
use resus_core::api::DaemonView;
use resus_core::exit::ExitCode;
use serde_json::json;
use std::path::Path;

/// Columns of the labels.
const LABEL_WIDTH: usize = 12;

/// Shows how the daemon is. Starts none.
///
/// # Errors
/// [`CliError`]: none runs, or it hangs.
pub(super) async fn status(around: &Around) -> Result<ExitCode, CliError> {
    let view = around.target.client().daemon().await?;
    let Some(state) = around.target.state() else { return of_there(&view, around) };
    let known = view.settings.as_ref().map(Known::of_here);
    let unit = service::path().ok().filter(|path| service::is_ours(path).unwrap_or(false));
    if around.console.json {
        let mut document = serde_json::to_value(&view).map_err(|error| CliError::Output(error.into()))?;
        document["unit"] = json!(unit);
        if let Some(known) = &known {
            document["settings"]["differs"] = json!(known.differs);
        }
        around.console.out_json(&document)?;
        return Ok(ExitCode::Ok);
    }
    let record = Record::read(state).filter(|record| record.pid == view.pid);
    let text = block(
        &view,
        record.as_ref(),
        &unit.as_deref().map_or(Unit::None, Unit::Path),
        known.as_ref(),
        &around.console.out_page(),
    );
    around.console.out(&text)?;
    Ok(ExitCode::Ok)
}

/// What starts the daemon after a reboot.
enum Unit<'a> {
    Path(&'a Path),
    None,
    /// It is on another machine.
    Unknown,
}

/// What another machine's daemon says of itself; what this machine knows has nothing to do with it.
fn of_there(view: &DaemonView, around: &Around) -> Result<ExitCode, CliError> {
    match around.console.json {
        true => around.console.out_json(view)?,
        false => around.console.out(&block(
            view,
            None,
            &Unit::Unknown,
            view.settings.as_ref().map(Known::of_there).as_ref(),
            &around.console.out_page(),
        ))?,
    }
    Ok(ExitCode::Ok)
}

fn block(
    view: &DaemonView,
    record: Option<&Record>,
    unit: &Unit<'_>,
    settings: Option<&Known<'_>>,
    page: &Page,
) -> String {
    let paint = page.paint;
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
    if view.deletions.failed > 0 {
        let why = view.deletions.problem.as_deref().unwrap_or("see the log");
        row("deletions", &format!("{} can't be done: {}", view.deletions.failed, said(why)));
    }
    if let Some(why) = &view.degraded {
        row("degraded", &said(why));
    }
    row("runs", &runs(view));
    row("node", &said(&view.node));
    row("state", &said(&view.state_dir));
    if let Some(record) = record {
        row("socket", &said(&record.socket.to_string_lossy()));
    }
    match unit {
        Unit::Path(path) => row("unit", &said(&path.to_string_lossy())),
        Unit::None => row("unit", "none; after a reboot the first command starts the daemon"),
        Unit::Unknown => {}
    }
    for (label, value) in settings.iter().flat_map(|settings| settings.rows(page)) {
        row(label, &value);
    }
    for (label, value) in bus::rows(&view.bus, page) {
        row(label, &value);
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
    use crate::render::sample::page;
    use resus_core::api::bus::{BusState, BusView};

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
  unit        none; after a reboot the first command starts the daemon
  bus         local: events stay on this machine
  memory      12MiB
  restarts    store 1
";
        assert_eq!(block(&view(Some("disk full")), None, &Unit::None, None, &page(80)), expected);
        let text = block(&view(None), None, &Unit::Path(Path::new("/c/resus.service")), None, &page(80));
        assert!(text.starts_with("● running  pid 77"), "{text}");
        assert!(text.contains("\n  unit        /c/resus.service\n"), "{text}");
    }

    #[test]
    fn a_bus_that_is_away_and_its_alarms_have_rows_also_from_another_machine() {
        let mut view = view(None);
        view.bus = BusView {
            state: BusState::Away,
            url: "nats://h:4222".to_owned(),
            reason: Some("connection refused".to_owned()),
            since: "2026-11-22T04:13:46.123Z".to_owned(),
            waiting: 12,
            alarms: vec!["BUS_BACKLOG: many".to_owned()],
            ..BusView::default()
        };
        let expected = "  state       /s
  bus         away (nats://h:4222) since 2026-11-22 04:13:46: connection refused; 12 events wait
  alarm       BUS_BACKLOG: many
  memory      12MiB
";
        let text = block(&view, None, &Unit::Unknown, None, &page(80));
        assert!(text.contains(expected), "{text}");
    }
}
