//! One shim under test, its folder and its clients.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use resus_shim::evidence;
use resus_shim::identity::ProcessId;
use resus_shim::protocol::{
    Exited, Hello, RefusalCode, Refused, Reply, Request, SpawnOrder, Started, VERSION,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a condition may take to become true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks every process of a test, by its folder.
const COOKIE: &str = "RESUS_SHIM_TEST";

pub struct Rig {
    folder: TempDir,
    /// `--revive`, if any.
    revive: Option<String>,
    shim: Option<Child>,
}

impl Rig {
    /// A rig with a running shim.
    pub fn new() -> Self {
        let mut rig = Self::without_shim();
        rig.start();
        rig
    }

    pub fn without_shim() -> Self {
        let rig = Self { folder: tempfile::tempdir().unwrap(), revive: None, shim: None };
        fs::create_dir_all(rig.run_dir().join(evidence::ATTEMPTS)).unwrap();
        rig
    }

    /// A rig whose shim starts `script` when it loses its daemon.
    pub fn reviving(script: &str) -> Self {
        let mut rig = Self::without_shim();
        rig.revive = Some(serde_json::to_string(&["/bin/sh", "-c", script]).unwrap());
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run_dir(&self) -> PathBuf {
        self.path("runs/r1")
    }

    pub fn attempt_dir(&self, attempt: u32) -> PathBuf {
        evidence::attempt_dir(&self.run_dir(), attempt)
    }

    /// The command that starts a shim for this rig, `wrapper` in front of it.
    pub fn shim_command(&self, wrapper: &[&str]) -> Command {
        let words: Vec<&str> = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_resus-shim")]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--run-id", "r1", "--run-dir"]).arg(self.run_dir());
        command.arg("--socket").arg(self.path("s")).arg("--control").arg(self.path("c"));
        command.arg("--notify").arg(self.path("n"));
        if let Some(revive) = &self.revive {
            command.args(["--revive", revive]);
        }
        command.env(COOKIE, self.folder.path());
        command
    }

    pub fn start(&mut self) {
        let mut command = self.shim_command(&[]);
        self.start_as(&mut command);
    }

    pub fn start_as(&mut self, command: &mut Command) {
        self.shim = Some(command.spawn().unwrap());
    }

    pub fn shim_pid(&self) -> u32 {
        self.shim.as_ref().unwrap().id()
    }

    /// Ends the shim by SIGKILL.
    pub fn kill_shim(&mut self) {
        let mut shim = self.shim.take().unwrap();
        shim.kill().unwrap();
        shim.wait().unwrap();
    }

    /// Waits until the shim has left by itself.
    pub fn wait_for_shim(&mut self) -> ExitStatus {
        let mut shim = self.shim.take().unwrap();
        wait_for("the shim to leave", || shim.try_wait().unwrap())
    }

    /// A connection that has said hello, and the answer.
    pub fn greet(&self) -> (Client, Hello) {
        let mut client = self.connect();
        client.ask(&Request::Hello { v: VERSION });
        match client.hear() {
            Reply::Hello(hello) => (client, hello),
            other => panic!("no hello: {other:?}"),
        }
    }

    pub fn client(&self) -> Client {
        self.greet().0
    }

    pub fn connect(&self) -> Client {
        let stream = wait_for("the shim's socket", || UnixStream::connect(self.path("s")).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    /// An order to run `argv` as `attempt`, its folder made.
    pub fn order(&self, attempt: u32, argv: &[&str]) -> SpawnOrder {
        let dir = self.attempt_dir(attempt);
        fs::create_dir_all(&dir).unwrap();
        let cookie = (COOKIE.to_owned(), text(self.folder.path()));
        let env = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned()), cookie];
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        SpawnOrder { attempt, argv, env, cwd: text(self.folder.path()), dir: text(&dir), events: None }
    }

    /// The same for a shell script.
    pub fn script(&self, attempt: u32, script: &str) -> SpawnOrder {
        self.order(attempt, &["/bin/sh", "-c", script])
    }

    pub fn output(&self, attempt: u32) -> String {
        fs::read_to_string(self.attempt_dir(attempt).join(evidence::OUTPUT_LOG)).unwrap_or_default()
    }

    /// Waits for a whole line in a file of the rig's folder that parses.
    pub fn wait_for_number(&self, name: &str) -> u32 {
        wait_for(name, || {
            let text = fs::read_to_string(self.path(name)).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        })
    }

    /// All living processes of this rig, the shim included.
    pub fn processes(&self) -> Vec<u32> {
        let cookie = format!("{COOKIE}={}", text(self.folder.path()));
        let ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == cookie.as_bytes())
        };
        let numbers = fs::read_dir("/proc").unwrap().flatten();
        numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(kill);
        }
        if let Some(mut shim) = self.shim.take() {
            let _ = shim.wait();
        }
    }
}

pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn ask(&mut self, request: &Request) {
        self.write(&serde_json::to_string(request).unwrap());
    }

    pub fn write(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn stream(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    /// The next reply, or `None` when the shim hung up.
    pub fn hear_or_end(&mut self) -> Option<Reply> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn hear(&mut self) -> Reply {
        self.hear_or_end().expect("the shim hung up")
    }

    pub fn spawn(&mut self, order: &SpawnOrder) -> Reply {
        self.ask(&Request::Spawn(order.clone()));
        self.hear()
    }

    pub fn started(&mut self, order: &SpawnOrder) -> Started {
        match self.spawn(order) {
            Reply::Started(started) => started,
            other => panic!("not started: {other:?}"),
        }
    }

    pub fn refused(&mut self, request: &Request) -> Refused {
        self.ask(request);
        match self.hear() {
            Reply::Refused(refused) => refused,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn refusal_code(&mut self, request: &Request) -> RefusalCode {
        self.refused(request).code
    }

    /// Asks for something that is acknowledged.
    pub fn done(&mut self, request: &Request) {
        self.ask(request);
        match self.hear() {
            Reply::Done { op, .. } => assert_eq!(op, request.op()),
            other => panic!("{request:?} gave {other:?}"),
        }
    }

    /// The next end that is told.
    pub fn exited(&mut self) -> Exited {
        match self.hear() {
            Reply::Exited(exited) => exited,
            other => panic!("no exit: {other:?}"),
        }
    }
}

/// Polls until there is something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Polls until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

pub fn kill(pid: u32) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
}

/// Whether a process is there and not a zombie.
pub fn lives(pid: u32) -> bool {
    let boot_id = resus_shim::identity::boot_id().unwrap();
    ProcessId::of(pid).is_ok_and(|process| resus_shim::identity::is_alive(process, &boot_id))
}

/// A field of `/proc/<pid>/status`.
pub fn status_field(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {status}")).trim().to_owned()
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
