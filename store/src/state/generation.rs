//! A number for each life of a daemon in this folder, greater than any before.

use super::private::failed;
use super::{StateDir, StateError};
use crate::file::replace;
use std::fs;

/// Seconds from 1970 to 2026: the clock is counted from there, so that it fits for 136 years.
const UNIX_S_2026: u64 = 1_767_225_600;

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
        let last: u32 = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let clock = u32::try_from(unix_s.saturating_sub(UNIX_S_2026)).unwrap_or(0);
        let next = last.saturating_add(1).max(clock);
        replace(&path, format!("{next}\n").as_bytes(), true).map_err(failed("write", &path))?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
