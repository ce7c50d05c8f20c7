//! `daemon.json`: how clients find the running daemon, and what it was built from.

use resus_store::StateDir;
use resus_store::file::replace;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most bytes read from a record.
const BYTES_MAX: u64 = 64 * 1024;

/// What a daemon says of itself in its state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Which build of that version; see [`build_id`].
    pub build_id: String,
    /// The socket it listens on.
    pub socket: PathBuf,
    /// When it was started, RFC 3339.
    pub started_at: String,
}

impl Record {
    /// Puts the record in place of an older one, all at once.
    ///
    /// # Errors
    /// The I/O error.
    pub(crate) fn write(&self, state: &StateDir) -> io::Result<()> {
        let path = state.daemon_record();
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        replace(&path, &text, false)
    }

    /// The last daemon's record. A daemon that was killed leaves its own behind, so this says
    /// where to look and not that somebody is there. A damaged one counts as none: the usual
    /// place is then looked at.
    pub(crate) fn read(state: &StateDir) -> Option<Self> {
        let path = state.daemon_record();
        let length = fs::metadata(&path).ok()?.len();
        let text = (length <= BYTES_MAX).then(|| fs::read(&path))?.ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// Tells builds apart: the version, and a mark of the program file (its length and when it was
/// last written). Two copies of one build may differ, two builds can't be the same.
///
/// # Errors
/// The I/O error of looking at the program file.
pub(crate) fn build_id(program: &Path) -> io::Result<String> {
    let meta = fs::metadata(program)?;
    let mark = meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec());
    Ok(format!("{}+{:x}.{mark:x}", env!("CARGO_PKG_VERSION"), meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_damaged_one_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        assert_eq!(Record::read(&state), None);
        let record = Record {
            pid: 7,
            version: "0.1.0".to_owned(),
            build_id: "0.1.0+1.2".to_owned(),
            socket: "/run/user/7/resus-0/daemon.sock".into(),
            started_at: "2026-11-22T04:13:46.123Z".to_owned(),
        };
        record.write(&state).unwrap();
        assert_eq!(Record::read(&state).as_ref(), Some(&record));
        fs::write(state.daemon_record(), "{\"pid\": 7").unwrap();
        assert_eq!(Record::read(&state), None);
    }

    #[test]
    fn another_file_is_another_build() {
        let temp = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
        fs::write(&a, "one").unwrap();
        fs::write(&b, "other").unwrap();
        assert_eq!(build_id(&a).unwrap(), build_id(&a).unwrap());
        assert_ne!(build_id(&a).unwrap(), build_id(&b).unwrap());
        assert!(build_id(temp.path().join("none").as_path()).is_err());
    }
}
