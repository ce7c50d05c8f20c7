//! The folders that Resus uses: whose they are, who else may enter, and whether sockets fit. What is
//! found is judged as the first command would judge it; nothing is made or closed here.

use crate::doctor::Check;
use crate::doctor::probe::NoAnswer;
use resus_core::exit::ExitCode;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most bytes of a socket's path: `sun_path` less the final NUL (unix(7)).
const SOCKET_BYTES_MAX: usize = 107;
/// Longest name of a socket in the runtime folder: a run id, and what kind of socket it is.
const SOCKET_NAME_BYTES: usize = 50;

/// What a folder or a file is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where.
    pub path: PathBuf,
    /// What is there.
    pub is: Is,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Is {
    /// Nothing.
    Missing,
    /// It can't be said.
    Unreadable(String),
    /// A folder or a file.
    There {
        /// A folder, or a link to one.
        is_folder: bool,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
}

/// Looks at `path`, behind a link.
pub(crate) fn look(path: &Path) -> Found {
    let is = match fs::metadata(path) {
        Ok(meta) => Is::There { is_folder: meta.is_dir(), owner: meta.uid(), mode: meta.mode() & 0o7777 },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Is::Missing,
        Err(error) => Is::Unreadable(error.to_string()),
    };
    Found { path: path.to_owned(), is }
}

/// That the state folder does not answer: everything waits for it.
pub(crate) fn state_is_late(what: &'static str, why: &NoAnswer) -> Check {
    let said = format!("the state folder gives {why}: does its file system hang?");
    let fix = "look at it with: findmnt; or choose another folder with --state-dir";
    Check::bad(what, said, fix, ExitCode::DaemonUnreachable)
}

/// The state folder of a user `us`.
pub(crate) fn state(found: &Found, us: u32) -> Check {
    const WHAT: &str = "state";
    let path = found.path.display();
    let bad = |said: String, fix: &str| Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable);
    match &found.is {
        Is::Missing => Check::good(WHAT, format!("{path} is not there yet; the first command makes it")),
        Is::Unreadable(why) => {
            bad(format!("{path} can't be looked at: {why}"), "choose another: --state-dir")
        }
        Is::There { is_folder: false, .. } => {
            bad(format!("{path} is not a folder"), "move it away, or choose another: --state-dir")
        }
        Is::There { owner, .. } if *owner != us => bad(
            format!("{path} belongs to user {owner}, not to user {us}"),
            "run as its owner, or choose a folder of your own: --state-dir",
        ),
        Is::There { mode, .. } if mode & 0o700 != 0o700 => {
            bad(format!("{path} is closed to its owner (mode {mode:o})"), &chmod(700, &found.path))
        }
        Is::There { mode, .. } if mode & 0o022 != 0 => {
            let said = format!("others can write to {path} (mode {mode:o})");
            Check::warning(WHAT, said, &chmod(700, &found.path))
        }
        Is::There { mode, .. } if mode & 0o077 != 0 => {
            let said = format!("others may enter {path} (mode {mode:o}): they can read what trainings print");
            Check::warning(WHAT, said, &chmod(700, &found.path))
        }
        Is::There { .. } => Check::good(WHAT, format!("{path}, for its owner only")),
    }
}

/// The runtime folder, where sockets are: whoever may enter could command runs, so one that is not
/// ours alone is not used.
pub(crate) fn runtime(found: &Found, us: u32) -> Check {
    const WHAT: &str = "runtime";
    let path = found.path.display();
    let bad = |said: String, fix: &str| Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable);
    const OTHER: &str = "remove it, or set XDG_RUNTIME_DIR to a folder of your own";
    match &found.is {
        Is::Missing => Check::good(WHAT, format!("{path} is not there yet; the daemon makes it")),
        Is::Unreadable(why) => bad(format!("{path} can't be looked at: {why}"), OTHER),
        Is::There { is_folder: false, .. } => bad(format!("{path} is not a folder"), OTHER),
        Is::There { owner, .. } if *owner != us => {
            bad(format!("{path} belongs to user {owner}, not to user {us}"), OTHER)
        }
        Is::There { mode, .. } if mode & 0o077 != 0 => {
            bad(format!("others may enter {path} (mode {mode:o})"), &chmod(700, &found.path))
        }
        Is::There { .. } => Check::good(WHAT, format!("{path}, for its owner only")),
    }
}

/// The file of settings, and the folder it is in: who may write to it decides what runs.
pub(crate) fn config(found: &Found, us: u32) -> Check {
    const WHAT: &str = "config";
    let path = found.path.display();
    match &found.is {
        Is::Missing => Check::good(WHAT, format!("no {path}: the defaults count")),
        Is::Unreadable(why) => Check::bad(
            WHAT,
            format!("{path} can't be looked at: {why}"),
            "set RESUS_CONFIG to a file that you can read",
            ExitCode::ConfigInvalid,
        ),
        Is::There { owner, .. } if *owner != us && *owner != 0 => {
            let said =
                format!("{path} belongs to user {owner}: who can change it decides what the daemon does");
            Check::warning(WHAT, said, "make a copy of your own")
        }
        Is::There { mode, .. } if mode & 0o022 != 0 => {
            let said =
                format!("others can write to {path} (mode {mode:o}), and so decide what the daemon does");
            Check::warning(WHAT, said, &format!("chmod go-w '{path}'"))
        }
        Is::There { .. } => Check::good(WHAT, format!("{path}, written by its owner only")),
    }
}

/// Whether the longest socket fits into the runtime folder of `bytes` bytes.
pub(crate) fn socket_path(bytes: usize) -> Check {
    const WHAT: &str = "socket-path";
    let longest = bytes + 1 + SOCKET_NAME_BYTES;
    let said = format!("the longest socket's path has {longest} bytes of {SOCKET_BYTES_MAX} possible");
    if longest <= SOCKET_BYTES_MAX {
        return Check::good(WHAT, said);
    }
    let fix = "set XDG_RUNTIME_DIR to a short path, e.g. /run/user/1000, or unset it";
    Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable)
}

fn chmod(mode: u32, path: &Path) -> String {
    format!("chmod {mode} '{}'", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{self, Bad, Good, Warning};

    const US: u32 = 1000;

    fn found(is: Is) -> Found {
        Found { path: "/f".into(), is }
    }

    fn there(is_folder: bool, owner: u32, mode: u32) -> Found {
        found(Is::There { is_folder, owner, mode })
    }

    #[test]
    fn folders_that_are_not_ours_alone_are_told() {
        let table: [(Found, [Mark; 3]); 10] = [
            (found(Is::Missing), [Good, Good, Good]),
            (found(Is::Unreadable("no".into())), [Bad, Bad, Bad]),
            (there(true, US, 0o700), [Good, Good, Good]),
            (there(false, US, 0o600), [Bad, Bad, Good]),
            (there(true, 7, 0o700), [Bad, Bad, Warning]),
            (there(true, 0, 0o700), [Bad, Bad, Good]),
            (there(true, US, 0o755), [Warning, Bad, Good]),
            (there(true, US, 0o770), [Warning, Bad, Warning]),
            (there(true, US, 0o1777), [Warning, Bad, Warning]),
            (there(true, US, 0o500), [Bad, Good, Good]),
        ];
        for (found, marks) in table {
            let checks = [state(&found, US), runtime(&found, US), config(&found, US)];
            assert_eq!(checks.each_ref().map(|check| check.mark), marks, "{found:?}");
            for check in checks {
                assert_eq!(check.fix.is_some(), check.mark != Good, "{check:?}");
            }
        }
    }

    #[test]
    fn a_look_tells_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(&folder.path().join("none")).is, Is::Missing);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(look(&file).is, Is::There { is_folder: false, .. }));
        assert!(matches!(look(&file.join("beneath")).is, Is::Unreadable(_)));
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_told() {
        assert_eq!([socket_path(20).mark, socket_path(56).mark, socket_path(57).mark], [Good, Good, Bad]);
    }
}
