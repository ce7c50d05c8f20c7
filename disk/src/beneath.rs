//! Opens what lies below a folder without following a link anywhere on the way. Step by step instead of
//! with `openat2`, which containers' filters often refuse.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};

use crate::real::{READ_FLAGS, open_raw};

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The file at `relative` below `root`, for reading.
pub(crate) fn open(root: &Path, relative: &Path) -> io::Result<OwnedFd> {
    let mut parts = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    let Some((last, folders)) = parts.split_last() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut folder = open_raw(root, FOLDER_FLAGS)?;
    for name in folders {
        folder = openat(&folder, *name, FOLDER_FLAGS, Mode::empty())?;
    }
    Ok(openat(&folder, *last, READ_FLAGS, Mode::empty())?)
}
