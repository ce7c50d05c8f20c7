//! The cap on a worker's output: its oldest bytes go back to the file system.
//!
//! A worker appends to its file itself, so no pipe can fill up, or break when the shim dies.
//! What is too old is punched out of the file: it takes no room any more, and every other
//! byte keeps its offset. Between two looks the file may grow beyond the cap; how often it is
//! looked at follows from how fast it grows.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::log::note;
use crate::machine::Millis;

/// Kept of an attempt's output if nothing else is asked for: some hundred thousand lines.
pub(crate) const CAP_BYTES: u64 = 64 << 20;

/// Shortest time between two looks.
const LOOK_MIN_MS: Millis = 1_000;
/// Longest time: how long a worker that was silent can flood the disk unnoticed.
const LOOK_MAX_MS: Millis = 30_000;
/// While the file grows by less than the cap divided by this, looks become rarer.
const GROWTH_SHARE: u64 = 8;
/// Most that is freed at once: what was not written to the disk yet may be written first, and
/// the loop of the shim must not wait for a slow disk for long.
const PIECE_BYTES: u64 = 8 << 20;

/// The output file of the running attempt.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    /// 0 = no cap.
    cap_bytes: u64,
    /// Everything before this offset is freed.
    freed: u64,
    /// Length at the last look.
    length: u64,
    interval_ms: Millis,
    /// When to look next.
    due: Millis,
    /// A failure was noted; the next ones say nothing new.
    told: bool,
}

impl Output {
    /// Watches `file`, open for writing. The first look is due at once.
    pub(crate) fn new(file: File, cap_bytes: u64) -> Self {
        Self { file, cap_bytes, freed: 0, length: 0, interval_ms: LOOK_MIN_MS, due: 0, told: false }
    }

    /// When [`Output::advance`] has something to do; never if there is no cap.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        (self.cap_bytes > 0).then_some(self.due)
    }

    /// Looks if that is due, and frees a piece of what is too old.
    pub(crate) fn advance(&mut self, now: Millis) {
        if self.next_deadline().is_none_or(|due| now < due) {
            return;
        }
        match self.free_a_piece() {
            Ok(Freed::Piece) => self.due = now,
            Ok(Freed::All { grown }) => {
                self.interval_ms = next_interval(self.interval_ms, grown, self.cap_bytes);
                self.due = now + self.interval_ms;
            }
            Err(error) => self.fail(error, now),
        }
    }

    /// Nothing will be added any more: frees all that is too old.
    pub(crate) fn finish(&mut self) {
        while self.cap_bytes > 0 {
            match self.free_a_piece() {
                Ok(Freed::Piece) => {}
                Ok(Freed::All { .. }) => return,
                Err(error) => return self.fail(error, 0),
            }
        }
    }

    fn free_a_piece(&mut self) -> Result<Freed, Errno> {
        let metadata =
            self.file.metadata().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let surplus = surplus(metadata.len(), self.freed, self.cap_bytes, metadata.blksize());
        if surplus.is_empty() {
            let grown = metadata.len().saturating_sub(self.length);
            (self.freed, self.length) = (surplus.start, metadata.len());
            return Ok(Freed::All { grown });
        }
        let end = surplus.end.min(surplus.start + PIECE_BYTES);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, flags, surplus.start, end - surplus.start)?;
        self.freed = end;
        Ok(Freed::Piece)
    }

    fn fail(&mut self, error: Errno, now: Millis) {
        let impossible = matches!(error, Errno::OPNOTSUPP | Errno::NOSYS);
        if !self.told {
            let consequence = if impossible { "it keeps growing" } else { "trying again" };
            note!("cannot free old output, {consequence}: {}", io::Error::from(error));
            self.told = true;
        }
        if impossible {
            self.cap_bytes = 0;
        }
        (self.interval_ms, self.due) = (LOOK_MAX_MS, now + LOOK_MAX_MS);
    }
}

/// What came of one step.
enum Freed {
    /// Something; there may be more to free.
    Piece,
    /// There is nothing to free, after the file has grown by so much since the last time.
    All { grown: u64 },
}

/// What is to be freed of a file of `length` bytes whose head up to `freed` is gone already:
/// whole blocks before the newest `cap` bytes.
fn surplus(length: u64, freed: u64, cap: u64, block: u64) -> Range<u64> {
    // Shorter than what was freed: the worker cut it off and began anew.
    let freed = if length < freed { 0 } else { freed };
    let beyond = length.saturating_sub(cap);
    let end = beyond - beyond % block.max(1);
    freed..end.max(freed)
}

/// The wait until the next look. For a steady worker it ends where the file grows by a
/// noticeable share of the cap in between, or at the longest one.
fn next_interval(interval: Millis, grown: u64, cap: u64) -> Millis {
    if grown > cap / GROWTH_SHARE { LOOK_MIN_MS } else { (interval * 2).min(LOOK_MAX_MS) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn whole_blocks_before_the_newest_bytes_are_surplus() {
        const BLOCK: u64 = 4096;
        for (length, freed, expected) in [
            (0, 0, 0..0),
            (10_000, 0, 0..0),
            (14_095, 0, 0..0),
            (14_096, 0, 0..4_096),
            (30_000, 4_096, 4_096..16_384),
            (30_000, 16_384, 16_384..16_384),
            (100, 16_384, 0..0),
            (14_096, 16_384, 0..4_096),
        ] {
            assert_eq!(surplus(length, freed, 10_000, BLOCK), expected, "{length} bytes, {freed} freed");
        }
    }

    #[test]
    fn a_silent_worker_is_looked_at_rarely_and_a_flood_every_second() {
        let mut waits = Vec::new();
        let mut interval = LOOK_MIN_MS;
        for grown in [0, 0, 10, 10, 0, 0, 0, CAP_BYTES, 0] {
            interval = next_interval(interval, grown, CAP_BYTES);
            waits.push(interval / 1_000);
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30, 1, 2]);
    }

    #[test]
    fn a_steady_worker_never_grows_by_much_between_two_looks() {
        for bytes_per_ms in [1, 1_000, 7_000, 100_000] {
            let mut interval = LOOK_MIN_MS;
            for _ in 0..100 {
                let grown = bytes_per_ms * interval;
                let in_a_second = bytes_per_ms * LOOK_MIN_MS;
                assert!(grown <= (CAP_BYTES / GROWTH_SHARE * 2).max(in_a_second), "{bytes_per_ms}: {grown}");
                interval = next_interval(interval, grown, CAP_BYTES);
            }
        }
    }

    const CAP: u64 = 100_000;

    /// Adds 110,000 bytes that tell the round, and looks at the file.
    fn print(file: &mut File, output: &mut Output, round: u64) -> Vec<u8> {
        let text = format!("round {round:04}\n").repeat(10_000).into_bytes();
        file.write_all(&text).unwrap();
        let due = output.next_deadline().unwrap();
        output.advance(due);
        output.finish();
        let allocated = file.metadata().unwrap().blocks() * 512;
        assert!(allocated <= CAP + 2 * 4096, "{allocated} bytes are allocated in round {round}");
        text
    }

    fn newest(file: &File, bytes: u64) -> Vec<u8> {
        let mut read = vec![0; usize::try_from(bytes).unwrap()];
        file.read_exact_at(&mut read, file.metadata().unwrap().len() - bytes).unwrap();
        read
    }

    #[test]
    fn the_newest_bytes_stay_where_they_are_and_the_older_ones_take_no_room() {
        let mut written = Vec::new();
        let mut file = tempfile::tempfile().unwrap();
        let mut output = Output::new(file.try_clone().unwrap(), CAP);
        for round in 0..10 {
            written.extend(print(&mut file, &mut output, round));
            assert_eq!(file.metadata().unwrap().len(), written.len() as u64);
            assert!(written.ends_with(&newest(&file, CAP)), "round {round}");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_capped_from_its_new_beginning() {
        let mut file = tempfile::Builder::new().append(true).tempfile().unwrap().into_file();
        let mut output = Output::new(file.try_clone().unwrap(), CAP);
        for round in 0..10 {
            print(&mut file, &mut output, round);
        }
        file.set_len(0).unwrap();
        for round in 0..10 {
            let text = print(&mut file, &mut output, round);
            assert!(text.ends_with(&newest(&file, CAP)), "round {round}");
        }
    }

    #[test]
    fn without_a_cap_nothing_is_ever_due() {
        let mut output = Output::new(tempfile::tempfile().unwrap(), 0);
        output.advance(0);
        output.finish();
        assert_eq!(output.next_deadline(), None);
    }

    #[test]
    fn a_file_that_cannot_have_holes_is_left_alone() {
        let mut output = Output::new(tempfile::tempfile().unwrap(), 1);
        output.fail(Errno::OPNOTSUPP, 0);
        assert_eq!(output.next_deadline(), None);
        let mut output = Output::new(tempfile::tempfile().unwrap(), 1);
        output.fail(Errno::IO, 7);
        assert_eq!(output.next_deadline(), Some(7 + LOOK_MAX_MS), "an error may pass");
    }
}
