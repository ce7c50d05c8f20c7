//! `resus doctor`: is everything as it should be, and if not, what to type.

use crate::client::ClientError;
use crate::command::Around;
use crate::daemon::bus::Present;
use crate::daemon::start::locate;
use crate::doctor::daemon::{Found, Server, alarms, checks as of_daemon};
use crate::doctor::{Check, Mark, exit, server, sync, varz};
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::said;
use crate::settings::Settings;
use crate::settings::bus::{BusSettings, Url};
use crate::text::columns::pad;
use crate::text::paint::Colour;
use clap::Args;
use resus_bus::link::Link;
use resus_bus::nats::probe::probe;
use resus_core::api::DaemonView;
use resus_core::exit::ExitCode;
use resus_store::StateDir;
use serde_json::json;

/// Columns of what was looked at.
const WHAT_WIDTH: usize = 12;

/// Arguments of `resus doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "It changes nothing and starts no daemon. ✓ good, ! works but, ✗ does not work; the exit
code is 0 if nothing is ✗."
)]
pub(crate) struct DoctorArgs {}

/// Carries out `resus doctor`.
///
/// # Errors
/// [`CliError::Output`]; whatever else is wrong is what it is there to tell.
pub(crate) async fn doctor(_args: DoctorArgs, around: &Around) -> Result<ExitCode, CliError> {
    let mut checks = Vec::new();
    match Settings::load() {
        Ok(settings) => {
            checks.push(Check::good("settings", "valid"));
            let (check, view) = daemon(around.here()?).await;
            checks.push(check);
            checks.extend(bus(around.here()?, &settings.bus, view.as_ref()).await);
        }
        Err(error) => {
            let details = error.details().join("; ");
            checks.push(bad_settings(format!("{error}: {details}")));
            checks.push(daemon(around.here()?).await.0);
        }
    }
    let code = exit(&checks);
    if around.console.json {
        around.console.out_json(&json!({ "checks": checks, "exit_code": code.code() }))?;
    } else {
        let page = around.console.out_page();
        let text: String = checks.iter().map(|check| line(check, &page)).collect();
        around.console.out(&text)?;
    }
    Ok(code)
}

fn bad_settings(said: String) -> Check {
    let fix = "resus config defaults (every key, explained)";
    Check::bad("settings", said, fix, ExitCode::ConfigInvalid)
}

/// The daemon, and what it says of itself if it answers.
async fn daemon(state: &StateDir) -> (Check, Option<DaemonView>) {
    const WHAT: &str = "daemon";
    match locate(state).daemon().await {
        Ok(view) => {
            let check = match &view.degraded {
                Some(why) => Check::warning(WHAT, format!("degraded: {}", said(why)), "resus daemon logs"),
                None => {
                    Check::good(WHAT, format!("running, pid {}, version {}", view.pid, said(&view.version)))
                }
            };
            (check, Some(view))
        }
        Err(error @ ClientError::Nobody { .. }) => {
            let fix = "resus daemon start (any other command does so too)";
            (Check::warning(WHAT, error.to_string(), fix), None)
        }
        Err(error) => {
            let (said, error) = (error.to_string(), CliError::from(error));
            let fix = error.told().next.unwrap_or_else(|| "resus daemon logs".to_owned());
            (Check::bad(WHAT, said, &fix, error.exit()), None)
        }
    }
}

/// The bus of the settings, and how the daemon whose `view` this is gets on with it.
async fn bus(state: &StateDir, settings: &BusSettings, view: Option<&DaemonView>) -> Vec<Check> {
    let present = match Present::of(state, settings) {
        Ok(present) => present,
        Err(error) => {
            let faults = bad_settings(error.details().join("; "));
            return [faults].into_iter().chain(view.into_iter().flat_map(|view| alarms(&view.bus))).collect();
        }
    };
    let (mut checks, link) = found(&present, view.is_some());
    let mut lets_us_in = false;
    if let Some(link) = &link {
        let answer = probe(link).await;
        lets_us_in = answer.is_ok();
        checks.extend(server(link, &answer));
    }
    if lets_us_in {
        let page = match present.monitor_url(settings) {
            Some(url) => varz::read(&url).await,
            None => Err("the server's monitoring address is not set".to_owned()),
        };
        checks.push(sync(&page));
    }
    if let Some(view) = view {
        let server = match &present {
            Present::Local => Server::Local,
            Present::External(link) => Server::At(link.to_string()),
            Present::Managed { .. } => Server::Managed,
        };
        let from_environment = settings.url == Url::Auto;
        checks.extend(of_daemon(&view.bus, &Found { server, from_environment, lets_us_in }));
    }
    checks
}

/// The bus itself, and how to look at its server if there is one to look at.
fn found(present: &Present, has_daemon: bool) -> (Vec<Check>, Option<Link>) {
    const WHAT: &str = "bus";
    let (check, link) = match present {
        Present::Local => {
            (Check::good(WHAT, "local: events stay on this machine, which needs no server"), None)
        }
        Present::External(link) => (Check::good(WHAT, link.to_string()), Some(link.clone())),
        Present::Managed { running: false, .. } if !has_daemon => {
            let said = "managed; the server runs with the daemon, which does not";
            (Check::warning(WHAT, said, "resus daemon start"), None)
        }
        Present::Managed { running: false, .. } => {
            let said = "managed, and the server does not run";
            (Check::bad(WHAT, said, "resus daemon logs", ExitCode::ConfigInvalid), None)
        }
        Present::Managed { .. } => match present.managed_link() {
            Ok(link) => (Check::good(WHAT, format!("managed, {link}")), Some(link)),
            Err(error) => {
                let said = format!("managed, and its password can't be read: {error}");
                (Check::bad(WHAT, said, "resus daemon restart", ExitCode::ConfigInvalid), None)
            }
        },
    };
    (vec![check], link)
}

/// One check: a mark, what, how it is, and behind it what to do.
fn line(check: &Check, page: &Page) -> String {
    let mark = match check.mark {
        Mark::Good => page.paint.on(Colour::Green, "✓"),
        Mark::Warning => page.paint.on(Colour::Yellow, "!"),
        Mark::Bad => page.paint.on(Colour::Red, "✗"),
    };
    let mut text = format!("{mark} {}{}\n", pad(check.what, WHAT_WIDTH), check.said);
    if let Some(fix) = &check.fix {
        let arrow = page.paint.on(Colour::Dim, "→");
        text.push_str(&format!("{}{arrow} {fix}\n", " ".repeat(WHAT_WIDTH + 2)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;

    #[test]
    fn a_check_is_a_line_and_its_fix_another() {
        let page = page(80);
        assert_eq!(line(&Check::good("daemon", "running"), &page), "✓ daemon      running\n");
        let bad = Check::bad("server", "away", "start it", ExitCode::ConfigInvalid);
        assert_eq!(line(&bad, &page), "✗ server      away\n              → start it\n");
    }
}
