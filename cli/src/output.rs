//! A worker's output: where its last lines begin.

mod colours;
pub(crate) mod last_line;
pub(crate) mod terminal;

use crate::client::{Client, ClientError};
use std::time::Duration;

/// Bytes asked for at once.
pub(crate) const PIECE_BYTES: u32 = 64 * 1024;
/// Most bytes looked at for the last lines: a worker may print no line breaks at all.
pub(crate) const TAIL_BYTES_MAX: u64 = 16 << 20;

/// Where the last lines of an output begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailStart {
    /// In bytes from the beginning of the attempt's output.
    pub offset: u64,
    /// The first of the lines begins before that: it is longer than what is looked at.
    pub is_cut: bool,
}

/// Where the last `lines` lines of an attempt's output begin.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn tail_start(
    client: &Client,
    run: &str,
    attempt: u32,
    lines: usize,
) -> Result<TailStart, ClientError> {
    let length = client.output(run, Some(attempt), 0, 0, Duration::ZERO).await?.chunk.length;
    let mut tail = Tail::new(lines, length);
    while let Some((offset, bytes)) = tail.next_piece() {
        let piece = client.output(run, Some(attempt), offset, bytes, Duration::ZERO).await?;
        tail.read(piece.chunk.offset, &piece.bytes);
    }
    Ok(TailStart { offset: tail.offset, is_cut: !tail.found && tail.offset > 0 })
}

/// The search for the beginning of the last lines, from the end backwards.
#[derive(Debug)]
struct Tail {
    /// Line breaks still to be passed. The one that ends the last line is not one of them.
    breaks: usize,
    /// The search has come from the end to here.
    offset: u64,
    length: u64,
    found: bool,
    /// There is nothing further back.
    is_over: bool,
}

impl Tail {
    fn new(lines: usize, length: u64) -> Self {
        Self { breaks: lines, offset: length, length, found: lines == 0, is_over: false }
    }

    /// The piece to look at next: its offset and length.
    fn next_piece(&self) -> Option<(u64, u32)> {
        let far = self.length - self.offset >= TAIL_BYTES_MAX;
        if self.found || self.is_over || self.offset == 0 || far {
            return None;
        }
        let offset = self.offset.saturating_sub(u64::from(PIECE_BYTES));
        u32::try_from(self.offset - offset).ok().map(|bytes| (offset, bytes))
    }

    /// Reads a piece, which begins at `start`: behind where it was asked for if what is before
    /// has been freed.
    fn read(&mut self, start: u64, piece: &[u8]) {
        let asked = self.offset.saturating_sub(u64::from(PIECE_BYTES));
        for (index, byte) in piece.iter().enumerate().rev() {
            let behind = start + index as u64 + 1;
            if *byte == b'\n' && behind < self.length {
                self.breaks -= 1;
                if self.breaks == 0 {
                    (self.offset, self.found) = (behind, true);
                    return;
                }
            }
        }
        self.offset = start.min(self.length);
        self.is_over |= start > asked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &[u8], lines: usize) -> &[u8] {
        tail_of_kept(text, 0, lines)
    }

    /// The tail of a text whose first `freed` bytes are not kept.
    fn tail_of_kept(text: &[u8], freed: usize, lines: usize) -> &[u8] {
        let mut tail = Tail::new(lines, text.len() as u64);
        while let Some((offset, bytes)) = tail.next_piece() {
            let asked = usize::try_from(offset).unwrap();
            let (start, end) = (asked.max(freed), asked + bytes as usize);
            tail.read(start as u64, &text[start.min(end)..end]);
        }
        &text[usize::try_from(tail.offset).unwrap()..]
    }

    #[test]
    fn the_last_lines_are_found() {
        for (text, lines, expected) in [
            ("", 3, ""),
            ("one", 1, "one"),
            ("one\n", 1, "one\n"),
            ("one\ntwo\n", 1, "two\n"),
            ("one\ntwo", 1, "two"),
            ("one\ntwo\nthree\n", 2, "two\nthree\n"),
            ("one\ntwo\n", 9, "one\ntwo\n"),
            ("\n\n\n", 2, "\n\n"),
            ("one\n", 0, ""),
        ] {
            assert_eq!(tail(text.as_bytes(), lines), expected.as_bytes(), "{lines} of {text:?}");
        }
    }

    #[test]
    fn the_search_ends_where_older_output_was_freed() {
        let text = "x".repeat(50_000) + "\n" + &"y".repeat(200_000) + "\nz\n";
        for freed in [0, 10, 60_000, 240_000, text.len() - 1] {
            assert_eq!(tail_of_kept(text.as_bytes(), freed, 9), &text.as_bytes()[freed..], "{freed}");
        }
        assert_eq!(tail_of_kept(text.as_bytes(), 60_000, 1), b"z\n");
    }

    #[test]
    fn the_search_goes_over_many_pieces() {
        let line = "x".repeat(50_000) + "\n";
        let text = line.repeat(9);
        assert_eq!(tail(text.as_bytes(), 4).len(), line.len() * 4);
        let endless = vec![b'x'; 1 << 20];
        assert_eq!(tail(&endless, 1).len(), endless.len());
    }
}
