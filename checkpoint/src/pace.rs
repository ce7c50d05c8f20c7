//! Writes no more of the time than a share.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use resus_disk::DiskFile;

/// Bytes that are written before a pause.
const PIECE_BYTES: usize = 4 << 20;

/// A slow disk makes no longer pauses than this: somebody waits for the checkpoint.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How fast to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace<'a> {
    /// At most that share of the time, in percent, while nobody is in a hurry.
    pub share_percent: u8,
    pub hurry: &'a Hurry,
}

/// Whether somebody stands still until a save is done. While it is on nothing pauses, and a pause that has
/// begun ends.
#[derive(Debug, Default)]
pub(crate) struct Hurry {
    is_on: Mutex<bool>,
    changed: Condvar,
}

impl Hurry {
    pub(crate) fn set(&self, is_on: bool) {
        *self.lock() = is_on;
        self.changed.notify_all();
    }

    fn pause(&self, pause: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), pause, |is_on| !*is_on);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A flag has no half-way.
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stopped a write.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Writing failed.
    Write(io::Error),
    /// The disk did not confirm what was written.
    Sync(io::Error),
}

/// How long to pause after the disk was busy for `busy`, so that it is busy for at most that share of
/// the time; at most [`PAUSE_MAX`]. 0 counts as 1 percent, more than 100 as 100.
fn pause_after(busy: Duration, share_percent: u8) -> Duration {
    let share = u32::from(share_percent.clamp(1, 100));
    (busy.saturating_mul(100 - share) / share).min(PAUSE_MAX)
}

/// Writes `bytes` at `offset`. With a share below 100, piece by piece: each is brought to disk, so that
/// the time it takes is the disk's, and a pause follows.
///
/// # Errors
/// What the system says. In both cases the file must be given up.
pub(crate) fn write(
    file: &dyn DiskFile,
    bytes: &[u8],
    offset: u64,
    Pace { share_percent, hurry }: Pace<'_>,
) -> Result<(), Stopped> {
    let mut at = offset;
    for piece in bytes.chunks(PIECE_BYTES) {
        let start = Instant::now();
        file.write_all_at(piece, at).map_err(Stopped::Write)?;
        if share_percent < 100 {
            file.sync().map_err(Stopped::Sync)?;
            hurry.pause(pause_after(start.elapsed(), share_percent));
        }
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_busy_for_its_share_of_the_time() {
        let busy = Duration::from_millis(30);
        for (share, pause) in [(100, 0), (50, 30), (25, 90), (75, 10), (1, 2970), (0, 2970), (200, 0)] {
            assert_eq!(pause_after(busy, share), Duration::from_millis(pause), "{share} %");
        }
    }

    #[test]
    fn no_pause_is_longer_than_people_wait() {
        for busy in [Duration::from_secs(1), Duration::from_secs(3600), Duration::MAX] {
            assert_eq!(pause_after(busy, 1), PAUSE_MAX);
        }
    }

    #[test]
    fn who_is_in_a_hurry_is_not_paused_for_nor_kept_waiting_by_a_pause() {
        let hurry = Hurry::default();
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| hurry.pause(Duration::from_secs(100_000)));
            hurry.set(true);
            pausing.join().unwrap();
        });
        hurry.pause(Duration::from_secs(100_000));
        hurry.set(false);
        hurry.pause(Duration::ZERO);
    }
}
