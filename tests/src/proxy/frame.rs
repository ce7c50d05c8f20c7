//! Frames of the NATS protocol: a line, and for some of them a payload.

/// A longer line is none of NATS, whose limit is 4 KiB for all but INFO and CONNECT.
const LINE_BYTES_MAX: usize = 64 << 10;

/// One whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its line without the end, e.g. `PUB a.b 5`.
    pub line: &'a str,
    /// Its payload with headers; empty for those without.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The first word, as sent.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.line.split_ascii_whitespace().next().unwrap_or_default()
    }

    /// The address of a message; empty for other frames.
    #[must_use]
    pub fn subject(&self) -> &str {
        let carries = payload_bytes(self.line).is_some();
        self.line.split_ascii_whitespace().nth(1).filter(|_| carries).unwrap_or_default()
    }

    /// Whether a client publishes something.
    #[must_use]
    pub fn is_publication(&self) -> bool {
        ["PUB", "HPUB"].iter().any(|verb| self.verb().eq_ignore_ascii_case(verb))
    }

    /// Whether a server says that a stream has stored a message.
    #[must_use]
    pub fn is_pub_ack(&self) -> bool {
        let text = String::from_utf8_lossy(self.payload);
        self.verb().eq_ignore_ascii_case("MSG") && text.contains("\"stream\":") && text.contains("\"seq\":")
    }
}

/// Bytes of the payload that follows a line, without the line end behind it.
fn payload_bytes(line: &str) -> Option<usize> {
    let mut words = line.split_ascii_whitespace();
    let verb = words.next()?.to_ascii_uppercase();
    let carries = ["PUB", "HPUB", "MSG", "HMSG"].contains(&verb.as_str());
    words.next_back().filter(|_| carries)?.parse().ok()
}

/// Puts frames together from pieces, and knows which bytes of one have been passed on already:
/// of such a frame it is too late to do anything to the whole.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    bytes: Vec<u8>,
    passed_on: usize,
}

/// What became whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// A frame of which nothing has been passed on.
    Frame(Vec<u8>),
    /// The rest of one that has been passed on in part.
    Rest(Vec<u8>),
}

impl Assembler {
    /// Adds a piece and returns what is whole now.
    pub(super) fn put(&mut self, piece: &[u8]) -> Vec<Whole> {
        self.bytes.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(length) = self.whole_length() {
            let rest = self.bytes.split_off(length);
            let mut frame = std::mem::replace(&mut self.bytes, rest);
            let passed_on = std::mem::take(&mut self.passed_on);
            whole.push(match passed_on {
                0 => Whole::Frame(frame),
                _ => Whole::Rest(frame.split_off(passed_on.min(frame.len()))),
            });
        }
        whole
    }

    /// Gives away what there is of the frame that is not whole yet.
    pub(super) fn take_part(&mut self) -> Vec<u8> {
        let part = self.bytes[self.passed_on..].to_vec();
        self.passed_on = self.bytes.len();
        part
    }

    fn whole_length(&self) -> Option<usize> {
        match self.bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let length = match payload_bytes(&String::from_utf8_lossy(&self.bytes[..end])) {
                    Some(payload) => end + 1 + payload + 2,
                    None => end + 1,
                };
                (self.bytes.len() >= length).then_some(length)
            }
            None => (self.bytes.len() > LINE_BYTES_MAX).then_some(self.bytes.len()),
        }
    }
}

/// Looks at the bytes of a whole frame.
pub(super) fn with_frame<T>(bytes: &[u8], look: impl FnOnce(&Frame<'_>) -> T) -> T {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let line = String::from_utf8_lossy(&bytes[..end]);
    let payload = bytes.get(end + 1..bytes.len().saturating_sub(2)).unwrap_or_default();
    look(&Frame { line: line.trim_end(), payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"PING\r\nPUB a 5\r\nhel\nl\r\nHPUB b r 3 4\r\n\r\n\nx\r\nMSG _INBOX.1 1 29\r\n\
                            {\"stream\":\"S\", \"seq\":1234567}\r\n+OK\r\n";

    #[test]
    fn frames_are_the_same_in_whatever_pieces_they_come() {
        let mut at_once = Assembler::default();
        let frames = at_once.put(STREAM);
        assert_eq!(frames.len(), 5, "{frames:?}");
        for size in 1..STREAM.len() {
            let mut pieces = Assembler::default();
            let found: Vec<_> = STREAM.chunks(size).flat_map(|piece| pieces.put(piece)).collect();
            assert_eq!(found, frames, "pieces of {size}");
        }
        let looks = frames.iter().map(|frame| match frame {
            Whole::Frame(bytes) => {
                with_frame(bytes, |f| (f.is_publication(), f.is_pub_ack(), f.payload.len()))
            }
            Whole::Rest(_) => panic!("nothing was passed on"),
        });
        let expected =
            [(false, false, 0), (true, false, 5), (true, false, 4), (false, true, 29), (false, false, 0)];
        assert_eq!(looks.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_frame_that_was_passed_on_in_part_is_only_finished() {
        for at in 1..STREAM.len() {
            let mut assembler = Assembler::default();
            let mut out = Vec::new();
            let mut pass = |whole: Vec<Whole>| {
                for whole in whole {
                    match whole {
                        Whole::Frame(bytes) | Whole::Rest(bytes) => out.extend(bytes),
                    }
                }
            };
            pass(assembler.put(&STREAM[..at]));
            let part = assembler.take_part();
            let whole = assembler.put(&STREAM[at..]);
            assert!(part.is_empty() || matches!(whole[0], Whole::Rest(_)), "{at}");
            pass(vec![Whole::Rest(part)]);
            pass(whole);
            assert_eq!(out, STREAM, "{at}");
        }
    }
}
