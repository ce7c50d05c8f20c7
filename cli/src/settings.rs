//! The configuration: `config/default.toml`, compiled in, and over it the user's file.

pub(crate) mod bus;
mod document;
mod fault;
mod keys;
mod nearest;
mod value;

use crate::settings::bus::BusSettings;
use crate::settings::document::Source;
pub(crate) use crate::settings::fault::SettingsError;
use resus_core::ids::Slug;
use resus_core::policy::Policy;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

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
        let named = var("RESUS_CONFIG").map(PathBuf::from);
        let usual = || config_home().map(|folder| folder.join("resus/config.toml"));
        let must_exist = named.is_some();
        let settings = Self::built_in()?;
        let Some(path) = named.or_else(usual) else { return Ok(settings) };
        match read(&path) {
            Ok(text) => settings.with_file(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(settings),
            Err(source) => Err(SettingsError::Read { path, source }),
        }
    }

    /// What `default.toml` says.
    ///
    /// # Errors
    /// [`SettingsError`]; a test makes sure that it has none.
    pub(crate) fn built_in() -> Result<Self, SettingsError> {
        let base = Self {
            policy: Policy::default(),
            disk_share_percent: 100,
            idle_exit_ms: 15 * 60_000,
            log_bytes_max: 10 << 20,
            log_keep: 3,
            node: None,
            bus: BusSettings::default(),
        };
        base.with_file(DEFAULT, "default.toml".into())
    }

    /// These settings with those that `text` names in their place.
    fn with_file(mut self, text: &str, path: PathBuf) -> Result<Self, SettingsError> {
        let faults = Source::new(text).apply(&mut self);
        if faults.is_empty() { Ok(self) } else { Err(SettingsError::Invalid { path, faults }) }
    }
}

fn var(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Where the user's configuration files are: `$XDG_CONFIG_HOME`, else `~/.config`; `None` if
/// neither that nor `HOME` is set.
pub(crate) fn config_home() -> Option<PathBuf> {
    config_home_of(var("XDG_CONFIG_HOME"), var("HOME"))
}

fn config_home_of(xdg_config_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    match (xdg_config_home.map(PathBuf::from), home.map(PathBuf::from)) {
        // The base directory rules say that a path that is not absolute is to be ignored.
        (Some(config), _) if config.is_absolute() => Some(config),
        (_, home) => home.map(|home| home.join(".config")),
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        let message = format!("it is {length} bytes long; at most {FILE_BYTES_MAX} make sense");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests;
