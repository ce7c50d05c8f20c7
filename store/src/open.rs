//! Opening the ledger file: every check that comes before the first write.

mod create;
mod error;

pub(crate) use create::create;
pub use error::OpenError;
pub(crate) use error::describe;

use crate::schema::{self, APPLICATION_ID, MIGRATIONS, VERSION};
use crate::sqlite::BUSY_TIMEOUT;
use resus_disk::{Disk, Kind, Real};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io;
use std::path::Path;

/// Bytes of an SQLite file header.
const HEADER_BYTES: usize = 100;
/// Largest size the write-ahead log keeps between checkpoints; a burst may exceed it for a while.
const WAL_BYTES_KEPT: u32 = 16 << 20;

/// What to do when the state folder shows that a ledger existed and its rows are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostHistory {
    /// Refuse with [`OpenError::Lost`]. What a daemon does by itself.
    Refuse,
    /// Start an empty ledger beside the old run folders: an operator has said so.
    Accept,
}

/// Opens an existing ledger for writing: checked, migrated, in WAL mode, every commit synced.
pub(crate) fn open_existing(path: &Path) -> Result<Connection, OpenError> {
    inspect(path)?;
    let failed = |what| move |source| describe(path, what, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed("open"))?;
    // Until the file is accepted, closing the connection must not move its log into it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(failed("configure"))?;
    configure(&connection).map_err(failed("configure"))?;
    let version: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed("read"))?;
    refuse_newer(path, version)?;
    refuse_damaged(path, &connection)?;
    use_log(path, &connection)?;
    schema::migrate(&mut connection, version, MIGRATIONS)
        .map_err(|source| OpenError::Migrate { path: path.into(), source })?;
    if let Some(object) = schema::first_difference(&connection).map_err(failed("read"))? {
        let detail = format!("{object} is not as version {VERSION} defines it");
        return Err(OpenError::Damaged { path: path.into(), detail });
    }
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(failed("configure"))?;
    sync_log(&connection).map_err(failed("checkpoint"))?;
    Ok(connection)
}

/// Moves what a killed daemon left in the log into the file. It may rest on pages whose sync
/// failed, and moving it syncs it anew. Passive, and content with a full disk: neither a reader
/// in the way nor the want of room may keep a daemon from starting and looking after its runs.
/// The log stays valid then, and the next commit tells of the full disk.
fn sync_log(connection: &Connection) -> rusqlite::Result<()> {
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(()),
        moved => moved,
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))
}

/// Reads the file's header without SQLite, which would delete the log of an empty file.
pub(crate) fn inspect(path: &Path) -> Result<(), OpenError> {
    let io_failed = |what| move |source| OpenError::Io { path: path.into(), what, source };
    let entry = match Real.look_at(path) {
        Ok(entry) => entry,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: path.into() });
        }
        Err(error) => return Err(io_failed("look at")(error)),
    };
    if entry.kind != Kind::File {
        return Err(OpenError::NotAFile { path: path.into() });
    }
    let file = Real.open(path).map_err(io_failed("open"))?;
    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
    let mut header = vec![0; HEADER_BYTES.min(size)];
    file.read_exact_at(&mut header, 0).map_err(io_failed("read"))?;
    let (application_id, version) =
        identify(&header).map_err(|detail| OpenError::NotALedger { path: path.into(), detail })?;
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.into(), found: application_id });
    }
    refuse_newer(path, version)
}

/// Application id and user version of an SQLite file header (offsets 68 and 60, big-endian).
fn identify(header: &[u8]) -> Result<(u32, u32), String> {
    let word = |at: usize| {
        let bytes: Option<[u8; 4]> = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes)
    };
    if header.len() < HEADER_BYTES {
        return Err(format!("it ends after {} bytes, inside its header", header.len()));
    }
    match (header.starts_with(b"SQLite format 3\0"), word(68), word(60)) {
        (true, Some(application_id), Some(version)) => Ok((application_id, version)),
        _ => Err("it does not start like an SQLite database".into()),
    }
}

fn refuse_newer(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > VERSION {
        return Err(OpenError::Newer { path: path.into(), found, known: VERSION });
    }
    Ok(())
}

fn refuse_damaged(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|source| describe(path, "check", source))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: path.into(), detail: verdict });
    }
    Ok(())
}

fn use_log(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|source| describe(path, "open the log of", source))?;
    if mode != "wal" {
        return Err(OpenError::NoLog { path: path.into(), mode });
    }
    Ok(())
}
