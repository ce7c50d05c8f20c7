//! Programs with which tests do harm to disks: `strace`, which makes system calls fail, and those that
//! make file systems. Where they are not on the PATH, Debian's packages are unpacked into the target folder
//! as `tools/disk`; nothing is installed into the system.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, UnpackError};
use crate::workspace::Workspace;

/// Their folder within the target folder; `tests/tests/storage/` and `store/tests/crash/` look there.
const FOLDER: &str = "tools/disk";

/// A program that tests need.
struct Tool {
    name: &'static str,
    /// Where it is in its package.
    path: &'static str,
    /// What makes it say its version.
    version: &'static str,
    /// Its package, and those of the libraries that not every system has.
    packages: &'static [&'static str],
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "strace",
        path: "usr/bin/strace",
        version: "--version",
        packages: &["strace", "libunwind8"],
    },
    Tool {
        name: "mkfs.xfs",
        path: "sbin/mkfs.xfs",
        version: "-V",
        packages: &["xfsprogs", "libinih1", "liburcu8"],
    },
    Tool {
        name: "mkfs.ext4",
        path: "sbin/mkfs.ext4",
        version: "-V",
        packages: &["e2fsprogs", "libext2fs2", "libcom-err2"],
    },
];

/// Why a tool is not at hand.
#[derive(Debug)]
pub enum DiskToolError {
    /// Its packages could not be had.
    Unpack(&'static str, UnpackError),
    /// A folder could not be made or moved.
    Folder(PathBuf, io::Error),
    /// It came, and does not run.
    Broken(PathBuf),
}

impl fmt::Display for DiskToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpack(tool, error) => write!(f, "{tool} is missing: {error}"),
            Self::Folder(path, source) => write!(f, "failed at {}: {source}", path.display()),
            Self::Broken(path) => write!(f, "{} does not run on this machine", path.display()),
        }
    }
}

impl std::error::Error for DiskToolError {}

/// Makes sure that every tool is there. One that can't be had does not keep the others away.
///
/// # Errors
/// The last [`DiskToolError`]; each one is told on standard error.
pub fn fetch(workspace: &Workspace) -> Result<bool, DiskToolError> {
    let folder = workspace.target(FOLDER);
    let mut failed = None;
    for tool in &TOOLS {
        match tool.ensure(&folder) {
            Ok(path) => eprintln!("ok     {}", path.display()),
            Err(error) => {
                eprintln!("FAILED {}: {error}", tool.name);
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(true), Err)
}

impl Tool {
    fn ensure(&self, folder: &Path) -> Result<PathBuf, DiskToolError> {
        // Programs for root are not on everybody's PATH.
        for known in [self.name.into(), Path::new("/usr/sbin").join(self.name)] {
            if self.runs(&known, None) {
                return Ok(known);
            }
        }
        let place = folder.join(self.name);
        let program = place.join(self.path);
        if self.runs(&program, Some(&place)) {
            return Ok(program);
        }
        let draft = folder.join(format!(".draft-{}-{}", self.name, std::process::id()));
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| DiskToolError::Folder(path, error)
        };
        fs::create_dir_all(&draft).map_err(at(&draft))?;
        let unpacked = debian::unpack(self.packages, &draft);
        let put = unpacked.map_err(|error| DiskToolError::Unpack(self.name, error)).and_then(|()| {
            if place.exists() {
                fs::remove_dir_all(&place).map_err(at(&place))?;
            }
            fs::rename(&draft, &place).map_err(at(&place))
        });
        if draft.exists()
            && let Err(error) = fs::remove_dir_all(&draft)
        {
            eprintln!("warning: {} could not be removed: {error}", draft.display());
        }
        put?;
        if self.runs(&program, Some(&place)) { Ok(program) } else { Err(DiskToolError::Broken(program)) }
    }

    fn runs(&self, program: &Path, place: Option<&Path>) -> bool {
        let mut command = Command::new(program);
        command.arg(self.version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(place) = place {
            command.env("LD_LIBRARY_PATH", libraries(place));
        }
        command.status().is_ok_and(|status| status.success())
    }
}

/// Where the libraries of unpacked packages are.
fn libraries(place: &Path) -> OsString {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|folder| place.join(folder).join(&triple));
    let [first, second] = folders.map(PathBuf::into_os_string);
    [first, OsString::from(":"), second].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_does_not_run() {
        let [strace, ..] = &TOOLS;
        assert!(!strace.runs(Path::new("no-such-program-here"), None));
        assert!(Tool { version: "--version", ..TOOLS[0] }.runs(Path::new("cargo"), None));
    }

    #[test]
    fn libraries_are_looked_for_beside_the_program() {
        let text = libraries(Path::new("/t")).into_string().unwrap();
        assert!(text.starts_with("/t/usr/lib/") && text.ends_with("-linux-gnu"), "{text}");
    }
}
