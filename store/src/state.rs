//! The state folder: where it is, who may touch it, and what its parts are called.

mod generation;
mod private;

use crate::lock::{LockError, StateLock};
use crate::run_id::{self, BadRunId};
use private::failed;
use resus_disk::{Disk, Kind, Real};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An existing state folder that belongs to us and to nobody else.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    tightened_from: Option<u32>,
}

/// Why a state folder or a part of it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("no place for the state folder: neither XDG_STATE_HOME nor HOME is set")]
    NoHome,
    /// The path does not start at the root, so it would depend on where a command is run.
    #[error("state folder {} is not an absolute path", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// Something else is where a folder must be.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Others can write to the folder, and it is no state folder yet.
    #[error("others can write to {} (mode {mode:o})", path.display())]
    Exposed {
        /// The path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The folder, or the link that leads to it, belongs to another user.
    #[error("{} belongs to user {owner}, not to user {us}", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user we run as.
        us: u32,
    },
    /// The run id does not match its grammar.
    #[error(transparent)]
    BadRunId(#[from] BadRunId),
    /// A file operation failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

impl StateError {
    /// What the user can do about it, as a sentence for its own line.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoHome | Self::NotAbsolute { .. } => {
                Some("set XDG_STATE_HOME to an absolute path, or name a state folder")
            }
            Self::NotAFolder { .. } => Some("move it away, or name another state folder"),
            Self::Exposed { .. } => {
                Some("name a folder that does not exist yet, or close this one with: chmod 700")
            }
            Self::NotOurs { .. } => Some("run as its owner, or name a state folder of your own"),
            Self::BadRunId(_) | Self::Io { .. } => None,
        }
    }
}

impl StateDir {
    /// `$XDG_STATE_HOME/resus`, else `$HOME/.local/state/resus`. Creates nothing.
    ///
    /// # Errors
    /// [`StateError::NoHome`] or [`StateError::NotAbsolute`].
    pub fn default_path() -> Result<PathBuf, StateError> {
        default_path(env::var_os("XDG_STATE_HOME"), env::var_os("HOME"))
    }

    /// Opens the folder, creating it for its owner only. A state folder that others may enter is
    /// closed to them (see [`StateDir::tightened_from`]); a folder that holds other things keeps
    /// its permissions, and is refused if others can write to it. A link is followed once, here, if
    /// link and folder are both ours; later changes of the link change nothing.
    ///
    /// # Errors
    /// [`StateError`]: not absolute, not a folder, not ours, or not accessible.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        if !path.is_absolute() {
            return Err(StateError::NotAbsolute { path: path.into() });
        }
        private::make_around(path)?;
        private::check_owner(path)?;
        let real = fs::canonicalize(path).map_err(failed("resolve", path))?;
        let tightened_from = private::tighten(&real)?;
        Ok(Self { path: real, tightened_from })
    }

    /// The folder at `path` for who may only look: nothing is made, checked or closed, and links are
    /// left as they are.
    #[must_use]
    pub fn assumed(path: &Path) -> Self {
        Self { path: path.to_owned(), tightened_from: None }
    }

    /// The folder, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permissions the folder had when it was opened, if others could enter it until then.
    #[must_use]
    pub fn tightened_from(&self) -> Option<u32> {
        self.tightened_from
    }

    /// The event database.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.db")
    }

    /// The file whose lock admits one daemon.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// How clients find the running daemon.
    #[must_use]
    pub fn daemon_record(&self) -> PathBuf {
        self.path.join("daemon.json")
    }

    /// What the daemon says.
    #[must_use]
    pub fn daemon_log(&self) -> PathBuf {
        self.path.join("daemon.log")
    }

    /// Folder of the programs that the daemon puts here for itself.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.path.join("bin")
    }

    /// How far the events of the ledger have come on the bus.
    #[must_use]
    pub fn bus_mark(&self) -> PathBuf {
        self.path.join("bus.json")
    }

    /// How far the events of the ledger have come into the files of runs.
    #[must_use]
    pub fn files_mark(&self) -> PathBuf {
        self.path.join("bus-files")
    }

    /// Present while the daemon is stopped on purpose, so that nothing starts it again.
    #[must_use]
    pub fn stopped(&self) -> PathBuf {
        self.path.join("stopped")
    }

    /// Takes the right to be this folder's daemon; see [`StateLock::take`].
    ///
    /// # Errors
    /// [`LockError::Held`] when another daemon has it.
    pub fn lock(&self, version: &str) -> Result<StateLock, LockError> {
        StateLock::take(self, version)
    }

    /// The folder of one run.
    ///
    /// # Errors
    /// [`BadRunId`]: only ids of the grammar become paths.
    pub fn run(&self, run_id: &str) -> Result<PathBuf, BadRunId> {
        run_id::check(run_id)?;
        Ok(self.runs().join(run_id))
    }

    /// The folder of one attempt, `runs/<run_id>/attempts/<NNNN>`; numbers above 9999 grow wider.
    ///
    /// # Errors
    /// [`BadRunId`].
    pub fn attempt(&self, run_id: &str, attempt: u32) -> Result<PathBuf, BadRunId> {
        Ok(self.run(run_id)?.join("attempts").join(format!("{attempt:04}")))
    }

    /// The folder of a run's checkpoints.
    ///
    /// # Errors
    /// [`BadRunId`].
    pub fn checkpoints(&self, run_id: &str) -> Result<PathBuf, BadRunId> {
        Ok(self.run(run_id)?.join("checkpoints"))
    }

    /// The folder of what is known of a run's checkpoints of other frameworks.
    ///
    /// # Errors
    /// [`BadRunId`].
    pub fn manifests(&self, run_id: &str) -> Result<PathBuf, BadRunId> {
        Ok(self.run(run_id)?.join("manifests"))
    }

    /// Creates the folder of one attempt and those around it, each for its owner only.
    ///
    /// # Errors
    /// [`StateError`]; folders that exist already are accepted if they are real and ours.
    pub fn make_attempt(&self, run_id: &str, attempt: u32) -> Result<PathBuf, StateError> {
        let target = self.attempt(run_id, attempt)?;
        private::make_all(&Real, &self.path, &target, false)?;
        Ok(target)
    }

    /// Creates the checkpoint folder of a run and those around it, each for its owner only. They are
    /// on disk when this returns: a checkpoint is worth nothing in a folder that a power cut takes.
    ///
    /// # Errors
    /// As [`StateDir::make_attempt`].
    pub fn make_checkpoints(&self, run_id: &str) -> Result<PathBuf, StateError> {
        let target = self.checkpoints(run_id)?;
        private::make_all(&Real, &self.path, &target, true)?;
        Ok(target)
    }

    /// Ids of the runs that have a folder, in text order. Other names are not ours and left out.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn run_ids(&self) -> Result<Vec<String>, StateError> {
        let runs = self.runs();
        let names = match Real.list(&runs, usize::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(failed("list", &runs))?,
        };
        let mut ids = Vec::new();
        for name in names {
            let path = runs.join(&name);
            let is_folder = match Real.look_at(&path) {
                // It went while we looked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                entry => entry.map_err(failed("look at", &path))?.kind == Kind::Folder,
            };
            if let (true, Ok(name)) = (is_folder, name.into_string()) {
                ids.extend(run_id::check(&name).is_ok().then_some(name));
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }
}

fn default_path(xdg_state_home: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, StateError> {
    let given = |value: Option<OsString>| value.filter(|text| !text.is_empty()).map(PathBuf::from);
    let path = match (given(xdg_state_home), given(home)) {
        (Some(state), _) => state.join("resus"),
        (None, Some(home)) => home.join(".local/state/resus"),
        (None, None) => return Err(StateError::NoHome),
    };
    if path.is_absolute() { Ok(path) } else { Err(StateError::NotAbsolute { path }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> Option<OsString> {
        Some(text.into())
    }

    #[test]
    fn the_default_path_follows_the_base_directory_rules() {
        let path = |xdg, home| default_path(xdg, home).expect("a path");
        assert_eq!(path(os("/s"), os("/h")), Path::new("/s/resus"));
        assert_eq!(path(None, os("/h")), Path::new("/h/.local/state/resus"));
        assert_eq!(path(os(""), os("/h")), Path::new("/h/.local/state/resus"), "empty counts as unset");
    }

    #[test]
    fn without_a_home_there_is_a_hint() {
        for (xdg, home) in [(None, None), (os(""), os("")), (os("s"), os("/h")), (None, os("h"))] {
            let refused = default_path(xdg, home).expect_err("no absolute place");
            assert!(refused.hint().is_some_and(|hint| hint.contains("XDG_STATE_HOME")), "{refused}");
        }
    }
}
