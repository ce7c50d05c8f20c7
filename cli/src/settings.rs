//! The configuration: `config/default.toml`, compiled in; over it the user's file, the project's
//! file, and what was typed with `--set`.

pub(crate) mod bus;
pub(crate) mod comments;
mod document;
mod fault;
pub(crate) mod keys;
pub(crate) mod layers;
pub(crate) mod nearest;
pub(crate) mod project;
pub(crate) mod reload;
pub(crate) mod schema;
pub(crate) mod set;
pub(crate) mod starter;
mod value;
pub(crate) mod written;

use crate::settings::bus::BusSettings;
use crate::settings::document::Source;
pub(crate) use crate::settings::document::Voice;
use crate::settings::fault::Judged;
pub(crate) use crate::settings::fault::SettingsError;
use resus_core::ids::Slug;
use resus_core::policy::Policy;
use std::env;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every key with its default and its meaning.
pub(crate) const DEFAULT: &str = include_str!("../../config/default.toml");
/// Most bytes read from a configuration file: what is larger is not one.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Defaults of every run.
    pub policy: Policy,
    /// Largest share of its disk's time that a worker may take to save, in percent.
    pub disk_share_percent: u8,
    /// Time without a live run or a question after which a daemon that a command started ends,
    /// in milliseconds; 0 = never.
    pub idle_exit_ms: u64,
    /// Size at which the daemon's log is set aside, in bytes.
    pub log_bytes_max: u64,
    /// Logs kept besides the present one.
    pub log_keep: u32,
    /// What this machine is called; `None` = after its host name.
    pub node: Option<Slug>,
    /// The bus.
    pub bus: BusSettings,
}

impl Settings {
    /// The defaults and over them the user's file, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault of the file at once.
    pub(crate) fn load() -> Result<Self, SettingsError> {
        let file = UserFile::locate();
        let read = file.as_ref().map_or(Ok(None), UserFile::read)?;
        Self::of(file.as_ref(), read.as_ref())
    }

    /// The defaults and over them what was read of the user's file.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub(crate) fn of(file: Option<&UserFile>, read: Option<&ReadFile>) -> Result<Self, SettingsError> {
        let settings = Self::built_in()?;
        match (file, read) {
            (Some(file), Some(read)) => settings.with_file(&read.text, file.path.clone()),
            (_, None) | (None, Some(_)) => Ok(settings),
        }
    }

    /// What `default.toml` says.
    ///
    /// # Errors
    /// [`SettingsError`]; a test makes sure that it has none.
    pub(crate) fn built_in() -> Result<Self, SettingsError> {
        Self::blank().with_file(DEFAULT, "default.toml".into())
    }

    /// What every key of `default.toml` is put into.
    fn blank() -> Self {
        Self {
            policy: Policy::default(),
            disk_share_percent: 100,
            idle_exit_ms: 15 * 60_000,
            log_bytes_max: 10 << 20,
            log_keep: 3,
            node: None,
            bus: BusSettings::default(),
        }
    }

    /// These settings with those that the user's `text` names in their place.
    pub(crate) fn with_file(mut self, text: &str, path: PathBuf) -> Result<Self, SettingsError> {
        let faults = Source::new(text, Voice::User).apply(&mut self).faults;
        if faults.is_empty() {
            return Ok(self);
        }
        let name = path.display().to_string();
        Err(SettingsError::Invalid { documents: vec![Judged { name, faults }] })
    }
}

/// Where the user's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserFile {
    /// Its path.
    pub path: PathBuf,
    /// Somebody named it: that it is not there is a mistake.
    must_exist: bool,
}

/// The user's file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadFile {
    /// Its text.
    pub text: String,
    /// Which state of it this is ([`stamp`]).
    pub stamp: String,
}

impl UserFile {
    /// What `$RESUS_CONFIG` names, else the usual one; `None` if there is no home.
    pub(crate) fn locate() -> Option<Self> {
        match var("RESUS_CONFIG").map(PathBuf::from) {
            Some(path) => Some(Self { path, must_exist: true }),
            None => {
                config_home().map(|folder| Self { path: folder.join("resus/config.toml"), must_exist: false })
            }
        }
    }

    /// Reads it; `None` if it is not there and need not be.
    ///
    /// # Errors
    /// [`SettingsError::Read`].
    pub(crate) fn read(&self) -> Result<Option<ReadFile>, SettingsError> {
        let path = &self.path;
        // The state before the text: what is written in between shows as another state later.
        let both = fs::metadata(path).and_then(|meta| Ok((stamp(&meta), read(path)?)));
        match both {
            Ok((stamp, text)) => Ok(Some(ReadFile { text, stamp })),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.must_exist => Ok(None),
            Err(source) => Err(SettingsError::Read { path: path.clone(), source }),
        }
    }
}

/// A state of a file: its size and the time of its modification. Not a sum of its bytes: one may
/// be a password, and the daemon tells this to others.
pub(crate) fn stamp(meta: &Metadata) -> String {
    format!("{}@{}.{:09}", meta.len(), meta.mtime(), meta.mtime_nsec())
}

/// The number of the key `key` as one would type it.
pub(crate) fn shown(key: &str, number: u64) -> String {
    value::show(key, number)
}

fn var(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Where the user's configuration files are: `$XDG_CONFIG_HOME`, else `~/.config`; `None` if
/// neither that nor `HOME` is set.
pub(crate) fn config_home() -> Option<PathBuf> {
    config_home_of(var("XDG_CONFIG_HOME"), var("HOME"))
}

/// The home folder.
pub(crate) fn home() -> Option<PathBuf> {
    var("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

fn config_home_of(xdg_config_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    match (xdg_config_home.map(PathBuf::from), home.map(PathBuf::from)) {
        // The base directory rules say that a path that is not absolute is to be ignored.
        (Some(config), _) if config.is_absolute() => Some(config),
        (_, home) => home.map(|home| home.join(".config")),
    }
}

/// Reads a configuration file.
///
/// # Errors
/// The I/O error; a file that is too large is one.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        let message = format!("it is {length} bytes long; at most {FILE_BYTES_MAX} make sense");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
