//! The server's process: started, found again, watched and ended.

use super::BrokerError;
use super::folder::{OUTPUT, ServerFolder, ServerRecord};
use crate::adopted::Adopted;
use resus_bus::nats::probe::version_of;
use resus_shim::identity::ProcessId;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A server that is asked to end has its clients told and its files closed within this; what it
/// has acknowledged is on the disk anyway.
const END_DEADLINE: Duration = Duration::from_secs(5);
/// After SIGKILL a process is gone as soon as the kernel is through with it.
const KILL_DEADLINE: Duration = Duration::from_secs(10);
/// A program tells its version within this, on a busy machine too.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);

/// A running server. It is not ended when this goes: only [`ServerProcess::end`] does that.
pub(super) struct ServerProcess {
    held: Adopted,
    id: ProcessId,
    /// Ours to reap, unless an earlier daemon started it.
    child: Option<Child>,
}

impl ServerProcess {
    /// Starts `program` with the configuration in `folder`, in a process group of its own: what
    /// is sent to ours from a terminal is not meant for it.
    pub(super) fn start(program: &Path, folder: &ServerFolder, boot_id: &str) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::Start { program: program.to_owned(), source };
        let conf = conf_of(folder);
        let output = folder.path().join(OUTPUT);
        let output = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(output);
        let output = output.map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&conf).current_dir(folder.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(output.try_clone().map_err(failed)?).stderr(output);
        let child = command.spawn().map_err(failed)?;
        // It is not reaped before `child` is asked, so its number is its own until then.
        let id = child.id().ok_or(BrokerError::Gone).and_then(|pid| ProcessId::of(pid).map_err(failed))?;
        match Adopted::take(id, boot_id).map_err(failed)? {
            Some(held) => Ok(Self { held, id, child: Some(child) }),
            None => Err(BrokerError::Gone),
        }
    }

    /// Takes hold of a server that lives.
    pub(super) fn take(id: ProcessId, boot_id: &str) -> io::Result<Option<Self>> {
        Ok(Adopted::take(id, boot_id)?.map(|held| Self { held, id, child: None }))
    }

    /// Which process it is.
    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    /// Waits for its end.
    pub(super) async fn gone(&mut self) -> io::Result<()> {
        match &mut self.child {
            Some(child) => child.wait().await.map(drop),
            None => self.held.gone().await,
        }
    }

    /// Asks it to end, and ends it if it does not. Returns whether it is gone.
    pub(super) async fn end(mut self) -> bool {
        if let Err(error) = self.held.terminate() {
            tracing::debug!(%error, "SIGTERM did not reach the NATS server");
        }
        if matches!(timeout(END_DEADLINE, self.gone()).await, Ok(Ok(()))) {
            return true;
        }
        tracing::warn!(pid = self.id.pid, "the NATS server does not end when asked, and is killed");
        if let Err(error) = self.held.kill() {
            tracing::warn!(%error, "the NATS server could not be killed");
        }
        matches!(timeout(KILL_DEADLINE, self.gone()).await, Ok(Ok(())))
    }
}

/// Servers that live with the configuration in `folder`, whoever started them: a daemon may have
/// been killed between the start of one and the record of it, which is `last`. What is of another
/// user, or another program than `program`, is left alone whatever its command line says.
pub(super) fn servers_of(
    folder: &ServerFolder,
    program: &Path,
    last: Option<&ServerRecord>,
    boot_id: &str,
) -> Vec<ProcessId> {
    let conf = conf_of(folder);
    let (us, names) = (rustix::process::geteuid().as_raw(), names_of(program));
    let recorded = last.filter(|last| last.boot_id == boot_id).map(|last| last.process);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let id = ProcessId::of(pid).ok().filter(|_| is_server_line(&line, conf.as_os_str()))?;
        let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        // The program may have got another name since.
        (owner == us && (recorded == Some(id) || is_named(&exe, &names))).then_some(id)
    });
    processes.collect()
}

/// What the file of a server's process may be called: as that of `program`, behind its links too.
fn names_of(program: &Path) -> Vec<OsString> {
    let mut paths = vec![PathBuf::from(super::PROGRAM), program.to_owned()];
    if program.components().count() == 1 {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        paths.extend(std::env::split_paths(&folders).map(|folder| folder.join(program)));
    }
    let real: Vec<_> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    paths.extend(real);
    paths.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned).collect()
}

/// Whether `exe`, as the kernel tells it, has one of these names. It says so behind the name when
/// the file was replaced, as an upgrade does.
fn is_named(exe: &Path, names: &[OsString]) -> bool {
    let name = exe.file_name().unwrap_or_default().as_bytes();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    names.iter().any(|known| known.as_bytes() == name)
}

/// Whether a command line, with NUL behind each word, is that of a server with this configuration.
fn is_server_line(line: &[u8], conf: &OsStr) -> bool {
    let mut words = line.split(|byte| *byte == 0).skip(1);
    words.next() == Some(b"-c") && words.next() == Some(conf.as_bytes())
}

fn conf_of(folder: &ServerFolder) -> PathBuf {
    folder.path().join(super::folder::CONF)
}

/// The version of `program`, if it is a nats-server as new as we need it.
pub(super) async fn version(program: &Path) -> Result<String, BrokerError> {
    let failed = |source| BrokerError::Start { program: program.to_owned(), source };
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match timeout(VERSION_DEADLINE, command.output()).await {
        Ok(output) => output.map_err(failed)?,
        Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix("nats-server: v").unwrap_or_default().to_owned();
    match version_of(&version) {
        Some(known) if known >= resus_bus::nats::probe::VERSION_MIN => Ok(version),
        Some(_) => Err(BrokerError::TooOld { program: program.to_owned(), version }),
        None => Err(BrokerError::Foreign { program: program.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_shim::identity::{boot_id, is_alive};

    #[test]
    fn a_server_is_told_from_whoever_reads_its_configuration() {
        let conf = OsStr::new("/s/nats/nats.conf");
        assert!(is_server_line(b"nats-server\0-c\0/s/nats/nats.conf\0", conf));
        assert!(is_server_line(b"/opt/nats\0-c\0/s/nats/nats.conf\0-D\0", conf));
        for other in
            ["vim\0/s/nats/nats.conf\0", "nats-server\0-c\0/s/nats/nats.conf2\0", "nats-server\0", ""]
        {
            assert!(!is_server_line(other.as_bytes(), conf), "{other:?}");
        }
    }

    #[test]
    fn the_file_of_a_process_has_to_be_that_of_the_program() {
        let names = names_of(Path::new("/opt/nats/server-2.15"));
        for ours in ["/a/server-2.15", "/usr/bin/nats-server", "/usr/bin/nats-server (deleted)"] {
            assert!(is_named(Path::new(ours), &names), "{ours}");
        }
        for other in ["/usr/bin/wc", "/usr/bin/nats-server2", "/", " (deleted)"] {
            assert!(!is_named(Path::new(other), &names), "{other}");
        }
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("real"), "").unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("link")).unwrap();
        assert!(is_named(Path::new("/x/real"), &names_of(&temp.path().join("link"))));
    }

    #[test]
    fn another_program_with_the_same_words_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = ServerFolder::of(temp.path());
        folder.make().unwrap();
        let conf = conf_of(&folder);
        // Nobody writes into it, so whoever counts its bytes waits.
        assert!(std::process::Command::new("mkfifo").arg(&conf).status().unwrap().success());
        let mut wc = std::process::Command::new("wc").arg("-c").arg(&conf).spawn().unwrap();
        let (id, boot) = (ProcessId::of(wc.id()).unwrap(), boot_id().unwrap());
        let _ended = KillOnDrop(id);
        let line = || fs::read(format!("/proc/{}/cmdline", id.pid)).unwrap();
        while !is_server_line(&line(), conf.as_os_str()) {
            std::thread::yield_now();
        }
        let program = Path::new(super::super::PROGRAM);
        assert_eq!(servers_of(&folder, program, None, &boot), []);
        // What a daemon has written down is its own, however its file is called now.
        let record = ServerRecord {
            process: id,
            boot_id: boot.clone(),
            version: String::new(),
            wanted_port: 0,
            port: 1,
            monitor_port: 2,
            websocket_port: None,
        };
        assert_eq!(servers_of(&folder, program, Some(&record), &boot), [id]);
        assert_eq!(servers_of(&folder, program, Some(&record), "another boot"), []);
        wc.kill().unwrap();
        wc.wait().unwrap();
    }

    /// Leaves no server behind if the test fails.
    struct KillOnDrop(ProcessId);

    impl Drop for KillOnDrop {
        fn drop(&mut self) {
            if is_alive(self.0, &boot_id().unwrap()) {
                resus_tests::kill(self.0.pid, "KILL");
            }
        }
    }

    #[tokio::test]
    async fn a_server_is_found_by_its_configuration_taken_over_and_ended() {
        let temp = tempfile::tempdir().unwrap();
        let folder = ServerFolder::of(temp.path());
        folder.make().unwrap();
        folder.write(super::super::folder::CONF, b"listen: \"127.0.0.1:-1\"\n").unwrap();
        let (program, boot) = (resus_tests::Version::Newest.program(), boot_id().unwrap());
        let child = ServerProcess::start(&program, &folder, &boot).unwrap();
        let _ended = KillOnDrop(child.id());
        // For an instant after its start a process has no command line yet.
        while servers_of(&folder, &program, None, &boot) != [child.id()] {
            tokio::task::yield_now().await;
        }
        let mut taken = ServerProcess::take(child.id(), &boot).unwrap().unwrap();
        let id = taken.id();
        let (_reaped, _seen) = tokio::join!(child.end(), taken.gone());
        assert_eq!(servers_of(&folder, &program, None, &boot), []);
        assert!(ServerProcess::take(id, &boot).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_version_is_asked_for_and_an_old_or_foreign_program_refused() {
        let temp = tempfile::tempdir().unwrap();
        let program = |name: &str, says: &str| {
            let path = temp.path().join(name);
            resus_tests::write_program(&path, format!("#!/bin/sh\necho '{says}'\n").as_bytes());
            path
        };
        let good = program("good", "nats-server: v2.12.0");
        assert_eq!(version(&good).await.unwrap(), "2.12.0");
        let old = program("old", "nats-server: v2.9.10");
        assert!(
            matches!(version(&old).await, Err(BrokerError::TooOld { version, .. }) if version == "2.9.10")
        );
        let other = program("other", "hello");
        assert!(matches!(version(&other).await, Err(BrokerError::Foreign { .. })));
        assert!(matches!(version(Path::new("/no/such")).await, Err(BrokerError::Start { .. })));
    }
}
