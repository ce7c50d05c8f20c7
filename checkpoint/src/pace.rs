//! Writes no more of the time than a share.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use resus_disk::DiskFile;

/// Bytes that are written before a pause.
const PIECE_BYTES: usize = 4 << 20;

/// What stopped a write.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Writing failed.
    Write(io::Error),
    /// The disk did not confirm what was written.
    Sync(io::Error),
}

/// How long to pause after the disk was busy for `busy`, so that it is busy for at most that share of
/// the time. 0 counts as 1 percent, more than 100 as 100.
fn pause_after(busy: Duration, share_percent: u8) -> Duration {
    let share = u32::from(share_percent.clamp(1, 100));
    busy.saturating_mul(100 - share) / share
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
    share_percent: u8,
) -> Result<(), Stopped> {
    let mut at = offset;
    for piece in bytes.chunks(PIECE_BYTES) {
        let start = Instant::now();
        file.write_all_at(piece, at).map_err(Stopped::Write)?;
        if share_percent < 100 {
            file.sync().map_err(Stopped::Sync)?;
            thread::sleep(pause_after(start.elapsed(), share_percent));
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
        assert_eq!(pause_after(Duration::MAX, 1), Duration::MAX);
    }
}
