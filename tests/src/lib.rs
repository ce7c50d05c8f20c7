//! A place to try the real program in: a home of its own, real processes, real sockets, and
//! nothing left behind.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this is test support: a panic is how a test says what went wrong"
)]

pub mod clients;
pub mod document;
pub mod hostile;
mod http;
mod nats;
mod nats_client;
mod nats_wire;
mod process;
mod program;
pub mod proxy;
mod pty;
pub mod shell;

pub use nats::{NatsServer, Options as NatsOptions, Port, Version};
pub use nats_client::{Delivered, NatsClient};
pub use nats_wire::{Message, Wire};
pub use process::{Process, alive, kill, processes_of};
pub use program::{example, program, write_program};
pub use pty::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Terminal};

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything. The machine may be busy; a test that gets here has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home folder with its own state, runtime and configuration folders. When it goes, every
/// process that was started in it is ended.
pub struct Home {
    folder: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; 128 + n after signal n.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    /// Its standard output as one JSON document.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Asserts the exit code and returns what was said.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// A new, empty home.
    #[must_use]
    pub fn new() -> Self {
        // A short path: the names of Unix sockets are at most 108 bytes long.
        let folder = tempfile::Builder::new().prefix("rs-").tempdir_in("/tmp").unwrap();
        for sub in ["state", "run", "config", "home", "work"] {
            let path = folder.path().join(sub);
            std::fs::create_dir(&path).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(&path, private).unwrap();
        }
        Self { folder }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder of Resus in it.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path().join("state/resus")
    }

    /// The folder of a run.
    #[must_use]
    pub fn run_dir(&self, run_id: &str) -> PathBuf {
        self.state().join("runs").join(run_id)
    }

    /// A command of the program in this home, not started yet.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(program(), args)
    }

    /// A command of another build of the program in this home, not started yet.
    #[must_use]
    pub fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("LANG", "C.UTF-8")
            .current_dir(self.path().join("work"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    #[must_use]
    pub fn resus(&self, args: &[&str]) -> Said {
        self.run(self.command(args))
    }

    /// Runs a command that was made ready to its end.
    #[must_use]
    pub fn run(&self, mut command: Command) -> Said {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.finish(child, &format!("{command:?}"))
    }

    /// Sets the user's configuration in this home.
    pub fn configure(&self, toml: &str) {
        let folder = self.path().join("config/resus");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), toml).unwrap();
    }

    /// Starts a command and returns at once.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits for a command that was started.
    #[must_use]
    pub fn finish(&self, child: Child, what: &str) -> Said {
        use std::os::unix::process::ExitStatusExt;
        let pid = child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let output = match receiver.recv_timeout(PATIENCE) {
            Ok(output) => output.unwrap(),
            Err(_) => {
                kill(pid, "KILL");
                panic!("{what}: no end within {PATIENCE:?}\n{}", self.diagnosis());
            }
        };
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        Said {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a run in the background and returns its id.
    #[must_use]
    pub fn submit(&self, args: &[&str]) -> String {
        let all: Vec<&str> = ["run", "--detach"].iter().chain(args).copied().collect();
        self.resus(&all).expect_code(0).stdout.trim().to_owned()
    }

    /// The run as shown, or null while nobody can say.
    #[must_use]
    pub fn view(&self, run_id: &str) -> Value {
        let said = self.resus(&["status", run_id, "--json"]);
        if said.code == 0 { said.json() } else { Value::Null }
    }

    /// Waits until the run looks as wanted and returns it.
    #[must_use]
    pub fn until(&self, run_id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        self.wait_for(what, || {
            last = self.view(run_id);
            wanted(&last).then(|| last.clone())
        })
    }

    /// Waits until the run is in a phase.
    #[must_use]
    pub fn until_phase(&self, run_id: &str, phase: &str) -> Value {
        self.until(run_id, &format!("phase {phase}"), |run| run["phase"] == phase)
    }

    /// Waits until the run has done so much.
    #[must_use]
    pub fn until_done(&self, run_id: &str, amount: f64) -> Value {
        self.until(run_id, &format!("progress {amount}"), |run| {
            run["progress"]["done"].as_f64().is_some_and(|done| done >= amount)
        })
    }

    /// Waits for a condition; on failure says what is known.
    pub fn wait_for<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for: {what}\n{}", self.diagnosis());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The daemon's process id, from what it wrote about itself.
    #[must_use]
    pub fn daemon_pid(&self) -> u32 {
        self.wait_for("daemon.json", || {
            let text = std::fs::read_to_string(self.state().join("daemon.json")).ok()?;
            let record: Value = serde_json::from_str(&text).ok()?;
            let pid = u32::try_from(record["pid"].as_u64()?).ok()?;
            alive(pid).then_some(pid)
        })
    }

    /// Kills the daemon as an accident would.
    pub fn kill_daemon(&self) -> u32 {
        let pid = self.daemon_pid();
        kill(pid, "KILL");
        self.wait_for("the daemon's death", || (!alive(pid)).then_some(()));
        pid
    }

    /// A request to the daemon's socket: status and body.
    #[must_use]
    pub fn http(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, String) {
        http::request(&self.socket(), method, target, body.map(ToString::to_string).as_deref())
    }

    /// The daemon's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.wait_for("the daemon's socket", || {
            let folders = std::fs::read_dir(self.path().join("run")).ok()?;
            folders.filter_map(Result::ok).map(|f| f.path().join("daemon.sock")).find(|s| s.exists())
        })
    }

    /// Every PULSE event of a run that is in the ledger.
    #[must_use]
    pub fn events(&self, run_id: &str) -> Vec<Value> {
        let (status, body) = self.http("GET", &format!("/v2/runs/{run_id}/events?limit=1000"), None);
        assert_eq!(status, 200, "{body}");
        match serde_json::from_str(&body).unwrap() {
            Value::Array(events) => events,
            other => other["events"].as_array().cloned().unwrap_or_else(|| panic!("no events: {other}")),
        }
    }

    /// Living processes of the worker of a run (its group's leader first), by environment.
    #[must_use]
    pub fn workers(&self, run_id: &str) -> Vec<Process> {
        let mark = format!("PULSE_TRAINING_ID={run_id}");
        processes_of(self.path()).into_iter().filter(|p| p.environment.contains(&mark)).collect()
    }

    fn diagnosis(&self) -> String {
        let log = std::fs::read_to_string(self.state().join("daemon.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(30).collect();
        let tail: Vec<_> = lines.into_iter().rev().collect();
        let processes: Vec<_> =
            processes_of(self.path()).iter().map(|p| format!("{} {}", p.pid, p.command)).collect();
        format!("processes:\n{}\ndaemon.log:\n{}", processes.join("\n"), tail.join("\n"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Killed daemons are started again by their shims, so everything goes, until nothing
        // is left. Only processes of this home are touched: they carry its unique path.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = processes_of(self.path());
            if left.is_empty() || Instant::now() > deadline {
                break;
            }
            for process in left {
                kill(process.pid, "KILL");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
