//! A home whose daemon speaks to a server of its own.

use std::path::Path;
use std::thread;
use std::time::Duration;

use resus_bus::subject;
use resus_core::ids::Slug;
use serde::Deserialize;

use super::server::Server;
use crate::rig::{Connection, Fault, Home, pause_until};

/// What the machine is called in addresses.
const NODE: &str = "bench";
/// The first free part of addresses.
const NAMESPACE: &str = "default";
/// Between two looks at the daemon's view, which it has to put together each time.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The daemon as it shows itself, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub struct DaemonView {
    /// Newest place in the ledger.
    pub ledger_pos: u64,
    /// Its bus.
    pub bus: BusView,
}

/// How it gets on with its bus.
#[derive(Debug, Clone, Deserialize)]
pub struct BusView {
    /// `connected`, or another word.
    pub state: String,
    /// Events that the server has not acknowledged.
    pub waiting: u64,
    /// Telemetry given up.
    pub left_out: u64,
}

impl BusView {
    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.state == "connected"
    }
}

/// The home, the server, and the daemon that uses both.
#[derive(Debug)]
pub struct Place {
    /// Where the daemon lives.
    pub home: Home,
    /// What it speaks to.
    pub server: Server,
}

impl Place {
    /// A new one in `folder`, with a daemon that is connected.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(folder: &Path) -> Result<Self, Fault> {
        let home = Home::new(folder)?;
        let server = Server::start(&home)?;
        home.configure(&format!("[bus]\nurl = \"{}\"\n[daemon]\nnode = \"{NODE}\"\n", server.url()))?;
        home.resus(&["ps"])?;
        let place = Self { home, server };
        place.settled()?;
        Ok(place)
    }

    /// The daemon's view of itself.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn view(&self, daemon: &mut Connection) -> Result<DaemonView, Fault> {
        daemon.get("/v2/daemon")
    }

    /// Waits until the daemon's view is as wanted.
    ///
    /// # Errors
    /// [`Fault::Late`].
    pub fn seen(&self, what: &str, wanted: impl Fn(&DaemonView) -> bool) -> Result<DaemonView, Fault> {
        let mut daemon = self.home.connect()?;
        pause_until(what, || {
            let view = self.view(&mut daemon)?;
            if wanted(&view) {
                return Ok(Some(view));
            }
            thread::sleep(LOOK_INTERVAL);
            Ok(None)
        })
        .map_err(|fault| self.home.explain(fault))
    }

    /// Waits until the server has acknowledged everything that there is.
    ///
    /// # Errors
    /// [`Fault::Late`].
    pub fn settled(&self) -> Result<DaemonView, Fault> {
        self.seen("a server that has every event", |view| view.bus.is_connected() && view.bus.waiting == 0)
    }

    /// Stops everything, and makes sure that nothing is left.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn close(self) -> Result<(), Fault> {
        let Self { home, server } = self;
        home.close()?;
        drop(server);
        Ok(())
    }
}

/// Where every event of a run goes: those that are kept, and telemetry.
pub fn all_events() -> [String; 2] {
    subject::all_of_namespace(&namespace())
}

/// Where the server keeps the states of runs.
pub fn all_states() -> String {
    subject::all_states(&namespace())
}

/// Where those hear of runs who know v1 only.
pub fn all_snapshots() -> String {
    subject::all_snapshots_v1(&namespace())
}

/// Everything that goes through the server.
pub fn everything() -> [String; 2] {
    [subject::ALL.to_owned(), all_states()]
}

/// Where the daemon is asked for the state of a run.
pub fn state_endpoint() -> String {
    format!("{}.state", subject::control(&namespace(), Some(&slug(NODE))))
}

fn namespace() -> Slug {
    slug(NAMESPACE)
}

fn slug(text: &'static str) -> Slug {
    Slug::nearest(text, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugs_as_they_are() {
        for name in [NODE, NAMESPACE] {
            assert_eq!(slug(name).as_str(), name);
        }
        assert!(state_endpoint().ends_with(".ctl.default.bench.state"), "{}", state_endpoint());
    }
}
