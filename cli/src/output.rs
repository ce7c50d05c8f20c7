//! A worker's output: where its last lines begin, and bytes made fit for a terminal.

use crate::client::{Client, ClientError};
use resus_core::text::visible;
use std::time::Duration;

/// Bytes asked for at once.
pub(crate) const PIECE_BYTES: u32 = 64 * 1024;
/// Most bytes looked at for the last lines: a worker may print no line breaks at all.
const TAIL_BYTES_MAX: u64 = 16 << 20;

/// Where the last `lines` lines of an attempt's output begin, in bytes.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn tail_offset(
    client: &Client,
    run: &str,
    attempt: u32,
    lines: usize,
) -> Result<u64, ClientError> {
    let length = client.output(run, Some(attempt), 0, 0, Duration::ZERO).await?.chunk.length;
    let mut tail = Tail::new(lines, length);
    while let Some((offset, bytes)) = tail.next_piece() {
        let piece = client.output(run, Some(attempt), offset, bytes, Duration::ZERO).await?;
        tail.read(&piece.bytes);
    }
    Ok(tail.offset)
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
}

impl Tail {
    fn new(lines: usize, length: u64) -> Self {
        Self { breaks: lines, offset: length, length, found: lines == 0 }
    }

    /// The piece to look at next: its offset and length.
    fn next_piece(&self) -> Option<(u64, u32)> {
        let far = self.length - self.offset >= TAIL_BYTES_MAX;
        if self.found || self.offset == 0 || far {
            return None;
        }
        let offset = self.offset.saturating_sub(u64::from(PIECE_BYTES));
        u32::try_from(self.offset - offset).ok().map(|bytes| (offset, bytes))
    }

    fn read(&mut self, piece: &[u8]) {
        let start = self.offset.saturating_sub(u64::from(PIECE_BYTES));
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
        self.offset = start;
    }
}

/// Turns bytes into text that can do a terminal no harm, piece by piece: what is not UTF-8
/// becomes `�`, a carriage return (the way of progress bars) a line break, and every other
/// control character visible.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// A character that the last piece cut in two.
    half: Vec<u8>,
    /// The last piece ended with a carriage return.
    returned: bool,
}

impl Decoder {
    /// The text of the next piece.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.half);
        all.extend_from_slice(bytes);
        let whole = all.len() - cut_character(&all);
        self.half = all.split_off(whole);
        let mut text = String::from_utf8_lossy(&all).replace("\r\n", "\n");
        if self.returned && text.starts_with('\n') {
            text.remove(0);
        }
        self.returned = all.last() == Some(&b'\r') || (self.returned && all.is_empty());
        visible(&text.replace('\r', "\n"))
    }
}

/// How many bytes at the end are the beginning of a character.
fn cut_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes.get(bytes.len() - back).copied().unwrap_or(0);
        let needed = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back < needed { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &[u8], lines: usize) -> &[u8] {
        let mut tail = Tail::new(lines, text.len() as u64);
        while let Some((offset, bytes)) = tail.next_piece() {
            let start = usize::try_from(offset).unwrap();
            tail.read(&text[start..start + bytes as usize]);
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
    fn the_search_goes_over_many_pieces() {
        let line = "x".repeat(50_000) + "\n";
        let text = line.repeat(9);
        assert_eq!(tail(text.as_bytes(), 4).len(), line.len() * 4);
        let endless = vec![b'x'; 1 << 20];
        assert_eq!(tail(&endless, 1).len(), endless.len());
    }

    #[test]
    fn a_text_decodes_the_same_however_it_is_cut() {
        let text = "plain ü 训练 🚀\r\nbar 1%\rbar 2%\r\nend \u{1b}[31mred\u{7}\n".as_bytes();
        let expected = "plain ü 训练 🚀\nbar 1%\nbar 2%\nend \\u{1b}[31mred\\u{7}\n";
        for size in 1..text.len() {
            let mut decoder = Decoder::default();
            let decoded: String = text.chunks(size).map(|piece| decoder.decode(piece)).collect();
            assert_eq!(decoded, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\xc0c"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(decoder.decode(b"\xe2\x82"), "", "the beginning of a character waits");
        assert_eq!(decoder.decode(b"x"), "\u{fffd}x");
    }
}
