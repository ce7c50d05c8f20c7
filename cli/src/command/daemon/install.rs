//! `resus daemon install` and `resus daemon uninstall`: a daemon that is there after a reboot.

use crate::command::Around;
use crate::daemon::service::{self, ToolError, UNIT};
use crate::error::CliError;
use crate::text::paint::{Colour, Paint};
use clap::Args;
use resus_core::exit::ExitCode;
use serde_json::json;

/// Arguments of `resus daemon install`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes $XDG_CONFIG_HOME/systemd/user/resus.service, enables it, and lets your services
start with the machine (loginctl enable-linger). Exit code 12: the unit is written, but systemd
did not do all of the rest; 11: a unit is there that this command did not write.

Examples:
  resus daemon install --print
  resus daemon install --now"
)]
pub(crate) struct InstallArgs {
    /// Start it now; a daemon that runs makes room, trainings go on
    #[arg(long)]
    now: bool,
    /// Print the unit and change nothing
    #[arg(long, conflicts_with = "now")]
    print: bool,
}

/// One thing that was to be done: what is so now if it was, or what is not and why.
#[derive(Debug)]
struct Step {
    done: String,
    not_done: &'static str,
    result: Result<(), ToolError>,
}

impl Step {
    fn new(done: impl Into<String>, not_done: &'static str, result: Result<(), ToolError>) -> Self {
        Self { done: done.into(), not_done, result }
    }
}

/// Writes the unit and makes it count.
///
/// # Errors
/// [`CliError`]: the unit can't be written. What systemd does not do is told, see
/// [`InstallArgs`].
pub(super) async fn install(args: InstallArgs, around: &Around) -> Result<ExitCode, CliError> {
    let text = service::text(around.here()?)?;
    let path = service::path()?;
    if args.print {
        match around.console.json {
            true => around.console.out_json(&json!({"unit": path, "text": text}))?,
            false => around.console.out(&text)?,
        }
        return Ok(ExitCode::Ok);
    }
    service::write(&path, &text)?;
    let mut steps = vec![
        Step::new(format!("the unit is written: {}", path.display()), "", Ok(())),
        Step::new(
            "the daemon starts with your session",
            "the daemon does not start by itself",
            enable().await,
        ),
        Step::new(
            "your services start with the machine, without a login (linger)",
            "nothing of yours starts before you log in (linger)",
            service::enable_linger().await,
        ),
    ];
    if args.now {
        let restarted = service::systemctl(&["restart", UNIT]).await;
        steps.push(Step::new("the service runs", "the service was not started", restarted));
    }
    let hint =
        "resus daemon install, once that is mended; until then the first resus command starts the daemon";
    tell(around, &steps, hint)
}

async fn enable() -> Result<(), ToolError> {
    // A manager that has not read the unit can't enable it.
    service::systemctl(&["daemon-reload"]).await?;
    service::systemctl(&["enable", UNIT]).await
}

/// Takes the unit away. The daemon goes on until somebody stops it.
///
/// # Errors
/// [`CliError`]: the unit can't be removed.
pub(super) async fn uninstall(around: &Around) -> Result<ExitCode, CliError> {
    let path = service::path()?;
    if !service::is_ours(&path)? {
        return tell(around, &[Step::new("no unit is installed", "", Ok(()))], "");
    }
    let disabled = service::systemctl(&["disable", UNIT]).await;
    service::remove(&path)?;
    let reloaded = service::systemctl(&["daemon-reload"]).await;
    let steps = [
        Step::new("the daemon no longer starts by itself", "systemd may still know the unit", disabled),
        Step::new(format!("the unit is removed: {}", path.display()), "", Ok(())),
        Step::new("systemd has forgotten the unit", "systemd may still know the unit", reloaded),
    ];
    let hint = "systemctl --user daemon-reload, where there is a systemd";
    tell(around, &steps, hint)
}

fn tell(around: &Around, steps: &[Step], hint: &str) -> Result<ExitCode, CliError> {
    let all_done = steps.iter().all(|step| step.result.is_ok());
    if around.console.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|step| match &step.result {
                Ok(()) => json!({"done": true, "what": step.done}),
                Err(error) => json!({"done": false, "what": step.not_done, "why": error.to_string()}),
            })
            .collect();
        around.console.out_json(&json!({"done": all_done, "steps": steps}))?;
    } else {
        around.console.tell(&lines(steps, hint, around.console.err_paint));
    }
    Ok(if all_done { ExitCode::Ok } else { ExitCode::DaemonUnreachable })
}

fn lines(steps: &[Step], hint: &str, paint: Paint) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(&match &step.result {
            Ok(()) => format!("{} {}\n", paint.on(Colour::Green, "✓"), step.done),
            Err(error) => format!("{} {}: {error}\n", paint.on(Colour::Yellow, "!"), step.not_done),
        });
    }
    if steps.iter().any(|step| step.result.is_err()) {
        text.push_str(&format!("{} {hint}\n", paint.on(Colour::Bold, "  try:")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_and_what_was_not_is_told_line_by_line() {
        let failed = ToolError::Failed { tool: "loginctl".into(), why: "Access denied".into() };
        let steps = [
            Step::new("the unit is written: /u", "", Ok(())),
            Step::new("", "the daemon does not start by itself", Err(ToolError::Missing("systemctl".into()))),
            Step::new("", "nothing of yours starts before you log in (linger)", Err(failed)),
        ];
        let expected = "\
✓ the unit is written: /u
! the daemon does not start by itself: systemctl is not installed here
! nothing of yours starts before you log in (linger): loginctl: Access denied
  try: again
";
        assert_eq!(lines(&steps, "again", Paint(false)), expected);
        assert_eq!(lines(&steps[..1], "again", Paint(false)), "✓ the unit is written: /u\n");
    }
}
