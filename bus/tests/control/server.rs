//! A NATS server of a test's own, on a free port of loopback.

use resus_bus::link::Link;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the server: whoever gets here has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; it ends with this.
pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub url: String,
}

impl Server {
    /// A server with more configuration than that it listens.
    pub fn start(config: &str) -> Self {
        let program = std::env::var_os("RESUS_NATS_SERVER").map(PathBuf::from);
        let program = program.expect("RESUS_NATS_SERVER names the nats-server to test with");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, folder, url: String::new() };
        server.url = server.address();
        server
    }

    /// The address that the server wrote down once it listened.
    fn address(&self) -> String {
        let file = self.folder.path().join(format!("nats-server_{}.ports", self.child.id()));
        let until = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str::<serde_json::Value>(&text) {
                return ports["nats"][0].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < until, "the server does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How it is reached, by `user` (as `USER:PASSWORD@`, or nobody).
    pub fn link(&self, user: &str) -> Link {
        Link::parse(&self.url.replace("nats://", &format!("nats://{user}"))).unwrap()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
