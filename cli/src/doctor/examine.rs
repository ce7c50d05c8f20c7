//! Looks at everything: settings, daemon, bus, machine. Nothing is changed and no daemon is started.

use crate::client::ClientError;
use crate::daemon::bus::Present;
use crate::daemon::handshake::other_build;
use crate::daemon::start::locate;
use crate::doctor::daemon::{Found, Server, alarms, checks as of_daemon};
use crate::doctor::folders::state_is_late;
use crate::doctor::machine::{Machine, runtime_of};
use crate::doctor::probe::{self, Look, NoAnswer};
use crate::doctor::{Check, server, sync, varz, worst_first};
use crate::error::CliError;
use crate::render::parts::said;
use crate::settings::bus::{BusSettings, Url};
use crate::settings::{Settings, SettingsError};
use resus_bus::link::Link;
use resus_bus::nats::probe::probe;
use resus_core::api::{DaemonView, DeletionsView, RunList};
use resus_core::exit::ExitCode;
use resus_store::StateDir;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Damaged runs that are named one by one.
const QUARANTINED_SHOWN: usize = 5;

/// What was found, the worst first, and what it was found from.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Every check.
    pub checks: Vec<Check>,
    /// The state folder, without links; `None` = it does not answer.
    pub state: Option<StateDir>,
    /// The folder of sockets.
    pub runtime: Option<PathBuf>,
    /// The settings, if they are valid.
    pub settings: Option<Settings>,
    /// How the bus is reached, with its secrets.
    pub link: Option<Link>,
    /// The daemon, if it answers.
    pub daemon: Option<DaemonView>,
    /// Its runs.
    pub runs: Option<RunList>,
}

/// Looks at everything that has to do with the state folder `assumed`.
pub(crate) async fn examine(assumed: &StateDir) -> Findings {
    let mut checks = Vec::new();
    let (state, settings) = (Look::begin(resolved(assumed)), Look::begin(Settings::load));
    let settings = settings_of(settings.end().await, &mut checks);
    let state = match state.end().await {
        Ok(state) => Some(state),
        Err(why) => {
            checks.push(state_is_late("state", &why));
            None
        }
    };
    let mut findings =
        Findings { checks, state, runtime: None, settings, link: None, daemon: None, runs: None };
    if let Some(state) = findings.state.clone() {
        findings.look_at_daemon(&state).await;
        findings.runtime = Some(runtime_of(&state));
    }
    let machine = Arc::new(findings.machine());
    let probes = machine.probes();
    if let (Some(state), Some(settings)) = (&findings.state, &findings.settings) {
        let (checks, link) = bus(state, &settings.bus, findings.daemon.as_ref()).await;
        findings.checks.extend(checks);
        findings.link = link;
    }
    findings.checks.extend(probe::all(probes).await);
    worst_first(&mut findings.checks);
    findings
}

/// The folder behind links, if it is there.
fn resolved(assumed: &StateDir) -> impl FnOnce() -> StateDir + Send + 'static {
    let path = assumed.path().to_owned();
    move || StateDir::assumed(&fs::canonicalize(&path).unwrap_or(path))
}

fn settings_of(
    loaded: Result<Result<Settings, SettingsError>, NoAnswer>,
    checks: &mut Vec<Check>,
) -> Option<Settings> {
    let wrong = match loaded {
        Ok(Ok(settings)) => {
            checks.push(Check::good("settings", "valid"));
            return Some(settings);
        }
        Ok(Err(error)) => format!("{error}: {}", error.details().join("; ")),
        Err(why) => format!("the file of settings gives {why}"),
    };
    checks.push(bad_settings(wrong));
    None
}

fn bad_settings(said: String) -> Check {
    let fix = "resus config defaults (every key, explained)";
    Check::bad("settings", said, fix, ExitCode::ConfigInvalid)
}

impl Findings {
    /// The daemon, its build, and the runs that it leaves alone.
    async fn look_at_daemon(&mut self, state: &StateDir) {
        let (check, view) = daemon(state).await;
        self.checks.push(check);
        let Some(view) = view else { return };
        self.checks.push(match other_build(state).await.ok().flatten() {
            Some(record) => {
                let said =
                    format!("the daemon ({}) is of another build than this command", said(&record.version));
                Check::warning("version", said, "resus daemon restart (trainings go on meanwhile)")
            }
            None => Check::good("version", "the daemon and this command are of one build"),
        });
        let runs = locate(state).runs().await.ok();
        self.checks.extend(quarantine(&view, runs.as_ref()));
        self.checks.extend(deletions(&view));
        (self.daemon, self.runs) = (Some(view), runs);
    }

    fn machine(&self) -> Machine {
        let bus = self.settings.as_ref().map(|settings| settings.bus.clone());
        let present =
            self.state.as_ref().zip(bus.as_ref()).and_then(|(state, bus)| Present::of(state, bus).ok());
        let server = match present {
            Some(Present::Managed { record, running: true, .. }) => record,
            Some(Present::Managed { .. } | Present::Local | Present::External(_)) | None => None,
        };
        let live = self.runs.iter().flat_map(|list| &list.runs).filter(|run| run.ended_at.is_none());
        Machine {
            state: self.state.clone(),
            runtime: self.runtime.clone(),
            bus,
            server,
            daemon: self.daemon.clone(),
            live: live.cloned().collect(),
        }
    }
}

/// Runs whose history is damaged.
fn quarantine(view: &DaemonView, runs: Option<&RunList>) -> Vec<Check> {
    const WHAT: &str = "quarantine";
    let fix = "resus daemon logs; resus doctor --bundle";
    if view.runs_quarantined == 0 {
        return vec![Check::good(WHAT, "no run's history is damaged")];
    }
    let named: Vec<_> = runs.iter().flat_map(|list| &list.quarantined).take(QUARANTINED_SHOWN).collect();
    let mut checks: Vec<_> = named
        .iter()
        .map(|(run, why)| {
            Check::warning(WHAT, format!("run {} is left alone: {}", said(run), said(why)), fix)
        })
        .collect();
    let more = view.runs_quarantined.saturating_sub(named.len());
    if more > 0 {
        checks.push(Check::warning(
            WHAT,
            format!("{more} runs are left alone: their history is damaged"),
            fix,
        ));
    }
    checks
}

/// Files that should be gone.
fn deletions(view: &DaemonView) -> Option<Check> {
    let DeletionsView { failed: failed @ 1.., problem, .. } = &view.deletions else { return None };
    let why = problem.as_deref().map_or_else(String::new, |why| format!(": {}", said(why)));
    let text = format!("files of {failed} removed or pruned runs can't be deleted{why}");
    Some(Check::warning("deletions", text, "resus daemon logs; it is tried again until it works"))
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
async fn bus(
    state: &StateDir,
    settings: &BusSettings,
    view: Option<&DaemonView>,
) -> (Vec<Check>, Option<Link>) {
    let present = match Present::of(state, settings) {
        Ok(present) => present,
        Err(error) => {
            let faults = bad_settings(error.details().join("; "));
            let alarms = view.into_iter().flat_map(|view| alarms(&view.bus));
            return ([faults].into_iter().chain(alarms).collect(), None);
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
    (checks, link)
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
