//! Temporary files, and what is left of them when a save was killed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use resus_disk::{Disk, DiskFile, Real};

use crate::save::SaveError;

/// Distinguishes the temporary files of one process from each other.
static NEXT_TEMP: AtomicU64 = AtomicU64::new(0);
/// Leftovers of dead processes that had our process id, as happens in containers, are stepped over.
const TEMP_NAMES_TRIED: u32 = 1000;

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

    /// Gives the file its name; `replace`: also where there is one of that name.
    pub(crate) fn rename(mut self, to: &Path, replace: bool) -> Result<(), SaveError> {
        let renamed =
            if replace { self.disk.rename(&self.path, to) } else { self.disk.rename_new(&self.path, to) };
        renamed.map_err(|source| SaveError::Rename { from: self.path.clone(), to: to.to_owned(), source })?;
        self.renamed = true;
        Ok(())
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

/// Removes what saves that were killed left in `folder`. Returns what it removed.
///
/// Call it before the first save, where nobody else saves into the folder.
///
/// # Errors
/// The folder cannot be read, or a leftover cannot be removed. A missing folder has none.
pub fn remove_leftovers(folder: &Path) -> io::Result<Vec<PathBuf>> {
    remove_leftovers_with(&Real, folder)
}

/// The same on another disk.
///
/// # Errors
/// As [`remove_leftovers`].
pub fn remove_leftovers_with(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let names = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut removed = Vec::new();
    for name in names.iter().filter(|name| name.to_str().is_some_and(is_temp_name)) {
        let path = folder.join(name);
        disk.remove(&path)?;
        removed.push(path);
    }
    Ok(removed)
}

fn temp_name(file_name: &str) -> String {
    let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
    format!(".{file_name}.{}.{number}.tmp", std::process::id())
}

/// Whether `name` is one that `temp_name` makes.
fn is_temp_name(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts =
        name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).map(|name| name.rsplitn(3, '.'));
    parts.is_some_and(|mut parts| {
        let (number, process, rest) = (parts.next(), parts.next(), parts.next());
        number.is_some_and(is_number)
            && process.is_some_and(is_number)
            && rest.is_some_and(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_temporary_names_are_taken_for_leftovers() {
        assert!(is_temp_name(&temp_name("game-000100.prsm")));
        assert!(is_temp_name(&temp_name("x")));
        for name in
            ["a.prsm", ".a.prsm", ".a.prsm.tmp", ".a.prsm.12.tmp", "a.prsm.1.2.tmp", "..1.2.tmp", ".tmp"]
        {
            assert!(!is_temp_name(name), "{name}");
        }
    }
}
