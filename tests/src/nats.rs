//! Real NATS servers to test against: each with a port, a folder and a life of its own.

use crate::{PATIENCE, http, process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Names the folder with `<version>/nats-server`, where it is not the one in cargo's target folder.
const FOLDER_VAR: &str = "RESUS_NATS_SERVER_DIR";
/// Ports are taken from here: below those that the system gives to outgoing connections, so that
/// nobody gets the port of a server that is down for a moment.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Between one port and the next that is given out; has no divisor in common with their number.
const STRIDE: u32 = 117;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The newest.
    Newest,
    /// The oldest whose JetStream does what we need.
    V2_11,
    /// One that is too old for that.
    V2_9,
}

impl Version {
    /// As it calls itself.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Newest => "2.15.1",
            Self::V2_11 => "2.11.11",
            Self::V2_9 => "2.9.10",
        }
    }

    /// Path of its program.
    ///
    /// # Panics
    /// When it has not been fetched: a test that needs it can't pass without.
    #[must_use]
    pub fn program(self) -> PathBuf {
        let of = |folder: &Path| folder.join(self.number()).join("nats-server");
        let named = std::env::var_os(FOLDER_VAR).map(|folder| of(Path::new(&folder)));
        let here = std::env::current_exe().unwrap();
        let fetched = here.ancestors().map(|folder| of(&folder.join("tools/nats-server")));
        named.into_iter().chain(fetched).find(|path| path.is_file()).unwrap_or_else(|| {
            panic!(
                "nats-server {} is not here: `cargo xtask nats-server` fetches it, `cargo xtask test` too; \
                 or set {FOLDER_VAR}",
                self.number()
            )
        })
    }
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether it has JetStream, with a store in its own folder.
    pub jetstream: bool,
    /// More text for its configuration.
    pub config: String,
}

/// A port that nobody else who asks here gets, as long as this lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// A name that only one process of the machine can have, and that needs no file.
    _reservation: UnixListener,
}

impl Port {
    /// A port on which nobody listens.
    #[must_use]
    pub fn free() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let range = u32::from(PORTS.end - PORTS.start);
        for _ in 0..range {
            // Other processes begin elsewhere; and what goes to the next port because this one is
            // taken does not get somebody else's.
            let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE);
            let offset = std::process::id().wrapping_mul(7_919).wrapping_add(step) % range;
            let number = PORTS.start + offset as u16;
            let name = SocketAddr::from_abstract_name(format!("resus-test-port-{number}")).unwrap();
            let Ok(reservation) = UnixListener::bind_addr(&name) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _reservation: reservation };
            }
        }
        panic!("no free port in {PORTS:?}")
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A server on loopback; it ends with this value.
#[derive(Debug)]
pub struct NatsServer {
    version: Version,
    folder: tempfile::TempDir,
    options: Options,
    port: Port,
    monitor: Port,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts one and waits until it greets.
    #[must_use]
    pub fn start(version: Version, options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("nats-").tempdir_in("/tmp").unwrap();
        let mut server =
            Self { version, folder, options, port: Port::free(), monitor: Port::free(), child: None };
        server.restart();
        server
    }

    /// The newest with JetStream.
    #[must_use]
    pub fn with_jetstream() -> Self {
        Self::start(Version::Newest, Options { jetstream: true, ..Options::default() })
    }

    /// The address for clients, without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The address of its monitoring pages.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor.number())
    }

    /// A monitoring page, e.g. `/varz`.
    #[must_use]
    pub fn monitor(&self, page: &str) -> Value {
        let stream = TcpStream::connect(("127.0.0.1", self.monitor.number())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (status, body) = http::exchange(stream, "GET", page, None);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Its folder: configuration, log, store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.folder().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Ends it as an accident would, and waits until it is gone. What its store has written stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it (anew) on the same port and store, and waits until it greets.
    pub fn restart(&mut self) {
        self.kill();
        self.write_config();
        let log = fs::File::create(self.folder().join("stderr")).unwrap();
        let child = Command::new(self.version.program())
            .arg("-c")
            .arg(self.folder().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.await_greeting();
    }

    /// Stops its process in its tracks, as an overloaded machine would.
    pub fn stop(&self) {
        process::kill(self.pid(), "STOP");
    }

    /// Lets a stopped one go on.
    pub fn cont(&self) {
        process::kill(self.pid(), "CONT");
    }

    /// The additional configuration of the next start.
    pub fn reconfigure(&mut self, config: &str) {
        config.clone_into(&mut self.options.config);
    }

    /// Gives the running server another additional configuration, without a restart.
    pub fn reload(&mut self, config: &str) {
        let reloads = |log: &str| log.matches("Reloaded server configuration").count();
        let before = reloads(&self.log());
        config.clone_into(&mut self.options.config);
        self.write_config();
        process::kill(self.pid(), "HUP");
        self.wait_for("the new configuration", |server| reloads(&server.log()) > before);
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it was killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap_or_else(|| panic!("the server was killed"))
    }

    fn write_config(&self) {
        let folder = self.folder().display();
        let (port, monitor) = (self.port(), self.monitor.number());
        let mut text = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             server_name: \"test-{port}\"\nlog_file: \"{folder}/log\"\n"
        );
        if self.options.jetstream {
            text.push_str(&format!("jetstream {{ store_dir: \"{folder}/store\" }}\n"));
        }
        text.push_str(&self.options.config);
        fs::write(self.folder().join("nats.conf"), text).unwrap();
    }

    fn await_greeting(&mut self) {
        self.wait_for("a greeting", |server| {
            if let Some(end) = server.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the server ended ({end}): {}", server.words());
            }
            let Ok(stream) = TcpStream::connect(("127.0.0.1", server.port())) else { return false };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
        });
    }

    fn wait_for(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}: {}", self.words());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn words(&self) -> String {
        let stderr = fs::read_to_string(self.folder().join("stderr")).unwrap_or_default();
        format!("{stderr}{}", self.log())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
