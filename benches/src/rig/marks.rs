//! A file to which workers append what they do and when, one line each:
//! `<monotonic ns> <pid> <tag> <word>`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::clock::{monotonic_ns, pause_until};
use super::fault::Fault;

/// Word of a worker's first instruction.
pub const BEGUN: &str = "begun";
/// Word of a worker that has done what it was to do.
pub const DONE: &str = "done";
/// Word of a worker that is about to give its last sign of life.
pub const SILENT: &str = "silent";
/// Begins the word of a worker that leaves; what it has printed follows, e.g. `left:120`.
pub const LEFT: &str = "left:";

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, on the monotonic clock.
    pub at_ns: u64,
    /// By which process.
    pub pid: u32,
    /// For which run: what the worker was given.
    pub tag: u32,
    /// What.
    pub word: String,
}

impl Mark {
    /// Appends a mark of this process, in one write, so that lines of several never mix.
    ///
    /// # Errors
    /// The I/O error.
    pub fn append(path: &Path, at_ns: u64, tag: u32, word: &str) -> io::Result<()> {
        let line = format!("{at_ns} {} {tag} {word}\n", std::process::id());
        OpenOptions::new().append(true).open(path)?.write_all(line.as_bytes())
    }

    /// Appends a mark of this process and this moment.
    ///
    /// # Errors
    /// The I/O error.
    pub fn append_now(path: &Path, tag: u32, word: &str) -> io::Result<()> {
        Self::append(path, monotonic_ns(), tag, word)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mark = Self {
            at_ns: words.next()?.parse().ok()?,
            pid: words.next()?.parse().ok()?,
            tag: words.next()?.parse().ok()?,
            word: words.next()?.to_owned(),
        };
        words.next().is_none().then_some(mark)
    }
}

/// The reading side of such a file.
#[derive(Debug)]
pub struct Marks {
    path: PathBuf,
    file: File,
    /// The beginning of a line whose end is not there yet.
    rest: String,
}

impl Marks {
    /// A new, empty file.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn create(path: PathBuf) -> Result<Self, Fault> {
        let create = || OpenOptions::new().read(true).append(true).create_new(true).open(&path);
        let file = create().map_err(Fault::io("create", &path))?;
        Ok(Self { path, file, rest: String::new() })
    }

    /// The file, for the workers.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The marks that have come since the last call.
    ///
    /// # Errors
    /// [`Fault`] when the file can't be read or has a line that is no mark.
    pub fn fresh(&mut self) -> Result<Vec<Mark>, Fault> {
        self.file.read_to_string(&mut self.rest).map_err(Fault::io("read", &self.path))?;
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.rest.drain(..whole).collect();
        let parsed = |line: &str| {
            Mark::parse(line).ok_or_else(|| Fault::wrong(format!("{line:?} is no mark of a worker")))
        };
        lines.lines().map(parsed).collect()
    }

    /// Waits for the next `count` marks, and returns them and those that came with them.
    ///
    /// # Errors
    /// As [`Marks::fresh`]; [`Fault::Late`].
    pub fn next(&mut self, count: usize) -> Result<Vec<Mark>, Fault> {
        let mut marks = Vec::new();
        let what = format!("{count} marks in {}", self.path.display());
        pause_until(&what, || {
            marks.extend(self.fresh()?);
            Ok((marks.len() >= count).then_some(()))
        })?;
        Ok(marks)
    }

    /// Waits for the next mark, which must come alone.
    ///
    /// # Errors
    /// As [`Marks::next`]; [`Fault::Wrong`] when there are more: somebody was started twice.
    pub fn next_one(&mut self) -> Result<Mark, Fault> {
        let mut marks = self.next(1)?;
        match (marks.pop(), marks.len()) {
            (Some(mark), 0) => Ok(mark),
            (_, more) => Err(Fault::wrong(format!("{} marks came where one was expected", more + 1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_once_and_only_when_they_are_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut marks = Marks::create(folder.path().join("marks")).expect("a file");
        assert_eq!(marks.fresh().expect("nothing yet"), []);
        let mut other = OpenOptions::new().append(true).open(marks.path()).expect("the file");
        other.write_all(b"12 34 5 begun\n13 3").expect("a line and a half");
        let first = marks.fresh().expect("one mark");
        assert_eq!(first, [Mark { at_ns: 12, pid: 34, tag: 5, word: BEGUN.to_owned() }]);
        other.write_all(b"5 6 left:7\n").expect("the other half");
        assert_eq!(marks.next_one().expect("the second").word, "left:7");
        Mark::append_now(marks.path(), 9, DONE).expect("a mark");
        let own = marks.next_one().expect("our own");
        assert_eq!((own.pid, own.tag), (std::process::id(), 9));
    }

    #[test]
    fn a_line_that_is_no_mark_and_a_mark_too_many_are_faults() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for text in ["1 2 3\n", "1 2 3 begun more\n", "x 2 3 begun\n", "1 2 3 begun\n4 5 6 begun\n"] {
            let path = folder.path().join("marks");
            let mut marks = Marks::create(path.clone()).expect("a file");
            std::fs::write(&path, text).expect("written");
            assert!(marks.next_one().is_err(), "{text:?}");
            std::fs::remove_file(&path).expect("removed");
        }
    }
}
