//! A number for each life of a daemon in this folder, greater than any before.

use super::private::failed;
use super::{StateDir, StateError};
use crate::file::replace_on;
use resus_disk::{Disk, Real};
use std::io;
use std::path::Path;

/// Seconds from 1970 to 2026: the clock is counted from there, so that it fits for 136 years.
const UNIX_S_2026: u64 = 1_767_225_600;
/// More than a number and a line break is nonsense.
const TEXT_BYTES_MAX: usize = 64;

impl StateDir {
    /// The number of the life that begins now, durable before it is returned. Should the file be
    /// lost, the wall clock (`unix_s`, Unix seconds) keeps it greater than those before.
    ///
    /// To be called by the holder of the lock.
    ///
    /// # Errors
    /// [`StateError::Io`] if it can't be written.
    pub fn next_generation(&self, unix_s: u64) -> Result<u32, StateError> {
        let path = self.path().join("generation");
        next(&Real, &path, unix_s).map_err(failed("write", &path))
    }
}

fn next(disk: &dyn Disk, path: &Path, unix_s: u64) -> io::Result<u32> {
    let last = read(disk, path).unwrap_or(0);
    let clock = u32::try_from(unix_s.saturating_sub(UNIX_S_2026)).unwrap_or(0);
    let next = last.saturating_add(1).max(clock);
    replace_on(disk, path, format!("{next}\n").as_bytes(), true)?;
    Ok(next)
}

/// The number in the file; none where it can't be read or is no number.
fn read(disk: &dyn Disk, path: &Path) -> Option<u32> {
    let mut bytes = [0; TEXT_BYTES_MAX];
    let count = disk.open(path).and_then(|file| file.read_at(&mut bytes, 0)).ok()?;
    std::str::from_utf8(bytes.get(..count)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_disk::faulty::{Effort, Faulty, Plan};
    use std::fs;

    /// Wherever the power goes, and whatever is lost: the next life has a greater number than any
    /// that was told, and the clock is not needed for it.
    #[test]
    fn no_number_is_given_twice_whatever_a_power_cut_leaves() {
        let path = Path::new("/generation");
        let disk = Faulty::new(Plan::default());
        let mut told = vec![(0, 0)];
        for _ in 0..4 {
            let number = next(&disk, path, 0).unwrap();
            told.push((disk.operations(), number));
        }
        let mut states = 0;
        for after in 0..=disk.operations() {
            let newest = told.iter().rev().find(|(end, _)| *end <= after).map_or(0, |(_, number)| *number);
            for crash in disk.crashes(after, Effort::default()) {
                let number = next(&crash.disk, path, 0).unwrap();
                assert!(number > newest, "{number} after {newest}: {:?}", crash.lost);
                states += 1;
            }
        }
        assert!(states >= 60, "{states} states");
    }

    #[test]
    fn every_life_has_a_greater_number_even_if_the_file_or_the_clock_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let now = UNIX_S_2026 + 1_000;
        assert_eq!(state.next_generation(now).unwrap(), 1_000);
        assert_eq!(state.next_generation(now).unwrap(), 1_001);
        assert_eq!(state.next_generation(0).unwrap(), 1_002);
        fs::write(state.path().join("generation"), "nonsense").unwrap();
        assert_eq!(state.next_generation(now + 60).unwrap(), 1_060);
        assert_eq!(state.next_generation(u64::MAX).unwrap(), 1_061);
    }
}
