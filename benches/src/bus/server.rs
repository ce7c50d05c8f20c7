//! A nats-server with JetStream on loopback.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::rig::{Fault, Home, pause_until, this_program};

/// Names the program, where it is not the one in cargo's target folder.
const PROGRAM_VAR: &str = "RESUS_NATS_SERVER";
/// Where `cargo xtask nats-server` puts it within the target folder.
const FETCHED: &str = "tools/nats-server/2.15.1/nats-server";
/// Ports are taken from here: below those that the system gives to outgoing connections, so that
/// nobody gets the port while the server is away.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// A server greets at once.
const GREETING_DEADLINE: Duration = Duration::from_secs(5);

/// The server; it ends with this value, and with its home.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    /// Its store and its log.
    folder: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts one in `home`, on the disk to be measured, and waits until it greets.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn start(home: &Home) -> Result<Self, Fault> {
        let folder = home.path().join("nats");
        fs::create_dir(&folder).map_err(Fault::io("create", &folder))?;
        let (program, port) = (program()?, free_port()?);
        let mut server = Self { program, folder, environment: home.environment(), port, child: None };
        server.restart()?;
        Ok(server)
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it as an accident would. What its store has written stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone_already = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Starts it (anew) on the same port and store, and waits until it greets.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.kill();
        let path = self.log();
        let log = File::create(&path).map_err(Fault::io("create", &path))?;
        let child = Command::new(&self.program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(&self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Fault::io("run", &self.program))?;
        self.child = Some(child);
        pause_until("the greeting of nats-server", || self.greets())
    }

    fn greets(&mut self) -> Result<Option<()>, Fault> {
        let ended = self.child.as_mut().map(Child::try_wait).transpose();
        if let Some(Some(end)) = ended.map_err(Fault::io("wait for", &self.program))? {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            return Err(Fault::wrong(format!("nats-server ended ({end}): {}", log.trim_end())));
        }
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return Ok(None) };
        stream.set_read_timeout(Some(GREETING_DEADLINE)).map_err(Fault::io("wait for", &self.program))?;
        let mut line = String::new();
        let greeted = BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ");
        Ok(greeted.then_some(()))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `$RESUS_NATS_SERVER`, else the one in the target folder that this program lies in.
fn program() -> Result<PathBuf, Fault> {
    let here = this_program()?;
    let named = env::var_os(PROGRAM_VAR).map(PathBuf::from);
    let fetched = || here.ancestors().map(|folder| folder.join(FETCHED)).find(|path| path.is_file());
    named.or_else(fetched).filter(|path| path.is_file()).ok_or_else(|| {
        Fault::wrong(format!(
            "there is no nats-server: `cargo xtask nats-server` fetches it, or name one in {PROGRAM_VAR}"
        ))
    })
}

/// A port on which nobody listens.
fn free_port() -> Result<u16, Fault> {
    let count = PORTS.end - PORTS.start;
    // Two of us at once begin elsewhere.
    let first = (std::process::id() % u32::from(count)) as u16;
    let mut ports = (0..count).map(|step| PORTS.start + (first + step) % count);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| Fault::wrong(format!("no port is free in {PORTS:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let first = free_port().expect("a port");
        let _taken = TcpListener::bind(("127.0.0.1", first)).expect("it is free");
        let other = free_port().expect("another");
        assert!(other != first && PORTS.contains(&first) && PORTS.contains(&other));
    }
}
