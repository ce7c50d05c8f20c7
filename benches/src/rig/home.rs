//! A home with a daemon of its own. When it goes, so does every process that was started in it.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use serde_json::Value;

use super::clock::pause_until;
use super::fault::Fault;
use super::http::Connection;
use super::process::{Process, alive, kill};
use super::this_program;

/// Names the `resus` to measure; by default it is the one beside this program.
const RESUS_BIN: &str = "RESUS_BIN";
/// Processes that were killed are gone within this.
const DEATH_DEADLINE: Duration = Duration::from_secs(20);
/// Lines of the daemon's log shown with a fault.
const LOG_LINES: usize = 5;

/// State on the disk to be measured, sockets in a short path, and the daemon that uses both.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    runtime: tempfile::TempDir,
    program: PathBuf,
}

impl Home {
    /// A new home in `folder`, which is created if need be.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(folder: &Path) -> Result<Self, Fault> {
        let program = program()?;
        fs::create_dir_all(folder).map_err(Fault::io("create", folder))?;
        let folder = fs::canonicalize(folder).map_err(Fault::io("resolve", folder))?;
        spread(&folder)?;
        let home = Self {
            folder: tempfile::tempdir_in(&folder).map_err(Fault::io("create a folder in", &folder))?,
            runtime: tempfile::Builder::new()
                .prefix("rb-")
                .tempdir_in(runtime_parent())
                .map_err(Fault::io("create a folder in", runtime_parent()))?,
            program,
        };
        for path in [home.folder("state"), home.folder("config"), home.folder("home"), home.sockets()] {
            let created = DirBuilder::new().mode(0o700).create(&path);
            created.map_err(Fault::io("create", &path))?;
        }
        Ok(home)
    }

    /// Its folder, on the disk to be measured.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Where all of its sockets lie. Every process of this home carries this path.
    #[must_use]
    pub fn sockets(&self) -> PathBuf {
        self.runtime.path().join("run")
    }

    fn state(&self) -> PathBuf {
        self.folder("state").join("resus")
    }

    /// What belongs to a run.
    #[must_use]
    pub fn run(&self, run_id: &str) -> PathBuf {
        self.state().join("runs").join(run_id)
    }

    /// What belongs to one of its attempts.
    #[must_use]
    pub fn attempt(&self, run_id: &str, attempt: u32) -> PathBuf {
        self.run(run_id).join("attempts").join(format!("{attempt:04}"))
    }

    /// Writes the settings that the daemon of this home will read when it starts.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn configure(&self, settings: &str) -> Result<(), Fault> {
        let folder = self.folder("config").join("resus");
        fs::create_dir_all(&folder).map_err(Fault::io("create", &folder))?;
        let path = folder.join("config.toml");
        fs::write(&path, settings).map_err(Fault::io("write", &path))
    }

    /// The environment of everything in this home.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        [
            ("HOME", text(self.folder("home"))),
            ("LANG", "C.UTF-8".to_owned()),
            ("PATH", env::var("PATH").unwrap_or_default()),
            ("XDG_CONFIG_HOME", text(self.folder("config"))),
            ("XDG_RUNTIME_DIR", text(self.sockets())),
            ("XDG_STATE_HOME", text(self.folder("state"))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A command of `resus` in this home, not started yet, silent.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .current_dir(self.folder("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs a command of `resus`, which must succeed, and returns its standard output.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn resus(&self, arguments: &[&str]) -> Result<String, Fault> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().map_err(Fault::io("run", &self.program))?;
        if !output.status.success() {
            return Err(Fault::Command {
                command: arguments.join(" "),
                code: output.status.to_string(),
                stderr: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// A connection to the daemon.
    ///
    /// # Errors
    /// [`Fault`] when none listens.
    pub fn connect(&self) -> Result<Connection, Fault> {
        Connection::open(&self.socket()?)
    }

    /// The daemon's socket, `<runtime>/resus-<hash>/daemon.sock`.
    fn socket(&self) -> Result<PathBuf, Fault> {
        let sockets = self.sockets();
        let folders = fs::read_dir(&sockets).map_err(Fault::io("list", &sockets))?;
        let mut found = folders.filter_map(Result::ok).map(|entry| entry.path().join("daemon.sock"));
        found
            .find(|socket| socket.exists())
            .ok_or_else(|| Fault::wrong(format!("no daemon listens in {}", sockets.display())))
    }

    /// The process id of the living daemon, as it wrote it down.
    ///
    /// # Errors
    /// [`Fault::Late`] when there is none.
    pub fn daemon_pid(&self) -> Result<u32, Fault> {
        let path = self.state().join("daemon.json");
        pause_until("a living daemon", || {
            // Not there yet, or just being replaced.
            let Ok(text) = fs::read(&path) else { return Ok(None) };
            let record: Value = serde_json::from_slice(&text).unwrap_or_default();
            Ok(record["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| alive(*pid)))
        })
    }

    /// The processes of this home.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn processes(&self) -> Result<Vec<Process>, Fault> {
        Process::all_of(self.runtime.path())
    }

    /// Stops every run and the daemon, and makes sure that nothing is left.
    ///
    /// # Errors
    /// [`Fault`]: a daemon that can't do that any more has not been measured in good health.
    pub fn close(self) -> Result<(), Fault> {
        self.resus(&["daemon", "stop", "--all", "--yes"]).map_err(|fault| self.explain(fault))?;
        self.kill_all()
    }

    /// A fault together with what the daemon logged last.
    #[must_use]
    pub fn explain(&self, fault: Fault) -> Fault {
        let log = fs::read_to_string(self.state().join("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        Fault::Logged { cause: Box::new(fault), log }
    }

    /// Kills what is left. A killed daemon may be started again by a shim, so this is repeated
    /// until nothing is left.
    fn kill_all(&self) -> Result<(), Fault> {
        let deadline = Instant::now() + DEATH_DEADLINE;
        loop {
            let left = self.processes()?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Fault::wrong(format!("{} processes can't be killed: {left:?}", left.len())));
            }
            for process in left {
                kill(process.pid);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(fault) = self.kill_all() {
            eprintln!("warning: {fault}");
        }
    }
}

/// Where the sockets may lie: in memory if there is such a place, as a user's runtime folder
/// does, and in any case under a short name, since that of a socket has at most 107 bytes.
fn runtime_parent() -> &'static Path {
    let places = ["/dev/shm", "/tmp"].map(Path::new);
    places.into_iter().find(|place| place.is_dir()).unwrap_or(places[1])
}

/// Has ext4 put each new folder in `folder` somewhere else on the disk. For minutes after many
/// files were deleted, it creates new ones near them a hundred times slower than usual (it
/// passes over every inode that was freed lately, `recently_deleted` in its ialloc.c), so a home
/// would be slowed by the removal of the one before.
fn spread(folder: &Path) -> Result<(), Fault> {
    let opened = File::open(folder).map_err(Fault::io("open", folder))?;
    // A file system without such flags has no such habit either.
    if let Ok(flags) = ioctl_getflags(&opened) {
        let _refused = ioctl_setflags(&opened, flags | IFlags::TOPDIR);
    }
    Ok(())
}

/// `$RESUS_BIN`, else `resus` beside this program.
fn program() -> Result<PathBuf, Fault> {
    let path = match env::var_os(RESUS_BIN) {
        Some(path) => PathBuf::from(path),
        None => this_program()?.with_file_name("resus"),
    };
    match fs::canonicalize(&path) {
        Ok(path) => Ok(path),
        Err(_) => Err(Fault::NoProgram(path)),
    }
}
