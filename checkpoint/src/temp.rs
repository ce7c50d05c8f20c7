//! Temporary files, and what is left of them when a save was killed.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use resus_disk::{Disk, DiskFile, Kind, Real};

use crate::names::list;
use crate::save::SaveError;

/// Distinguishes the temporary files of one process from each other.
static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);
/// Leftovers of dead processes that had our process id, as happens in containers, are stepped over.
const TEMP_NAMES_TRIED: u32 = 1000;
/// One name is taken so often at most; the next save of it fails.
const NAMES_TRIED: u32 = 10_000;

/// Which name a finished file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its own, whatever has it.
    Named,
    /// Its own, if it is free.
    Free,
    /// Its own or the next free one.
    Next,
}

/// A temporary file that is removed unless it gets its name.
pub(crate) struct Temp<'a> {
    disk: &'a dyn Disk,
    pub(crate) path: PathBuf,
    renamed: bool,
}

impl<'a> Temp<'a> {
    /// Creates a file in `folder` that will be called `file_name`.
    pub(crate) fn create(
        disk: &'a dyn Disk,
        folder: &Path,
        file_name: &str,
    ) -> Result<(Self, Box<dyn DiskFile>), SaveError> {
        let mut tries = 0;
        loop {
            let path = folder.join(temp_name(file_name));
            tries += 1;
            match disk.create(&path) {
                Ok(file) => return Ok((Self { disk, path, renamed: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TEMP_NAMES_TRIED => {}
                Err(source) => return Err(SaveError::Create { path, source }),
            }
        }
    }

    /// Gives the file its name in `folder`. Returns where it lies.
    pub(crate) fn rename(
        mut self,
        folder: &Path,
        file_name: &str,
        place: Place,
    ) -> Result<PathBuf, SaveError> {
        let mut number = 1;
        loop {
            let to = folder.join(numbered(file_name, number));
            let renamed = match place {
                Place::Named => self.disk.rename(&self.path, &to),
                Place::Free | Place::Next => self.disk.rename_new(&self.path, &to),
            };
            number += 1;
            match renamed {
                Ok(()) => {
                    self.renamed = true;
                    return Ok(to);
                }
                Err(error)
                    if place == Place::Next
                        && error.kind() == io::ErrorKind::AlreadyExists
                        && number <= NAMES_TRIED => {}
                Err(source) => return Err(SaveError::Rename { from: self.path.clone(), to, source }),
            }
        }
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // The save has already failed, with an error that says more than this one would.
            drop(self.disk.remove(&self.path));
        }
    }
}

/// What became of the temporary files of a folder.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Those that were removed.
    pub removed: Vec<PathBuf>,
    /// Those that could not be looked at or removed, and why. They cost room and do no other harm.
    pub stuck: Vec<(PathBuf, io::Error)>,
}

/// Removes what saves that were killed left in `folder`: regular files with a name as temporary ones have,
/// but not of another process that lives, which may be saving into the folder right now.
///
/// Call it before the first save of this process. A process of another container does not count as living.
///
/// # Errors
/// The folder cannot be read. A missing one has no leftovers.
pub fn remove_leftovers(folder: &Path) -> io::Result<Leftovers> {
    remove_leftovers_with(&Real, folder)
}

/// The same on another disk.
///
/// # Errors
/// As [`remove_leftovers`].
pub fn remove_leftovers_with(disk: &dyn Disk, folder: &Path) -> io::Result<Leftovers> {
    let mut leftovers = Leftovers::default();
    for name in list(disk, folder)? {
        let Some(process) = writer_of(&name) else { continue };
        if process != u64::from(std::process::id()) && lives(process) {
            continue;
        }
        let path = folder.join(name);
        let removed = disk.look_at(&path).and_then(|entry| match entry.kind {
            Kind::File => disk.remove(&path).map(|()| true),
            Kind::Folder | Kind::Link | Kind::Other => Ok(false),
        });
        match removed {
            Ok(true) => leftovers.removed.push(path),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => leftovers.stuck.push((path, error)),
        }
    }
    Ok(leftovers)
}

/// Whether there is a process of that id. Where the system does not list them there is none.
fn lives(process: u64) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// `STEM.EXT` as it is called where the names up to `number` are taken: `STEM.2.EXT` for the second.
fn numbered(file_name: &str, number: u32) -> String {
    if number < 2 {
        return file_name.to_owned();
    }
    match file_name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}.{number}.{extension}"),
        Some(_) | None => format!("{file_name}.{number}"),
    }
}

fn temp_name(file_name: &str) -> String {
    let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
    format!(".{file_name}.{}.{number}.tmp", std::process::id())
}

/// The process that made the temporary file `name`; `None` for all that `temp_name` does not make.
fn writer_of(name: &OsStr) -> Option<u64> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix(".tmp")?;
    let mut parts = name.rsplitn(3, '.');
    let (number, process, rest) = (parts.next()?, parts.next()?, parts.next()?);
    // `parse` would take a sign as well.
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if rest.is_empty() || !is_number(number) || !is_number(process) || number.parse::<u64>().is_err() {
        return None;
    }
    process.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_temp_name(name: &str) -> bool {
        writer_of(OsStr::new(name)).is_some()
    }

    #[test]
    fn only_our_own_temporary_names_are_taken_for_leftovers() {
        let own = temp_name("game-000100.prsm");
        assert_eq!(writer_of(OsStr::new(&own)), Some(std::process::id().into()));
        assert!(is_temp_name(&temp_name("x")));
        for name in [
            "a.prsm",
            ".a.prsm",
            ".a.prsm.tmp",
            ".a.prsm.12.tmp",
            "a.prsm.1.2.tmp",
            "..1.2.tmp",
            ".tmp",
            ".a.+1.2.tmp",
            ".a.1..tmp",
        ] {
            assert!(!is_temp_name(name), "{name}");
        }
    }

    #[test]
    fn the_number_of_a_taken_name_stands_before_its_ending() {
        for (name, second) in [("a.prsm", "a.2.prsm"), ("a.b.prsm", "a.b.2.prsm"), ("a", "a.2")] {
            assert_eq!((numbered(name, 1), numbered(name, 2)), (name.to_owned(), second.to_owned()));
        }
    }
}
