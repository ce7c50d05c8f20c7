//! The runtime folder: where the daemon's and the shims' sockets live. Short, because a Unix
//! socket's path is limited; private, because whoever may connect may run commands.

use resus_store::StateDir;
use rustix::fs::{Mode, OFlags, fstat};
use rustix::process::geteuid;
use std::env;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The daemon's socket in the runtime folder.
const SOCKET: &str = "daemon.sock";
/// Longest path of the folder in bytes. A socket's path takes at most 107 (`sun_path`, less the
/// final NUL); the rest is for the shims' names, which hold a run id.
const FOLDER_BYTES_MAX: usize = 56;

/// Why the runtime folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// It can't be created or looked at.
    #[error("failed to {what} the runtime folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// Somebody else could use it.
    #[error("the runtime folder {} is not safe to use: {why}", path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A runtime folder that is ours alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    /// The folder for `state`, created if need be. `recorded` is the one that the last daemon
    /// used: it is kept while it is usable, so that the sockets of the shims that live in it
    /// are found, whatever the environment says today.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub(crate) fn make(state: &StateDir, recorded: Option<&Path>) -> Result<Self, PlaceError> {
        if let Some(place) = recorded.and_then(|path| Self::existing(path).ok()) {
            return Ok(place);
        }
        let path = usual_path(state);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(PlaceError::Io { path, what: "create", source: error })
            }
            _ => Self::existing(&path),
        }
    }

    /// The folder at `path`, if it is there, ours, and closed to everybody else.
    ///
    /// # Errors
    /// [`PlaceError::Unsafe`] for a link, another's folder, or one that others may enter.
    pub(crate) fn existing(path: &Path) -> Result<Self, PlaceError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let refused = |why: String| PlaceError::Unsafe { path: path.into(), why };
        let failed = |errno: rustix::io::Errno| PlaceError::Io {
            path: path.into(),
            what: "look at",
            source: errno.into(),
        };
        let folder = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return Err(refused("it is a link or a file".to_owned()));
            }
            folder => folder.map_err(failed)?,
        };
        let stat = fstat(&folder).map_err(failed)?;
        let us = geteuid().as_raw();
        if stat.st_uid != us {
            return Err(refused(format!("it belongs to user {}, not to user {us}", stat.st_uid)));
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(refused(format!("others may enter it (mode {mode:o})")));
        }
        Ok(Self { path: path.into() })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The daemon's socket in it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

/// Where the folder of `state` is unless a daemon recorded another one. Creates nothing.
pub(crate) fn usual_path(state: &StateDir) -> PathBuf {
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    path_for(state.path(), runtime, geteuid().as_raw())
}

/// `$XDG_RUNTIME_DIR/resus-<hash>` if that folder is ours and the path is short enough, else
/// `/tmp/resus-<uid>-<hash>`; the hash is that of the state folder.
fn path_for(state: &Path, xdg_runtime_dir: Option<OsString>, uid: u32) -> PathBuf {
    let hash = fnv1a_32(state.as_os_str().as_bytes());
    let in_runtime = xdg_runtime_dir
        .map(PathBuf::from)
        // Under sudo or su the variable may still name another user's folder.
        .filter(|folder| folder.is_absolute() && Place::existing(folder).is_ok())
        .map(|folder| folder.join(format!("resus-{hash:08x}")))
        .filter(|path| path.as_os_str().len() <= FOLDER_BYTES_MAX);
    in_runtime.unwrap_or_else(|| format!("/tmp/resus-{uid}-{hash:08x}").into())
}

/// FNV-1a, 32 bit (constants from the algorithm's reference, draft-eastlake-fnv).
fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn private(name: &str, folder: &Path) -> PathBuf {
        let path = folder.join(name);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        path
    }

    #[test]
    fn the_hash_is_fnv() {
        assert_eq!(
            [fnv1a_32(b""), fnv1a_32(b"a"), fnv1a_32(b"foobar")],
            [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]
        );
    }

    #[test]
    fn the_users_runtime_folder_is_preferred_if_it_is_short_and_ours() {
        let temp = tempfile::tempdir().unwrap();
        let runtime = private("r", temp.path());
        let path = path_for(Path::new("/state"), Some(runtime.clone().into()), 7);
        assert_eq!(path.parent(), Some(runtime.as_path()));
        let long = private(&"x".repeat(60), temp.path());
        for other in [Some(long.into()), None, Some("relative".into()), Some("/does/not/exist".into())] {
            let path = path_for(Path::new("/state"), other, 7);
            assert!(
                path.to_str().is_some_and(|path| path.starts_with("/tmp/resus-7-")),
                "{}",
                path.display()
            );
        }
        assert_ne!(path_for(Path::new("/a"), None, 7), path_for(Path::new("/b"), None, 7));
    }

    #[test]
    fn links_files_and_open_folders_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let good = private("good", temp.path());
        assert_eq!(Place::existing(&good).unwrap().socket(), good.join("daemon.sock"));
        let link = temp.path().join("link");
        symlink(&good, &link).unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        let open = private("open", temp.path());
        fs::set_permissions(&open, Permissions::from_mode(0o750)).unwrap();
        for bad in [link, file, open] {
            assert!(matches!(Place::existing(&bad), Err(PlaceError::Unsafe { .. })), "{}", bad.display());
        }
        assert!(matches!(Place::existing(&temp.path().join("none")), Err(PlaceError::Io { .. })));
    }

    #[test]
    fn a_recorded_folder_is_kept_while_it_is_usable() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(&temp.path().join("state")).unwrap();
        let recorded = private("recorded", temp.path());
        assert_eq!(Place::make(&state, Some(&recorded)).unwrap().path(), recorded);
        fs::remove_dir(&recorded).unwrap();
        let made = Place::make(&state, Some(&recorded)).unwrap();
        assert_eq!(made.path(), usual_path(&state));
        fs::remove_dir(made.path()).unwrap();
    }
}
