//! The daemon's own view of its bus, held against what a command finds now. Pure.

use crate::doctor::Check;
use crate::render::bus::waiting;
use crate::render::parts::said;
use resus_core::api::bus::{BusState, BusView};
use resus_core::exit::ExitCode;

/// What was looked at.
const WHAT: &str = "connection";
/// What makes the daemon look at its files and its environment anew.
const RESTART: &str = "resus daemon restart (trainings go on meanwhile)";
/// The daemon goes on by itself where only the server is away.
const RESTART_LATER: &str = "mend that; if a file had to be changed, then: resus daemon restart";

/// The server that a command is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// None: events stay within the daemon.
    Local,
    /// The daemon's own, on whichever port was free.
    Managed,
    /// Somebody's, at these addresses.
    At(String),
}

impl Server {
    /// Whether the daemon means the same by `url`.
    fn is_at(&self, url: &str) -> bool {
        match self {
            Self::Local => url.is_empty(),
            // While it starts its own server it has no address yet.
            Self::Managed => url == "managed" || url.starts_with("nats://127.0.0.1:"),
            Self::At(ours) => ours == url,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Local => name_of(""),
            Self::Managed => "the managed server".to_owned(),
            Self::At(url) => name_of(url),
        }
    }
}

fn name_of(url: &str) -> String {
    if url.is_empty() { "no server".to_owned() } else { said(url) }
}

/// What a command finds where the daemon has its bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The server that the settings and the environment of now name.
    pub server: Server,
    /// Whether `$NATS_URL` decides.
    pub from_environment: bool,
    /// Whether the server lets us in with the files as they are now.
    pub lets_us_in: bool,
}

/// How the daemon and its bus get on, with what a command finds; and every alarm.
pub(crate) fn checks(bus: &BusView, found: &Found) -> Vec<Check> {
    connection(bus, found).into_iter().chain(alarms(bus)).collect()
}

/// What the daemon says that somebody should look at.
pub(crate) fn alarms(bus: &BusView) -> impl Iterator<Item = Check> {
    bus.alarms.iter().map(|alarm| Check::warning("alarm", said(alarm), "resus daemon logs"))
}

fn connection(bus: &BusView, found: &Found) -> Option<Check> {
    if !found.server.is_at(&bus.url) {
        return Some(other(bus, found));
    }
    let because = bus.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", said(reason)));
    let events = waiting(bus.waiting);
    match bus.state {
        BusState::Local => None,
        BusState::Starting => {
            let said = format!("the daemon is not connected yet{because}; {events}");
            Some(Check::warning(WHAT, said, "resus doctor, in a moment; resus daemon logs"))
        }
        BusState::Connected => Some(Check::good(WHAT, format!("the daemon is connected; {events}"))),
        BusState::Refused | BusState::Away if found.lets_us_in => {
            let state = bus.state.as_str();
            let said = format!(
                "the server lets us in now, and the daemon, with what it read at its start, is \
                 {state}{because}; {events}"
            );
            Some(Check::bad(WHAT, said, RESTART, ExitCode::ConfigInvalid))
        }
        // What is wrong with the server has been told.
        BusState::Refused | BusState::Away => Some(Check::warning(
            WHAT,
            format!("the daemon is {}; {events}", bus.state.as_str()),
            RESTART_LATER,
        )),
    }
}

/// The daemon was started with another server in mind.
fn other(bus: &BusView, found: &Found) -> Check {
    let (ours, theirs) = (found.server.name(), name_of(&bus.url));
    let state = match bus.state {
        BusState::Local => String::new(),
        state => format!(" ({}; {})", state.as_str(), waiting(bus.waiting)),
    };
    let (said, fix) = if found.from_environment {
        let said = format!(
            "the daemon uses {theirs}{state}, by the $NATS_URL of its start; the one here names {ours}"
        );
        (said, "set bus.url in config.toml, or, where $NATS_URL is right: resus daemon restart")
    } else {
        let said = format!("the daemon uses {theirs}{state}, as at its start; config.toml names {ours}");
        (said, RESTART)
    };
    Check::warning(WHAT, said, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Mark, exit};

    const URL: &str = "nats://h:4222";

    fn bus(state: BusState) -> BusView {
        BusView { state, url: URL.to_owned(), waiting: 3, ..BusView::default() }
    }

    fn found(url: &str, lets_us_in: bool) -> Found {
        let server = if url.is_empty() { Server::Local } else { Server::At(url.to_owned()) };
        Found { server, from_environment: false, lets_us_in }
    }

    fn only(bus: &BusView, found: &Found) -> Check {
        let mut checks = checks(bus, found);
        assert_eq!(checks.len(), 1, "{checks:?}");
        checks.remove(0)
    }

    #[test]
    fn a_daemon_that_the_server_would_let_in_again_has_to_be_restarted() {
        for state in [BusState::Refused, BusState::Away] {
            let bus = BusView { reason: Some("revoked".to_owned()), ..bus(state) };
            let check = only(&bus, &found(URL, true));
            assert_eq!(
                (check.mark, exit(std::slice::from_ref(&check))),
                (Mark::Bad, ExitCode::ConfigInvalid)
            );
            assert!(check.fix.is_some_and(|fix| fix.starts_with("resus daemon restart")));
            assert!(
                check.said.ends_with(&format!("{}: revoked; 3 events wait", state.as_str())),
                "{}",
                check.said
            );
            // What is wrong is the server then, which is told elsewhere.
            assert_eq!(only(&bus, &found(URL, false)).mark, Mark::Warning);
        }
        assert_eq!(only(&bus(BusState::Connected), &found(URL, true)).mark, Mark::Good);
        assert!(only(&bus(BusState::Starting), &found(URL, true)).said.contains("not connected yet"));
    }

    #[test]
    fn alarms_are_told_one_by_one() {
        let alarms = vec!["BUS_DATA_LOST: a".to_owned(), "BUS_BACKLOG: b".to_owned()];
        let checks = checks(&BusView { alarms, ..bus(BusState::Connected) }, &found(URL, true));
        let told: Vec<_> = checks.iter().map(|check| (check.what, check.mark, check.said.as_str())).collect();
        assert_eq!(
            told[1..],
            [("alarm", Mark::Warning, "BUS_DATA_LOST: a"), ("alarm", Mark::Warning, "BUS_BACKLOG: b"),]
        );
    }

    #[test]
    fn a_daemon_with_another_server_than_this_shell_is_told() {
        let here = Found { from_environment: true, ..found("", false) };
        let check = only(&bus(BusState::Connected), &here);
        assert_eq!(check.mark, Mark::Warning);
        let expected = "the daemon uses nats://h:4222 (connected; 3 events wait), by the $NATS_URL of its start; \
                        the one here names no server";
        assert_eq!(check.said, expected);
        let local = BusView::default();
        let check = only(&local, &found(URL, true));
        assert_eq!(check.said, "the daemon uses no server, as at its start; config.toml names nats://h:4222");
        assert_eq!(check.fix.as_deref(), Some(RESTART));
    }

    #[test]
    fn of_a_bus_within_the_process_there_is_nothing_to_tell() {
        assert_eq!(checks(&BusView::default(), &found("", false)), []);
    }

    #[test]
    fn a_managed_server_is_the_same_on_any_port() {
        let managed = Found { server: Server::Managed, ..found("", true) };
        for (url, mark) in
            [("managed", Mark::Good), ("nats://127.0.0.1:4223", Mark::Good), (URL, Mark::Warning)]
        {
            let bus = BusView { url: url.to_owned(), ..bus(BusState::Connected) };
            assert_eq!(only(&bus, &managed).mark, mark, "{url}");
        }
        let check = only(&BusView::default(), &managed);
        assert!(check.said.ends_with("config.toml names the managed server"), "{}", check.said);
    }
}
