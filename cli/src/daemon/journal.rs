//! The daemon's log file: JSON lines, set aside at a size, a few kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// A log file that sets itself aside (`daemon.log.1`, `.2`, …) when it has reached its size.
///
/// Losing a line must never cost more than the line: what can't be written is dropped, because
/// the daemon has nobody else to tell and must go on.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    limits: Arc<Limits>,
    open: Mutex<Open>,
}

/// When a log is set aside, and how many are kept. May become others while it is written.
#[derive(Debug)]
pub(crate) struct Limits {
    bytes_max: AtomicU64,
    keep: AtomicU32,
}

impl Limits {
    /// Applies from the next line on.
    pub(crate) fn set(&self, bytes_max: u64, keep: u32) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        self.keep.store(keep, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl Journal {
    /// Appends to the log at `path`, set aside at `bytes_max`; `keep` older ones are kept.
    ///
    /// # Errors
    /// The I/O error of opening it.
    pub(crate) fn open(path: PathBuf, bytes_max: u64, keep: u32) -> io::Result<Self> {
        let open = Mutex::new(Open::at(&path)?);
        let limits = Limits { bytes_max: AtomicU64::new(bytes_max), keep: AtomicU32::new(keep) };
        Ok(Self { path, limits: Arc::new(limits), open })
    }

    /// Its limits, to change them.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// Writes one whole line. A line never spans two files.
    fn line(&self, line: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes_max = self.limits.bytes_max.load(Ordering::Relaxed);
        let full = open.bytes > 0 && open.bytes.saturating_add(line.len() as u64) > bytes_max;
        if full {
            set_aside(&self.path, self.limits.keep.load(Ordering::Relaxed))?;
            *open = Open::at(&self.path)?;
        }
        open.file.write_all(line)?;
        open.bytes = open.bytes.saturating_add(line.len() as u64);
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = open_log(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }
}

/// Opens a log for its owner only, at its end.
///
/// # Errors
/// The I/O error.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// The `n`-th older log; 0 is the present one.
pub(crate) fn older(path: &Path, n: u32) -> PathBuf {
    if n == 0 {
        return path.into();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// Makes room at `path`: every log moves one up, the oldest goes.
fn set_aside(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    for n in (0..keep).rev() {
        match fs::rename(older(path, n), older(path, n + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a line through to the journal; nothing is kept behind.
pub(crate) struct Line<'j>(&'j Journal);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A log that can't be written must not end what it is the log of. The one who called
        // could do no more than say so on standard error, which is this same log.
        let _lost = self.0.line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'j> MakeWriter<'j> for Journal {
    type Writer = Line<'j>;

    fn make_writer(&'j self) -> Self::Writer {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(journal: &Journal, line: &str) {
        journal.make_writer().write_all(line.as_bytes()).unwrap();
    }

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_full_disk_costs_lines_of_the_log_and_nothing_else() {
        let journal = Journal::open(PathBuf::from("/dev/full"), 1 << 20, 0).unwrap();
        write(&journal, "a line\n");
    }

    #[test]
    fn a_full_log_is_set_aside_and_the_oldest_goes() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.log");
        let journal = Journal::open(path.clone(), 10, 2).unwrap();
        for line in ["one--\n", "two--\n", "three\n", "four-\n", "x\n"] {
            write(&journal, line);
        }
        assert_eq!(lines(&path), ["four-", "x"]);
        assert_eq!(lines(&older(&path, 1)), ["three"]);
        assert_eq!(lines(&older(&path, 2)), ["two--"]);
        assert!(!older(&path, 3).exists());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_log_goes_on_where_the_last_daemon_left_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.log");
        write(&Journal::open(path.clone(), 12, 0).unwrap(), "first\n");
        let journal = Journal::open(path.clone(), 12, 0).unwrap();
        write(&journal, "then-\n");
        assert_eq!(lines(&path), ["first", "then-"]);
        write(&journal, "last\n");
        assert_eq!(lines(&path), ["last"], "keep = 0 keeps none");
    }

    #[test]
    fn a_line_longer_than_the_log_is_still_written_whole() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.log");
        let journal = Journal::open(path.clone(), 4, 1).unwrap();
        write(&journal, "far too long\n");
        write(&journal, "again too long\n");
        assert_eq!(
            (lines(&path), lines(&older(&path, 1))),
            (vec!["again too long".into()], vec!["far too long".into()])
        );
    }
}
