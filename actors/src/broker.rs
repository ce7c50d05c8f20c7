//! The managed bus: a NATS server on loopback that this daemon starts, watches, heals and ends.
//!
//! It lives in a process group of its own and survives a daemon that is killed; the next daemon
//! takes it over if it is what that daemon would have started, and else ends it first. There are
//! never two servers on one store.

mod conf;
mod folder;
mod pace;
mod ports;
mod process;
mod server;
mod source;

pub use folder::{ServerFolder, ServerRecord};
pub(crate) use source::Source;

use conf::{Conf, Ports};
use pace::Pace;
use process::ServerProcess;
use resus_bus::link::Link;
use resus_bus::setup::{BusSetup, Managed};
use resus_core::ids::Slug;
use server::{Server, link_to};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// What the server is called when nothing else is said, looked for in `PATH`.
const PROGRAM: &str = "nats-server";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Its program can't be started.
    #[error("failed to start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Its program is too old.
    #[error("{} is nats-server {version}: 2.11 or newer is needed", program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: String,
    },
    /// Its program is another one.
    #[error("{} is no nats-server", program.display())]
    Foreign {
        /// The program.
        program: PathBuf,
    },
    /// Its folder can't be used.
    #[error("failed to write in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There is no port for it.
    #[error("failed to find a free port: {0}")]
    Port(#[source] io::Error),
    /// It ended.
    #[error("it has ended")]
    Gone,
    /// It lives and does not answer.
    #[error("it does not answer: {0}")]
    Silent(String),
    /// One of an earlier daemon does not end.
    #[error("the server of an earlier daemon (pid {pid}) does not end")]
    Stuck {
        /// Its process.
        pid: u32,
    },
}

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerStatus {
    /// It is being started.
    Starting,
    /// It answers.
    Up(ServerRecord),
    /// It is not there and will be started again.
    Down {
        /// Why.
        why: String,
        /// Deaths in a row.
        row: u32,
        /// Whether somebody should look at it.
        alarm: bool,
    },
}

/// What it takes to run a server.
#[derive(Debug)]
pub struct Broker {
    /// How it was asked for.
    pub managed: Managed,
    /// How much it may keep, and for whom.
    pub setup: BusSetup,
    /// This machine.
    pub node: Slug,
    /// Its folder.
    pub folder: ServerFolder,
    /// The present boot.
    pub boot_id: String,
}

/// Where the rest of the daemon hears of the server.
#[derive(Debug)]
pub struct Told {
    /// How to reach it; `None` while it is not there.
    pub links: watch::Sender<Option<Arc<Link>>>,
    /// How it is.
    pub status: watch::Sender<BrokerStatus>,
}

/// How the life of one server ended.
enum Ended {
    /// Because we wanted it.
    Asked,
    /// By itself, or it never began.
    Died(BrokerError),
}

impl Broker {
    /// Keeps a server running until `stop` is true or its sender gone; then ends it.
    pub async fn run(self, told: Told, mut stop: watch::Receiver<bool>) {
        let mut pace = Pace::default();
        loop {
            let start = Instant::now();
            told.status.send_replace(BrokerStatus::Starting);
            let ended = self.live(&told, &mut stop).await;
            told.links.send_replace(None);
            let Ended::Died(error) = ended else { return };
            let next = pace.after_death(start.elapsed());
            let why = match (&error, self.folder.last_words()) {
                (BrokerError::Gone, Some(words)) => format!("{error}; its last words: {words}"),
                _ => error.to_string(),
            };
            let (deaths, wait_ms) = (next.row, next.wait.as_millis());
            if next.alarm {
                let log = self.folder.log();
                tracing::error!(why, deaths, log = %log.display(), "the NATS server does not stay up: see its log");
            } else {
                tracing::warn!(why, deaths, wait_ms, "the NATS server is gone and will be started again");
            }
            let alarm = next.alarm;
            told.status.send_replace(BrokerStatus::Down { why, row: next.row, alarm });
            tokio::select! {
                () = asked(&mut stop) => return,
                () = sleep(next.wait) => {}
            }
        }
    }

    /// One server, from its start (or from where an earlier daemon left it) to its end.
    async fn live(&self, told: &Told, stop: &mut watch::Receiver<bool>) -> Ended {
        let mut server = match self.begin().await {
            Ok(server) => server,
            Err(error) => return Ended::Died(error),
        };
        let link = server.link.clone();
        let outcome = tokio::select! {
            () = asked(stop) => None,
            outcome = server.ready() => Some(outcome),
        };
        if let Some(Ok(())) = outcome {
            let ServerRecord { port, monitor_port, version, process, .. } = &server.record;
            let pid = process.pid;
            if *port != self.managed.port && self.managed.port != 0 {
                let wanted = self.managed.port;
                tracing::warn!(port, wanted, "the wanted port is taken: the NATS server has another one");
            }
            tracing::info!(pid, version, port, monitor_port, "the NATS server is up");
            told.links.send_replace(Some(Arc::new(link)));
            told.status.send_replace(BrokerStatus::Up(server.record.clone()));
        }
        match outcome {
            None => {}
            Some(Err(BrokerError::Gone)) => return Ended::Died(BrokerError::Gone),
            Some(Err(error)) => {
                server.process.end().await;
                return Ended::Died(error);
            }
            Some(Ok(())) => tokio::select! {
                () = asked(stop) => {}
                error = server.fails() => {
                    if !matches!(error, BrokerError::Gone) {
                        server.process.end().await;
                    }
                    return Ended::Died(error);
                }
            },
        }
        told.links.send_replace(None);
        let pid = server.record.process.pid;
        if server.process.end().await {
            tracing::info!(pid, "the NATS server has ended");
        } else {
            tracing::error!(pid, "the NATS server did not end");
        }
        Ended::Asked
    }

    /// The server of an earlier daemon, if it will do; else a new one.
    async fn begin(&self) -> Result<Server, BrokerError> {
        let in_folder = |source| BrokerError::Folder { path: self.folder.path().to_owned(), source };
        let program = self.program();
        let version = process::version(&program).await?;
        self.folder.make().map_err(in_folder)?;
        let name = self.folder.server_name(&format!("resus-{}", self.node)).map_err(in_folder)?;
        let passwords = self.folder.passwords().map_err(in_folder)?;
        let text = |ports| {
            let (folder, setup, node) = (self.folder.path(), &self.setup, &self.node);
            Conf { name: &name, ports, folder, setup, node, passwords: &passwords }.text()
        };
        let last = self.folder.record();
        let link = |port| link_to(port, &passwords);
        if let Some(found) = self.left_over(last.as_ref(), &version, text).await? {
            let (process, record) = found;
            tracing::info!(pid = record.process.pid, "the NATS server of an earlier daemon goes on");
            return Ok(Server { link: link(record.port), process, record, name });
        }
        let ports = ports::choose(&self.managed, last.as_ref()).map_err(BrokerError::Port)?;
        self.folder.write(folder::CONF, text(ports).as_bytes()).map_err(in_folder)?;
        let process = ServerProcess::start(&program, &self.folder, &self.boot_id)?;
        let record = ServerRecord {
            process: process.id(),
            boot_id: self.boot_id.clone(),
            version,
            wanted_port: self.managed.port,
            port: ports.client,
            monitor_port: ports.monitor,
            websocket_port: ports.websocket,
        };
        let server = Server { link: link(ports.client), process, record, name };
        if let Err(error) = self.folder.write_record(&server.record) {
            server.process.end().await;
            return Err(in_folder(error));
        }
        Ok(server)
    }

    fn program(&self) -> PathBuf {
        self.managed.program.clone().unwrap_or_else(|| PROGRAM.into())
    }

    /// What an earlier daemon left running: kept if it is what we would start now, else ended.
    async fn left_over(
        &self,
        last: Option<&ServerRecord>,
        version: &str,
        text: impl Fn(Ports) -> String,
    ) -> Result<Option<(ServerProcess, ServerRecord)>, BrokerError> {
        let mut kept = None;
        for id in process::servers_of(&self.folder, &self.program(), last, &self.boot_id) {
            let stuck = BrokerError::Stuck { pid: id.pid };
            let Some(process) = ServerProcess::take(id, &self.boot_id).map_err(|_| stuck)? else { continue };
            let will_do = last.filter(|last| {
                let ports =
                    Ports { client: last.port, monitor: last.monitor_port, websocket: last.websocket_port };
                last.process == id
                    && last.boot_id == self.boot_id
                    && last.version == version
                    && last.wanted_port == self.managed.port
                    && std::fs::read_to_string(self.folder.path().join(folder::CONF))
                        .is_ok_and(|conf| conf == text(ports))
            });
            match will_do {
                Some(last) => kept = Some((process, last.clone())),
                None => {
                    tracing::info!(pid = id.pid, "the NATS server of an earlier daemon makes room");
                    if !process.end().await {
                        return Err(BrokerError::Stuck { pid: id.pid });
                    }
                }
            }
        }
        Ok(kept)
    }
}

/// Returns when the server is to end.
async fn asked(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone wants nothing to go on either.
    let _closed = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
