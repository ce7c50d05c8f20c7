//! The event file of an attempt as a stream of bytes at offsets that only grow, whatever becomes
//! of the file: truncated, renamed, replaced, its consumed head freed.
//!
//! The ledger knows *stream* offsets. While the worker leaves its file alone they are the file's
//! own. When the stream goes on in another file (or at the start of the same one), where it does
//! is written to a record beside it before anything of it is handed on, so that a new daemon
//! continues there.

use crate::limits::{EVENTS_FREE_STEP, EVENTS_KEPT_BYTES, EVENTS_READ_BYTES};
use resus_core::pulse::v2::EVENT_BYTES_MAX;
use resus_store::file::replace;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Bytes before the present offset that are compared at each read: a file that was written anew
/// and is longer already differs there.
const REMEMBERED_BYTES: usize = 64;

/// Steps of one read: the file, and those that took its place.
const SWITCHES_MAX: u32 = 4;

thread_local! {
    /// Read into and copied from: a buffer of its own for each run would be the largest thing
    /// that an idle run holds.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; EVENTS_READ_BYTES]);
}

/// What a file is, however it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FileId {
    dev: u64,
    ino: u64,
    /// Birth in Unix nanoseconds, where the file system knows: inode numbers are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    born_ns: Option<u64>,
}

impl FileId {
    fn of(meta: &Metadata) -> Self {
        let born = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Self { dev: meta.dev(), ino: meta.ino(), born_ns }
    }

    /// The number of the device is another after a reboot on many file systems; a birth to the
    /// nanosecond tells more, where there is one.
    fn is_same(self, other: Self) -> bool {
        let same_device = self.dev == other.dev || self.born_ns.is_some();
        self.ino == other.ino && self.born_ns == other.born_ns && same_device
    }
}

/// Where the stream is: the record beside the event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    file: FileId,
    /// Stream offset of the file's first byte.
    base: u64,
}

/// The next bytes of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// None at the end of what is there.
    pub(crate) bytes: Vec<u8>,
    /// Stream offset of the first of them.
    pub(crate) at: u64,
    /// They are not the continuation of what came before: a line that was begun is void.
    pub(crate) anew: bool,
    /// They begin somewhere within a line that was taken in before its head was freed.
    pub(crate) within_line: bool,
    /// Bytes that wait behind them.
    pub(crate) behind: u64,
    /// There is no file of that name now; nobody tells when there will be.
    pub(crate) absent: bool,
}

struct Open {
    file: File,
    place: Place,
    /// The bytes just before the present offset.
    remembered: Vec<u8>,
    /// Up to here the file's blocks have been freed (offset in the file).
    freed: u64,
}

/// Reads an event file. Blocking.
pub(crate) struct Source {
    path: PathBuf,
    open: Option<Open>,
    can_free: bool,
}

impl Source {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, open: None, can_free: true }
    }

    /// The name under which the worker writes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next bytes from stream offset `offset` on.
    pub(crate) fn read(&mut self, offset: u64) -> io::Result<Piece> {
        let mut piece = Piece { at: offset, ..Piece::default() };
        if self.open.is_none() {
            let open = self.first(offset)?;
            if piece.at < open.place.base {
                // What lies between was in a file that is gone, or has been heard from it.
                (piece.at, piece.anew) = (open.place.base, true);
            }
            let asked = piece.at;
            begin_of_line(&open, &mut piece)?;
            piece.anew |= piece.at != asked;
            self.skip_hole(&open, &mut piece)?;
            self.open = Some(open);
        }
        for _ in 0..SWITCHES_MAX {
            let Some(open) = &mut self.open else { break };
            if !read_on(open, &mut piece)? {
                // It was cut or written anew under its name: the stream goes on at its start.
                let place = Place { file: open.place.file, base: piece.at };
                let file = open.file.try_clone()?;
                self.go_on(file, place, &mut piece)?;
                continue;
            }
            if !piece.bytes.is_empty() {
                return Ok(piece);
            }
            match self.successor()? {
                Successor::Same => return Ok(piece),
                Successor::Nobody => {
                    piece.absent = true;
                    return Ok(piece);
                }
                Successor::Other(file, id) => {
                    // Something may have been added to the old one between the last read and its
                    // renaming.
                    if let Some(open) = &mut self.open
                        && read_on(open, &mut piece)?
                        && !piece.bytes.is_empty()
                    {
                        return Ok(piece);
                    }
                    let place = Place { file: id, base: piece.at };
                    self.go_on(file, place, &mut piece)?;
                }
            }
        }
        Ok(piece)
    }

    /// Frees the blocks of what lies well before stream offset `committed`: nobody needs it any
    /// more, and the file of a long run would grow for days.
    pub(crate) fn free(&mut self, committed: u64) {
        let Some(open) = &mut self.open else { return };
        let local = committed.saturating_sub(open.place.base);
        let upto = local.saturating_sub(EVENTS_KEPT_BYTES) / 4096 * 4096;
        if !self.can_free || upto < open.freed.saturating_add(EVENTS_FREE_STEP) {
            return;
        }
        match punch(&self.path, open.place.file, upto) {
            Ok(()) => open.freed = upto,
            // Renamed just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                // Told once: it then stays true for this file system.
                tracing::warn!(path = %self.path.display(), %error, "an event file grows; its head can't be freed");
                self.can_free = false;
            }
        }
    }

    /// The file in which the stream offset lies, as far as it is still there.
    fn first(&self, offset: u64) -> io::Result<Open> {
        let file = match File::open(&self.path) {
            // Renamed, and nothing has taken its place yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let place = self.recorded().ok_or_else(|| io::Error::from(error.kind()))?;
                let file = self.by_identity(place.file).ok_or(error)?;
                return Ok(Open { file, place, remembered: Vec::new(), freed: 0 });
            }
            file => file?,
        };
        let id = FileId::of(&file.metadata()?);
        let (file, place) = match self.recorded() {
            None => (file, self.record(Place { file: id, base: 0 }, false)?),
            Some(place) if place.file.is_same(id) => (file, place),
            // Replaced while nobody looked. Its predecessor may be there under another name.
            Some(place) => match self.by_identity(place.file) {
                Some(old) => (old, place),
                None => (file, self.record(Place { file: id, base: offset }, true)?),
            },
        };
        Ok(Open { file, place, remembered: Vec::new(), freed: 0 })
    }

    /// A new reader may begin where the head was freed: nothing of it is to be taken in again.
    fn skip_hole(&self, open: &Open, piece: &mut Piece) -> io::Result<()> {
        let local = piece.at.saturating_sub(open.place.base);
        let length = open.file.metadata()?.len();
        if local >= length {
            return Ok(());
        }
        let data = match seek(&open.file, SeekFrom::Data(local)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => length,
            // Not every file system tells; then none is freed there either.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => local,
            Err(error) => return Err(error.into()),
        };
        if data > local {
            piece.at = open.place.base.saturating_add(data);
            (piece.anew, piece.within_line) = (true, true);
        }
        Ok(())
    }

    fn go_on(&mut self, file: File, place: Place, piece: &mut Piece) -> io::Result<()> {
        self.record(place, true)?;
        tracing::info!(path = %self.path.display(), offset = place.base, "the event file begins anew");
        self.open = Some(Open { file, place, remembered: Vec::new(), freed: 0 });
        (piece.anew, piece.within_line) = (true, false);
        Ok(())
    }

    fn successor(&self) -> io::Result<Successor> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Successor::Nobody),
            Err(error) => return Err(error),
        };
        let id = FileId::of(&file.metadata()?);
        let same = self.open.as_ref().is_some_and(|open| open.place.file.is_same(id));
        Ok(if same { Successor::Same } else { Successor::Other(file, id) })
    }

    fn record_path(&self) -> PathBuf {
        self.path.with_extension("place.json")
    }

    fn recorded(&self) -> Option<Place> {
        let text = fs::read(self.record_path()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Synced where the stream leaves a file: words behind that are about to be, and a record that
    /// a power cut took back would have them heard again. The first one may be lost, it can be
    /// made anew.
    fn record(&self, place: Place, sync: bool) -> io::Result<Place> {
        replace(&self.record_path(), &serde_json::to_vec(&place)?, sync)?;
        Ok(place)
    }

    fn by_identity(&self, wanted: FileId) -> Option<File> {
        let entries = fs::read_dir(self.path.parent()?).ok()?;
        let mut files = entries.filter_map(Result::ok).filter(|entry| {
            entry.metadata().is_ok_and(|meta| meta.is_file() && FileId::of(&meta).is_same(wanted))
        });
        files.next().and_then(|entry| File::open(entry.path()).ok())
    }
}

enum Successor {
    Same,
    Nobody,
    Other(File, FileId),
}

/// A line may hold several words (a datagram of sd_notify), and the ledger only the first of them:
/// then it is read again from its start, and what is known is known.
fn begin_of_line(open: &Open, piece: &mut Piece) -> io::Result<()> {
    let local = piece.at.saturating_sub(open.place.base);
    let from = local.saturating_sub(EVENT_BYTES_MAX as u64 + 1);
    let mut before = vec![0; usize::try_from(local - from).unwrap_or(0)];
    let read = open.file.read_at(&mut before, from)?;
    let whole = before.get(..read).filter(|before| before.len() as u64 == local - from);
    let begin = whole.and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
    match (begin, whole) {
        (Some(newline), _) => piece.at = open.place.base + from + newline as u64 + 1,
        (None, Some(_)) if from == 0 => piece.at = open.place.base,
        // Nothing of that length is one of our lines.
        (None, _) => {}
    }
    Ok(())
}

/// Reads what follows; `false` if the file is not the one whose bytes were read before.
fn read_on(open: &mut Open, piece: &mut Piece) -> io::Result<bool> {
    let local = piece.at.saturating_sub(open.place.base);
    let length = open.file.metadata()?.len();
    if length < local {
        return Ok(false);
    }
    let known = open.remembered.len();
    BUFFER.with_borrow_mut(|buffer| {
        let read = open.file.read_at(buffer, local.saturating_sub(known as u64))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let Some(fresh) = bytes.strip_prefix(open.remembered.as_slice()) else { return Ok(false) };
        piece.bytes = fresh.to_vec();
        piece.behind = length.saturating_sub(local).saturating_sub(fresh.len() as u64);
        if !fresh.is_empty() {
            open.remembered = bytes[bytes.len().saturating_sub(REMEMBERED_BYTES)..].to_vec();
        }
        Ok(true)
    })
}

fn punch(path: &Path, wanted: FileId, upto: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    // Another one has taken its name: that is not ours to free.
    if FileId::of(&file.metadata()?).is_same(wanted) {
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, upto)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
