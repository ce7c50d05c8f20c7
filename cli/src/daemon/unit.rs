//! The text of the systemd user unit (systemd.unit(5), systemd.service(5)), and how paths are
//! written in one.

use std::path::{Path, PathBuf};

/// First line of every unit of ours: how one is told from a file that somebody else wrote.
pub(crate) const MARK: &str = "# Written by 'resus daemon install'.";

/// What a unit depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// The program, absolute.
    pub program: &'a Path,
    /// The state folder, absolute; `None` = where the daemon would look for it.
    pub state: Option<&'a Path>,
    /// Variables that the service manager may not have and the daemon's settings depend on.
    pub env: &'a [(&'static str, String)],
}

/// Why no unit can be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// Units are UTF-8.
    #[error("a unit can't name {}: it is not valid UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// systemd refuses programs with such names ("Executable name contains special characters").
    #[error("systemd starts no program whose path has quotes, backslashes or control characters: {:?}", .0)]
    Program(PathBuf),
}

impl Unit<'_> {
    /// The unit's text.
    ///
    /// # Errors
    /// [`UnitError`] for a path that a unit can't hold.
    pub(crate) fn text(&self) -> Result<String, UnitError> {
        let program = program(self.program)?;
        let state = match self.state {
            Some(state) => format!(" --state-dir {}", argument(utf8(state)?)),
            None => String::new(),
        };
        let env: String = self
            .env
            .iter()
            .map(|(name, value)| format!("Environment={}\n", assignment(name, value)))
            .collect();
        Ok(format!(
            "{MARK}
# To change it: systemctl --user edit resus.service
[Unit]
Description=Resus keeps training runs alive
# As long as it takes: a disk that was full for an hour is no reason to stay away.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{env}# A daemon that a command or a shim has started meanwhile makes room.
ExecStart={program} daemon run --replace{state}
# Fails, and says why, if the settings are refused; then the old ones stay.
ExecReload={program} daemon reload{state}
# The ledger is replayed before it is ready.
TimeoutStartSec=150
# Answers from the actors themselves, not from a thread beside them.
WatchdogSec=30
Restart=on-failure
RestartSec=1
# Wrong arguments and settings don't get better by trying again.
RestartPreventExitStatus=2 13
# Only the daemon ends or is replaced: shims and their trainings go on.
KillMode=process
TimeoutStopSec=45
# A training that runs out of memory is the daemon's to judge; it must not end the daemon.
OOMPolicy=continue
# Trainings count as its processes: their limits are their own, and so are their cgroups.
TasksMax=infinity
Delegate=yes

[Install]
WantedBy=default.target
"
        ))
    }
}

/// The program of a command line: `%` begins a specifier, `$` means nothing here.
fn program(path: &Path) -> Result<String, UnitError> {
    let text = utf8(path)?;
    let is_special = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\');
    if text.contains(is_special) {
        return Err(UnitError::Program(path.into()));
    }
    Ok(quoted(&text.replace('%', "%%")))
}

/// An argument of a command line: `%` begins a specifier and `$` a variable.
fn argument(text: &str) -> String {
    quoted(&text.replace('%', "%%").replace('$', "$$"))
}

/// A value of `Environment=`: `%` begins a specifier.
fn assignment(name: &str, value: &str) -> String {
    quoted(&format!("{name}={}", value.replace('%', "%%")))
}

/// In double quotes, unless every character stands for itself: within them, `\` begins an
/// escape as in C.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,%$".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn utf8(path: &Path) -> Result<&str, UnitError> {
    path.to_str().ok_or_else(|| UnitError::NotUtf8(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn unit(program: &str, state: &str, env: &[(&'static str, String)]) -> Result<String, UnitError> {
        Unit { program: Path::new(program), state: Some(Path::new(state)), env }.text()
    }

    fn line<'t>(text: &'t str, start: &str) -> &'t str {
        text.lines().find(|line| line.starts_with(start)).expect(start)
    }

    #[test]
    fn the_packaged_unit_is_the_generated_one() {
        let unit = Unit { program: Path::new("/usr/bin/resus"), state: None, env: &[] };
        let packaged = include_str!("../../../deploy/systemd/resus.service");
        assert_eq!(unit.text().unwrap(), packaged, "if this is meant, write it into deploy/systemd/");
    }

    #[test]
    fn odd_paths_are_written_by_the_rules_of_systemd() {
        for (program, state, start) in [
            (
                "/usr/bin/resus",
                "/home/anna/state",
                "/usr/bin/resus daemon run --replace --state-dir /home/anna/state",
            ),
            ("/a b/resus", "/c d", "\"/a b/resus\" daemon run --replace --state-dir \"/c d\""),
            ("/a%h/$HOME/r", "/b%h/$HOME", "/a%%h/$HOME/r daemon run --replace --state-dir /b%%h/$$HOME"),
            ("/r", "/a\"b\\c'd;e\n\tf", "/r daemon run --replace --state-dir \"/a\\\"b\\\\c'd;e\\n\\x09f\""),
            ("/größe/r", "/größe", "\"/größe/r\" daemon run --replace --state-dir \"/größe\""),
        ] {
            let text = unit(program, state, &[]).unwrap();
            assert_eq!(line(&text, "ExecStart="), format!("ExecStart={start}"));
        }
    }

    #[test]
    fn the_daemons_settings_are_found_again() {
        let env = [("XDG_CONFIG_HOME", "/c".to_owned()), ("RESUS_CONFIG", "/my 100%/$c.toml".to_owned())];
        let text = unit("/r", "/s", &env).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("Environment=")).collect();
        assert_eq!(
            lines,
            ["Environment=XDG_CONFIG_HOME=/c", "Environment=\"RESUS_CONFIG=/my 100%%/$c.toml\""]
        );
    }

    #[test]
    fn what_a_unit_cant_hold_is_refused() {
        for bad in ["/a\"b", "/a'b", "/a\\b", "/a\nb"] {
            assert_eq!(unit(bad, "/s", &[]), Err(UnitError::Program(bad.into())));
        }
        let bytes = Path::new(OsStr::from_bytes(b"/\xff"));
        let unit = Unit { program: Path::new("/r"), state: Some(bytes), env: &[] };
        assert_eq!(unit.text(), Err(UnitError::NotUtf8(bytes.into())));
    }
}
