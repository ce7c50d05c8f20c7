//! Lines out of bytes: the worker's event file is cut into lines here, without a file in
//! sight. Memory is bounded by one event, whatever the worker writes.

use resus_core::pulse::line::{Line, LineError, Progress, Said, Telemetry, parse};
use resus_core::pulse::v2::{EVENT_BYTES_MAX, Status};
use resus_core::pulse::word::Word;
use resus_core::sd_notify::{self, Notice};
use serde::Deserialize;

/// What was found between two newlines.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Offset just behind the line's newline.
    pub(crate) upto: u64,
    /// What it says, or why it was refused.
    pub(crate) line: Result<Line, LineError>,
}

/// Cuts a stream of bytes into lines. A line without its newline waits; one that is longer
/// than an event may be is thrown away as it comes and refused when it ends.
#[derive(Debug)]
pub(crate) struct Splitter {
    offset: u64,
    partial: Vec<u8>,
    /// Bytes of the present line that were thrown away because it is too long.
    skipped: usize,
    /// The present line was taken in before: it is neither read nor refused.
    resync: bool,
}

impl Splitter {
    /// Begins at an offset that lies just behind a newline (or at 0).
    pub(crate) fn at(offset: u64) -> Self {
        Self { offset, partial: Vec::new(), skipped: 0, resync: false }
    }

    /// Offset of the next byte wanted.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset at which the line begins that is not whole yet.
    pub(crate) fn line_start(&self) -> u64 {
        self.offset.saturating_sub((self.partial.len() + self.skipped) as u64)
    }

    /// The stream goes on at `offset` with something else: what there was of a line is void, and
    /// if the bytes begin `within_line`, so are they up to the next newline. Returns how many
    /// bytes of a line were void.
    pub(crate) fn begin_anew(&mut self, offset: u64, within_line: bool) -> usize {
        let void = self.partial.len() + self.skipped;
        *self = Self { resync: within_line, ..Self::at(offset) };
        void
    }

    /// Takes in the next bytes and returns the lines that are now whole.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.offset += line.len() as u64 + 1;
            bytes = rest.get(1..).unwrap_or_default();
            found.extend(self.finish(line));
        }
        self.offset += bytes.len() as u64;
        self.keep(bytes);
        found
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.resync {
            return;
        }
        if self.skipped == 0 && self.partial.len() + bytes.len() <= EVENT_BYTES_MAX {
            self.partial.extend_from_slice(bytes);
        } else {
            self.skipped += self.partial.len() + bytes.len();
            self.partial = Vec::new();
        }
    }

    fn finish(&mut self, line: &[u8]) -> Vec<Found> {
        self.keep(line);
        let skipped = std::mem::take(&mut self.skipped);
        let whole = std::mem::take(&mut self.partial);
        let upto = self.offset;
        if std::mem::take(&mut self.resync) {
            return Vec::new();
        }
        if skipped > 0 {
            return vec![Found { upto, line: Err(LineError::TooLong { bytes: skipped }) }];
        }
        let whole = whole.strip_suffix(b"\r").unwrap_or(&whole);
        if whole.iter().all(u8::is_ascii_whitespace) {
            return Vec::new();
        }
        if whole.starts_with(NOTIFY_HEAD) {
            return notified(whole, upto);
        }
        vec![Found { upto, line: parse(whole) }]
    }
}

/// How a line begins that the shim wrote for a datagram of the worker.
const NOTIFY_HEAD: &[u8] = br#"{"notify":"#;

/// What a worker said by sd_notify. Each word gets an offset of its own within the line, because
/// what ends at or before a known offset counts as known.
fn notified(line: &[u8], upto: u64) -> Vec<Found> {
    #[derive(Deserialize)]
    struct Datagram {
        notify: String,
    }
    let refused = |reason: String| vec![Found { upto, line: Err(LineError::Json { reason }) }];
    let datagram: Datagram = match serde_json::from_slice(line) {
        Ok(datagram) => datagram,
        Err(error) => return refused(error.to_string()),
    };
    let notices = match sd_notify::parse(datagram.notify.as_bytes()) {
        Ok(notices) => notices,
        Err(error) => return refused(error.to_string()),
    };
    let count = notices.len() as u64;
    let found = notices
        .into_iter()
        .zip(1..)
        .map(|(notice, nth)| Found { upto: upto - count + nth, line: said(notice) });
    found.collect()
}

fn said(notice: Notice) -> Result<Line, LineError> {
    let said = match notice {
        Notice::Ready => Said::Word(Word::Status { status: Status::Running, message: String::new() }),
        Notice::Alive => Said::Telemetry(Telemetry::Heartbeat),
        Notice::Message(message) => {
            let (unit, message) = ("step".to_owned(), Some(message));
            Said::Telemetry(Telemetry::Progress(Progress { unit, message, ..Progress::default() }))
        }
        Notice::Event(line) => return Ok(line),
        Notice::Refused(error) => return Err(error),
    };
    Ok(Line { n: None, unix_ms: None, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"event_type":"heartbeat"}"#;

    #[test]
    fn a_line_counts_only_with_its_newline_and_however_it_is_cut() {
        let mut text = LINE.to_vec();
        text.extend_from_slice(b"\n\n  \r\n");
        text.extend_from_slice(LINE);
        text.extend_from_slice(b"\r\nhalf");
        for cut in 0..text.len() {
            let mut splitter = Splitter::at(100);
            let (one, two) = text.split_at(cut);
            let mut found = splitter.feed(one);
            found.extend(splitter.feed(two));
            let ends: Vec<_> = found.iter().map(|f| f.upto).collect();
            assert_eq!(ends, [100 + LINE.len() as u64 + 1, 100 + (text.len() - 4) as u64], "cut at {cut}");
            assert!(found.iter().all(|f| f.line.is_ok()));
            assert_eq!(splitter.offset(), 100 + text.len() as u64);
        }
    }

    #[test]
    fn a_new_beginning_voids_the_line_that_was_begun() {
        let mut splitter = Splitter::at(0);
        assert!(splitter.feed(b"{\"event_type\":").is_empty());
        assert_eq!(splitter.line_start(), 0);
        assert_eq!(splitter.begin_anew(14, false), 14);
        let mut text = LINE.to_vec();
        text.push(b'\n');
        assert!(splitter.feed(&text)[0].line.is_ok());
        // Within a line: its rest says nothing, whatever it looks like.
        let start = splitter.offset() + 1000;
        assert_eq!(splitter.begin_anew(start, true), 0);
        assert!(splitter.feed(&text).is_empty());
        assert_eq!(splitter.feed(&text).len(), 1);
        assert_eq!(splitter.line_start(), start + 2 * text.len() as u64);
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_the_next_one_is_read() {
        let mut splitter = Splitter::at(0);
        for _ in 0..100 {
            assert!(splitter.feed(&[b'x'; 50_000]).is_empty());
            assert!(splitter.partial.capacity() <= 2 * EVENT_BYTES_MAX);
        }
        let mut end = b"\n".to_vec();
        end.extend_from_slice(LINE);
        end.push(b'\n');
        let found = splitter.feed(&end);
        assert_eq!(found[0].line, Err(LineError::TooLong { bytes: 5_000_000 }));
        assert!(found[1].line.is_ok());
    }

    #[test]
    fn what_a_program_tells_by_sd_notify_is_taken_apart() {
        let mut splitter = Splitter::at(0);
        let line = br#"{"notify":"READY=1\nSTATUS=epoch 2/3\nWATCHDOG=1\nX_PULSE={\"event_type\":\"heartbeat\"}\nX_PULSE=no"}"#;
        let found = splitter.feed(&[line.as_slice(), b"\n"].concat());
        let end = line.len() as u64 + 1;
        assert_eq!(found.iter().map(|f| f.upto).collect::<Vec<_>>(), (end - 4..=end).collect::<Vec<_>>());
        let said: Vec<_> = found.iter().map(|f| f.line.as_ref().map(|line| &line.said)).collect();
        assert!(matches!(said[0], Ok(Said::Word(Word::Status { status: Status::Running, .. }))));
        assert!(
            matches!(said[1], Ok(Said::Telemetry(Telemetry::Progress(p))) if p.message.as_deref() == Some("epoch 2/3"))
        );
        assert!(matches!(said[2], Ok(Said::Telemetry(Telemetry::Heartbeat))));
        assert!(matches!(said[3], Ok(Said::Telemetry(Telemetry::Heartbeat))));
        assert!(said[4].is_err());
        for nonsense in [r#"{"notify":5}"#, r#"{"notify":"#, r#"{"notify":""}"#] {
            let found = splitter.feed(format!("{nonsense}\n").as_bytes());
            assert!(found.iter().all(|f| f.line.is_err()), "{nonsense}");
        }
    }

    #[test]
    fn a_refused_line_does_not_stop_the_next() {
        let mut splitter = Splitter::at(0);
        let found = splitter.feed(b"not json\n{\"event_type\":\"heartbeat\"}\n");
        assert!(found[0].line.is_err() && found[1].line.is_ok());
    }
}
