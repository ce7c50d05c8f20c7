//! `resus daemon reload`.

use crate::command::Around;
use crate::daemon::start::locate;
use crate::error::CliError;
use crate::render::parts::said;
use resus_core::api::ReloadReply;
use resus_core::exit::ExitCode;

/// Lets the daemon read its settings again. Starts none: one that starts reads them anyway.
///
/// # Errors
/// [`CliError`]: none runs, or the settings are refused.
pub(super) async fn reload(around: &Around) -> Result<ExitCode, CliError> {
    let reply = locate(around.here()?).reload_daemon().await?;
    match around.console.json {
        true => around.console.out_json(&reply)?,
        false => around.console.tell(&told(&reply)),
    }
    Ok(ExitCode::Ok)
}

fn told(reply: &ReloadReply) -> String {
    let from = match (&reply.settings.file, &reply.settings.stamp) {
        (Some(file), Some(_)) => format!("from {}", said(file)),
        (Some(file), None) => format!("({} is not there: the defaults apply)", said(file)),
        (None, _) => "(there is no home to have a file in: the defaults apply)".to_owned(),
    };
    let rows = [
        ("for runs from now on", &reply.for_new_runs),
        ("at once", &reply.at_once),
        ("after 'resus daemon restart'", &reply.needs_restart),
    ];
    let rows: String = rows
        .iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(when, keys)| format!("  {when}: {}\n", keys.join(", ")))
        .collect();
    let nothing = if rows.is_empty() { "; nothing has changed" } else { "" };
    format!("✓ the settings are read again {from}{nothing}\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::api::SettingsView;

    #[test]
    fn it_is_told_what_applies_when() {
        let file = Some("/c/config.toml".to_owned());
        let settings = SettingsView { file, stamp: Some("1@1.0".to_owned()), ..SettingsView::default() };
        let mut reply = ReloadReply {
            for_new_runs: vec!["retry.max".to_owned(), "stop.grace".to_owned()],
            at_once: Vec::new(),
            needs_restart: vec!["bus.url".to_owned()],
            settings,
        };
        let expected = "\
✓ the settings are read again from /c/config.toml
  for runs from now on: retry.max, stop.grace
  after 'resus daemon restart': bus.url
";
        assert_eq!(told(&reply), expected);
        (reply.for_new_runs, reply.needs_restart) = (Vec::new(), Vec::new());
        assert_eq!(told(&reply), "✓ the settings are read again from /c/config.toml; nothing has changed\n");
        reply.settings.stamp = None;
        assert!(told(&reply).contains("(/c/config.toml is not there: the defaults apply)"));
    }
}
