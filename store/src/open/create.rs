//! Creating an empty ledger.

use super::error::{OpenError, describe};
use crate::schema::{self, APPLICATION_ID, MIGRATIONS};
use resus_disk::{Disk, Real};
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};

/// Creates an empty ledger of the current version. It is built under another name and moved
/// into place when it is whole and synced, so a file at `path` is never half a ledger. The
/// caller holds the lock of the state folder.
pub(crate) fn create(path: &Path) -> Result<(), OpenError> {
    create_on(&Real, path)
}

/// The same, with its own operations on a disk of choice; those of SQLite are on the real one.
fn create_on(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let failed = |what| move |source| OpenError::Io { path: path.into(), what, source };
    refuse_existing(disk, path)?;
    let fresh = sibling(path, ".new");
    for leftover in [fresh.clone(), sibling(path, ".new-journal")] {
        match disk.remove(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: leftover, what: "remove", source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    let file = disk.create(&fresh).map_err(failed("create"))?;
    build(&fresh)?;
    file.sync().map_err(failed("sync"))?;
    disk.rename_new(&fresh, path).map_err(failed("create"))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    disk.sync_folder(folder).map_err(failed("sync the folder of"))
}

fn refuse_existing(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    if disk.look_at(path).is_ok() {
        return Err(OpenError::Exists { path: path.into() });
    }
    for log in ["-wal", "-journal"] {
        let stray = sibling(path, log);
        if disk.look_at(&stray).is_ok_and(|entry| entry.size > 0) {
            return Err(OpenError::StrayLog { path: path.into(), stray });
        }
    }
    Ok(())
}

fn build(fresh: &Path) -> Result<(), OpenError> {
    let failed = |source| describe(fresh, "create", source);
    let mut connection =
        Connection::open_with_flags(fresh, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    schema::migrate(&mut connection, 0, MIGRATIONS)
        .map_err(|source| OpenError::Migrate { path: fresh.into(), source })?;
    connection.close().map_err(|(_, source)| failed(source))
}

/// `path` with `suffix` added to its last component.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
