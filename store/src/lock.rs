//! One daemon per state folder: a `flock` that the kernel releases when its holder dies.
//!
//! The lock decides; the text in the file only says who holds it. So a file left by a dead
//! daemon, or from before a reboot, is no obstacle and nothing has to judge whether it is stale.

use crate::identity::Identity;
use crate::state::StateDir;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes read from a lock file: five short lines.
const HOLDER_BYTES_MAX: u64 = 4096;

/// The right to be the daemon of a state folder; given back when dropped.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    holder: Holder,
}

/// Who holds, or held, the lock: the text of the lock file, one `key value` per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub identity: Identity,
    /// Version of its program.
    pub version: String,
    /// When it took the lock, in Unix milliseconds.
    pub since_unix_ms: u64,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon runs on this state folder.
    #[error(
        "another resus daemon ({}) already uses this state folder {}; stop it with 'resus daemon stop'",
        pid_or_unknown(holder),
        folder.display()
    )]
    Held {
        /// The state folder.
        folder: PathBuf,
        /// The holder; `None` in the instant before it has written its name.
        holder: Option<Box<Holder>>,
    },
    /// The lock file cannot be used.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

fn pid_or_unknown(holder: &Option<Box<Holder>>) -> String {
    holder.as_ref().map_or_else(|| "pid unknown".into(), |holder| format!("pid {}", holder.identity.pid))
}

impl StateLock {
    /// Takes the lock of a state folder without waiting, and writes this process's identity and
    /// `version`, the program's version, into the lock file.
    ///
    /// # Errors
    /// [`LockError::Held`] when another daemon, of this process or another one, has it.
    pub fn take(state: &StateDir, version: &str) -> Result<Self, LockError> {
        let path = state.lock_file();
        let failed = |what| io_failed(&path, what);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(opened.map_err(|errno| failed("open")(errno.into()))?);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let holder = read_holder(&mut file).map_err(failed("read"))?.map(Box::new);
                return Err(LockError::Held { folder: state.path().into(), holder });
            }
            Err(errno) => return Err(failed("lock")(errno.into())),
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let holder = Holder {
            identity: Identity::current().map_err(failed("describe this process in"))?,
            version: version.into(),
            since_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        };
        file.set_len(0).map_err(failed("write"))?;
        file.write_all(holder.to_string().as_bytes()).map_err(failed("write"))?;
        Ok(Self { file, holder })
    }

    /// What the lock file says about us.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for StateLock {
    /// Closing the file would do, but a process just being spawned shares it until its `exec`.
    fn drop(&mut self) {
        // If unlocking fails, closing the file releases the lock a moment later.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn io_failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> LockError {
    let path = path.to_path_buf();
    move |source| LockError::Io { path, what, source }
}

fn read_holder(file: &mut File) -> io::Result<Option<Holder>> {
    let mut bytes = Vec::new();
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(Holder::parse))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { pid, start_ticks, boot_id } = &self.identity;
        writeln!(f, "pid {pid}\nstart_ticks {start_ticks}\nboot_id {boot_id}")?;
        writeln!(f, "version {}\nsince_unix_ms {}", self.version, self.since_unix_ms)
    }
}

impl Holder {
    /// Reads the text of a lock file; `None` unless all five lines are there and end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.split_inclusive('\n').find_map(|line| line.strip_prefix(key))?;
            line.strip_prefix(' ')?.strip_suffix('\n')
        };
        Some(Self {
            identity: Identity {
                pid: value("pid")?.parse().ok()?,
                start_ticks: value("start_ticks")?.parse().ok()?,
                boot_id: value("boot_id")?.into(),
            },
            version: value("version")?.into(),
            since_unix_ms: value("since_unix_ms")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_back_and_half_of_one_does_not() {
        let holder = Holder {
            identity: Identity { pid: 7, start_ticks: 99, boot_id: "b-1".into() },
            version: "0.1.0 (abc)".into(),
            since_unix_ms: 1_700_000_000_000,
        };
        let text = holder.to_string();
        assert_eq!(Holder::parse(&text), Some(holder));
        for end in 0..text.len() {
            assert_eq!(Holder::parse(&text[..end]), None, "cut after {end} bytes");
        }
    }
}
