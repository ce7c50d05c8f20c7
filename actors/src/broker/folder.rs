//! The server's folder in the state folder: configuration, passwords, store, log, and a record
//! of the last server.

use resus_bus::link::Secret;
use resus_bus::roles::Role;
use resus_shim::identity::ProcessId;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The server's log.
pub(super) const LOG: &str = "server.log";
/// What it says before it has opened its log, and the last words of a crash.
pub(super) const OUTPUT: &str = "server.out";
/// Its configuration.
pub(super) const CONF: &str = "nats.conf";
/// The record of the last server.
const RECORD: &str = "server.json";
/// Most characters of a server's last words.
const WORDS_MAX: usize = 300;
/// Random bytes of a password.
const PASSWORD_BYTES: usize = 32;
/// Random bytes of a server's name: enough that no two servers of a site are called the same.
const NAME_BYTES: usize = 4;

/// A server that was started here. Kept when it ends, for its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// Its process.
    pub process: ProcessId,
    /// The boot in which it was started.
    pub boot_id: String,
    /// Its version.
    pub version: String,
    /// The port that the settings asked for.
    pub wanted_port: u16,
    /// The port for clients.
    pub port: u16,
    /// The port of its monitoring pages.
    pub monitor_port: u16,
    /// The port for browsers.
    pub websocket_port: Option<u16>,
}

/// The folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFolder {
    path: PathBuf,
}

impl ServerFolder {
    /// The one in the state folder at `state`. Creates nothing.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("nats") }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the password of a role's user.
    #[must_use]
    pub fn password_file(&self, role: Role) -> PathBuf {
        self.path.join(format!("{}.password", role.as_str()))
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The last server, if there was one.
    #[must_use]
    pub fn record(&self) -> Option<ServerRecord> {
        serde_json::from_slice(&fs::read(self.path.join(RECORD)).ok()?).ok()
    }

    /// What a server that ended has said last: before it had a log, or of what was wrong.
    pub(super) fn last_words(&self) -> Option<String> {
        let text =
            |name| String::from_utf8_lossy(&fs::read(self.path.join(name)).unwrap_or_default()).into_owned();
        let (output, log) = (text(OUTPUT), text(LOG));
        let bad = log.lines().rev().find(|line| line.contains("[FTL]") || line.contains("[ERR]"));
        let line = output.lines().rev().find(|line| !line.trim().is_empty()).or(bad)?;
        Some(line.chars().take(WORDS_MAX).collect())
    }

    /// Makes the folder, for us alone.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    pub(super) fn write_record(&self, record: &ServerRecord) -> io::Result<()> {
        self.write(RECORD, serde_json::to_string_pretty(record)?.as_bytes())
    }

    /// What the server calls itself: `prefix` and something random that stays.
    pub(super) fn server_name(&self, prefix: &str) -> io::Result<String> {
        Ok(format!("{prefix}-{}", self.kept("name", NAME_BYTES)?))
    }

    /// The password of every role's user, made when there is none yet.
    pub(super) fn passwords(&self) -> io::Result<Vec<(Role, Secret)>> {
        let of = |role| {
            let name = self.password_file(role);
            let name = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            Ok((role, Secret::new(self.kept(name, PASSWORD_BYTES)?)))
        };
        Role::ALL.into_iter().map(of).collect()
    }

    /// A random text in hexadecimal that is made once and kept in a file.
    fn kept(&self, name: &str, bytes: usize) -> io::Result<String> {
        let is_one = |text: &str| text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_hexdigit());
        match fs::read_to_string(self.path.join(name)) {
            Ok(text) if is_one(text.trim_end()) => return Ok(text.trim_end().to_owned()),
            // Half written, or somebody's own: a server with an empty password would be open.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut random = vec![0; bytes];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(name, format!("{text}\n").as_bytes())?;
        Ok(text)
    }

    /// Puts a file in the place of an old one; never readable by others, never half there.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let draft = self.path.join(format!(".{name}.new"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(draft, self.path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> (tempfile::TempDir, ServerFolder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = ServerFolder::of(temp.path());
        folder.make().unwrap();
        (temp, folder)
    }

    #[test]
    fn passwords_are_made_once_long_and_for_us_alone() {
        let (_temp, folder) = folder();
        let first = folder.passwords().unwrap();
        assert_eq!(folder.passwords().unwrap(), first);
        for (role, password) in &first {
            assert_eq!(password.reveal().len(), 64);
            let mode = fs::metadata(folder.password_file(*role)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_ne!(first[0].1, first[1].1);
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_half_written_password_is_none() {
        let (_temp, folder) = folder();
        fs::write(folder.password_file(Role::Viewer), "").unwrap();
        let made = folder.passwords().unwrap();
        assert!(made.iter().all(|(_, password)| password.reveal().len() == 64));
    }

    #[test]
    fn a_record_is_read_as_written_and_a_broken_one_is_none() {
        let (_temp, folder) = folder();
        assert_eq!(folder.record(), None);
        let record = ServerRecord {
            process: ProcessId { pid: 1, start_ticks: 2 },
            boot_id: "b".to_owned(),
            version: "2.15.1".to_owned(),
            wanted_port: 4222,
            port: 4223,
            monitor_port: 5,
            websocket_port: None,
        };
        folder.write_record(&record).unwrap();
        assert_eq!(folder.record(), Some(record));
        fs::write(folder.path().join(RECORD), "{").unwrap();
        assert_eq!(folder.record(), None);
    }
}
