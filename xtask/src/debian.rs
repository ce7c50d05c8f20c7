//! Packages of Debian, unpacked into a folder: nothing is installed into the system. apt checks the
//! signature of the archive they come from.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::{self, StartError};

/// Why a package was not unpacked.
#[derive(Debug)]
pub enum UnpackError {
    /// A command could not be started.
    Start(StartError),
    /// A command failed.
    Command(String),
    /// The folder could not be read.
    Folder(PathBuf, io::Error),
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Command(line) => write!(f, "failed to get a package of Debian; tried: {line}"),
            Self::Folder(path, source) => write!(f, "failed to look through {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for UnpackError {}

/// Downloads packages by name and unpacks them into `folder`, which must exist and is best empty.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack(packages: &[&str], folder: &Path) -> Result<(), UnpackError> {
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet", "--quiet", "download"]).args(packages).current_dir(folder);
        run(&mut apt)
    };
    if download().is_err() {
        // Fresh machines have no list of packages; only root can get one.
        run(Command::new("apt-get").args(["--quiet", "--quiet", "update"]))?;
        download()?;
    }
    let failed = |error| UnpackError::Folder(folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(path).arg(".").current_dir(folder))?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), UnpackError> {
    // Our standard output belongs to the caller of `cargo xtask test`.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|source| UnpackError::Start(StartError::of(command, source)))?;
    if status.success() { Ok(()) } else { Err(UnpackError::Command(step::line_of(command))) }
}
