//! One file of lines: appended to, turned over when it is full, mended when it is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file that grows.
pub const FILE: &str = "pulse.jsonl";
/// The full one before it.
pub const OLDER_FILE: &str = "pulse.1.jsonl";

/// How much is read at a time while the end of the last whole line is looked for.
const STRIDE_BYTES: u64 = 64 << 10;

/// Why lines are not in the file.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {}: {source}", path.display())]
pub(super) struct WriteError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// Whether the folder is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// An open file whose last line is whole.
pub(super) struct Lines {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Lines {
    /// Opens the file in `folder`, or begins it. A piece of a line at its end is what a crash
    /// left of a message that was never acknowledged: it is cut off.
    pub(super) fn open(folder: &Path) -> Result<Self, WriteError> {
        let path = folder.join(FILE);
        let (file, is_new) = open_or_create(&path).map_err(WriteError::of("open", &path))?;
        if is_new {
            sync_folder(folder)?;
        }
        let mut lines = Self { folder: folder.to_owned(), path, file, bytes: 0 };
        lines.bytes = lines.mend().map_err(WriteError::of("mend", &lines.path))?;
        Ok(lines)
    }

    /// Whether this is still the file that is found in `folder`: runs are removed, and
    /// somebody may have moved it away.
    pub(super) fn is_of(&self, folder: &Path) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let (ours, found) = (self.file.metadata().map(identity), std::fs::metadata(&self.path).map(identity));
        self.folder == folder && ours.is_ok_and(|ours| found.is_ok_and(|found| ours == found))
    }

    /// Appends lines, all of them or, on an error, maybe some whole ones. With `durable` they
    /// are on disk when it returns.
    pub(super) fn append<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a str>,
        durable: bool,
        file_bytes_max: u64,
    ) -> Result<(), WriteError> {
        let mut waiting = Vec::new();
        for line in lines {
            let after = self.bytes + (waiting.len() + line.len() + 1) as u64;
            if after > file_bytes_max && after > line.len() as u64 + 1 {
                self.write(&waiting)?;
                waiting.clear();
                self.turn_over()?;
            }
            waiting.extend_from_slice(line.as_bytes());
            waiting.push(b'\n');
        }
        self.write(&waiting)?;
        if durable {
            self.file.sync_data().map_err(WriteError::of("sync", &self.path))?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if let Err(error) = self.file.write_all(bytes) {
            // What was written of it may end within a line. Should this fail as well, it is
            // mended when the file is opened again.
            let _mended_later = self.file.set_len(self.bytes);
            return Err(WriteError::of("write", &self.path)(error));
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The full file takes the place of the one before, and a new one begins.
    fn turn_over(&mut self) -> Result<(), WriteError> {
        self.file.sync_data().map_err(WriteError::of("sync", &self.path))?;
        let older = self.folder.join(OLDER_FILE);
        std::fs::rename(&self.path, &older).map_err(WriteError::of("rename", &self.path))?;
        let (file, _) = open_or_create(&self.path).map_err(WriteError::of("open", &self.path))?;
        sync_folder(&self.folder)?;
        (self.file, self.bytes) = (file, 0);
        Ok(())
    }

    /// Cuts off what follows the last newline and returns the size.
    fn mend(&mut self) -> io::Result<u64> {
        let bytes = self.file.metadata()?.len();
        let mut whole = bytes;
        let mut piece = Vec::new();
        while whole > 0 {
            let from = whole.saturating_sub(STRIDE_BYTES);
            piece.clear();
            self.file.seek(SeekFrom::Start(from))?;
            (&self.file).take(whole - from).read_to_end(&mut piece)?;
            match piece.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => {
                    whole = from + at as u64 + 1;
                    break;
                }
                None => whole = from,
            }
        }
        if whole < bytes {
            self.file.set_len(whole)?;
        }
        Ok(whole)
    }
}

/// The file, and whether it is new. Only its owner reads it: messages of workers may tell more
/// than everybody should know.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.create(true).open(path).map(|file| (file, true))
        }
        opened => opened.map(|file| (file, false)),
    }
}

/// A name that was given is as durable as what it names.
fn sync_folder(folder: &Path) -> Result<(), WriteError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(WriteError::of("sync", folder))
}
