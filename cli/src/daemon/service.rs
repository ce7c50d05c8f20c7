//! The daemon as a service of systemd's user manager: the unit file, and the two tools that
//! make it count.

use crate::daemon::unit::{MARK, Unit, UnitError};
use crate::settings::config_home;
use resus_store::StateDir;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// The unit's name.
pub(crate) const UNIT: &str = "resus.service";
/// Longest time a tool may take. A restart returns when the daemon is ready, for which the
/// unit gives it 150 s, after the old one has ended, for which it has 45 s.
const TOOL_DEADLINE: Duration = Duration::from_secs(200);
/// A question to the manager is answered within this, or there is none.
const QUESTION_DEADLINE: Duration = Duration::from_secs(3);
/// Variables that say where the settings are. The manager may not have them.
const SETTINGS_VARS: [&str; 2] = ["XDG_CONFIG_HOME", "RESUS_CONFIG"];

/// Why the unit can't be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// There is no folder for units.
    #[error("no place for the unit: neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    /// What it has to say can't be said.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// Somebody else wrote the file; it is left alone.
    #[error("{} is there already, and 'resus daemon install' did not write it", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

impl ServiceError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = |text: &str| Some(text.to_owned());
        match self {
            Self::NoHome => text("set HOME"),
            Self::Unit(_) => text("move it, or name another state folder with --state-dir"),
            Self::NotOurs { .. } => text(
                "move it away; what you want to change goes beside the unit: systemctl --user edit resus.service",
            ),
            Self::Io { .. } => None,
        }
    }
}

/// Why a tool did not do what it was asked to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ToolError {
    /// It is not there.
    #[error("{0} is not installed here")]
    Missing(String),
    /// It said no.
    #[error("{tool}: {why}")]
    Failed {
        /// The tool.
        tool: String,
        /// The end of what it had to say.
        why: String,
    },
}

/// The unit's text for this program and the state folder `state`.
///
/// # Errors
/// [`ServiceError`].
pub(crate) fn text(state: &StateDir) -> Result<String, ServiceError> {
    let program = super::serve::program().map_err(|source| ServiceError::Io {
        path: super::handshake::OWN_PROGRAM.into(),
        what: "read",
        source,
    })?;
    let mut env = Vec::new();
    for name in SETTINGS_VARS {
        if let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) {
            let value = value.into_string().map_err(|value| UnitError::NotUtf8(value.into()))?;
            env.push((name, value));
        }
    }
    Ok(Unit { program: &program, state: Some(state.path()), env: &env }.text()?)
}

/// Where the unit is, or would be.
///
/// # Errors
/// [`ServiceError::NoHome`].
pub(crate) fn path() -> Result<PathBuf, ServiceError> {
    let folder = config_home().ok_or(ServiceError::NoHome)?;
    Ok(folder.join("systemd/user").join(UNIT))
}

/// Puts the unit in its place, all at once; one of ours that is there is replaced.
///
/// # Errors
/// [`ServiceError`].
pub(crate) fn write(path: &Path, text: &str) -> Result<(), ServiceError> {
    is_ours(path)?;
    let failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| ServiceError::Io { path, what, source }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
    }
    let temp = path.with_extension("service.tmp");
    fs::write(&temp, text).map_err(failed("write", &temp))?;
    fs::rename(&temp, path).map_err(failed("write", path))
}

/// Removes the unit; `false` if there was none.
///
/// # Errors
/// [`ServiceError`].
pub(crate) fn remove(path: &Path) -> Result<bool, ServiceError> {
    if !is_ours(path)? {
        return Ok(false);
    }
    let removed = fs::remove_file(path);
    removed.map_err(|source| ServiceError::Io { path: path.into(), what: "remove", source })?;
    Ok(true)
}

/// Whether there is a unit; one that somebody else wrote is an error.
///
/// # Errors
/// [`ServiceError`].
pub(crate) fn is_ours(path: &Path) -> Result<bool, ServiceError> {
    match fs::read(path) {
        Ok(text) if text.starts_with(MARK.as_bytes()) => Ok(true),
        Ok(_) => Err(ServiceError::NotOurs { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ServiceError::Io { path: path.into(), what: "read", source }),
    }
}

/// Asks the user manager for something, e.g. `["enable", UNIT]`.
///
/// # Errors
/// [`ToolError`].
pub(crate) async fn systemctl(words: &[&str]) -> Result<(), ToolError> {
    let words: Vec<_> = ["--user"].iter().chain(words).copied().collect();
    tool("systemctl", &words, TOOL_DEADLINE).await.map(drop)
}

/// Lets the user manager live from boot on, without a login.
///
/// # Errors
/// [`ToolError`].
pub(crate) async fn enable_linger() -> Result<(), ToolError> {
    tool("loginctl", &["enable-linger"], TOOL_DEADLINE).await.map(drop)
}

/// Whether the process `pid` is the service's own.
pub(crate) async fn is_main(pid: u32) -> bool {
    let words = ["--user", "show", "--property=MainPID", "--value", UNIT];
    // Where nobody answers there is no service either.
    tool("systemctl", &words, QUESTION_DEADLINE).await.is_ok_and(|said| said.trim() == pid.to_string())
}

async fn tool(name: &str, words: &[&str], within: Duration) -> Result<String, ToolError> {
    let failed = |why: String| ToolError::Failed { tool: name.to_owned(), why };
    let output = Command::new(name).args(words).stdin(Stdio::null()).kill_on_drop(true).output();
    match timeout(within, output).await {
        Err(_) => Err(failed(format!("no answer within {} s", within.as_secs()))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(ToolError::Missing(name.to_owned())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
            let why = last.map_or_else(|| output.status.to_string(), resus_core::text::visible);
            Err(failed(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_ours_is_replaced_and_removed_and_anothers_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("systemd/user").join(UNIT);
        assert!(!remove(&path).unwrap());
        for text in [format!("{MARK}\n1\n"), format!("{MARK}\n2\n")] {
            write(&path, &text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(remove(&path).unwrap() && !path.exists());
        fs::write(&path, "[Service]\n").unwrap();
        assert!(matches!(write(&path, MARK), Err(ServiceError::NotOurs { .. })));
        assert!(matches!(remove(&path), Err(ServiceError::NotOurs { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\n");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    }

    #[tokio::test]
    async fn a_tool_that_is_missing_fails_or_hangs_is_told_apart() {
        let short = Duration::from_millis(20);
        let sh = |script: &'static str, within| async move { tool("sh", &["-c", script], within).await };
        assert_eq!(sh("echo yes", TOOL_DEADLINE).await, Ok("yes\n".to_owned()));
        let failed = |why: &str| Err(ToolError::Failed { tool: "sh".into(), why: why.into() });
        assert_eq!(sh("echo one >&2; echo two >&2; exit 3", TOOL_DEADLINE).await, failed("two"));
        assert_eq!(sh("exit 3", TOOL_DEADLINE).await, failed("exit status: 3"));
        assert_eq!(sh("exec sleep 600", short).await, failed("no answer within 0 s"));
        let missing = tool("no-such-tool-here", &[], TOOL_DEADLINE).await;
        assert_eq!(missing, Err(ToolError::Missing("no-such-tool-here".into())));
    }
}
