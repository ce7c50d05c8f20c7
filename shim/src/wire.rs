//! One connection: lines in, lines out, both bounded, never blocking.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::protocol::LINE_BYTES_MAX;

/// What waits for a reader that is slow; beyond this it counts as not reading at all.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Read at a time, on the stack. Its pages stay ours for the life of the shim, and hundreds of
/// shims are idle at once: as little as goes together with few system calls.
const CHUNK_BYTES: usize = 2 * 1024;
/// Read per turn, so that one busy client cannot keep the loop from the others.
const CHUNKS_PER_TURN: usize = 64;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    broken: bool,
}

/// What a turn of reading brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Complete lines without their line breaks.
    pub(crate) lines: Vec<Vec<u8>>,
    /// Nothing more will come: it hung up, failed, or sent too long a line.
    pub(crate) closed: bool,
}

impl Wire {
    /// Takes over an accepted connection.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Vec::new(), broken: false })
    }

    /// Whether the other side is gone or does not read.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether something waits to be written.
    pub(crate) fn wants_to_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads what is there, a bounded amount of it.
    pub(crate) fn receive(&mut self) -> Received {
        let mut received = Received::default();
        let mut chunk = [0; CHUNK_BYTES];
        for _ in 0..CHUNKS_PER_TURN {
            match self.stream.read(&mut chunk) {
                Ok(0) => received.closed = true,
                Ok(length) => self.take_in(&chunk[..length], &mut received),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => received.closed = true,
            }
            if received.closed {
                break;
            }
        }
        if self.inbox.is_empty() {
            self.inbox.shrink_to(0);
        }
        received
    }

    /// Cuts `bytes` into lines; a line that gets too long ends the connection.
    fn take_in(&mut self, mut bytes: &[u8], received: &mut Received) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let mut line = std::mem::take(&mut self.inbox);
            line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if line.len() > LINE_BYTES_MAX {
                received.closed = true;
                return;
            }
            received.lines.push(line);
        }
        self.inbox.extend_from_slice(bytes);
        received.closed |= self.inbox.len() > LINE_BYTES_MAX;
    }

    /// Queues one line and writes what can be written now. False when the other side is
    /// gone or does not read: the connection is of no more use.
    pub(crate) fn send_line(&mut self, line: &[u8]) -> bool {
        if self.outbox.len() + line.len() >= OUTBOX_BYTES_MAX {
            self.broken = true;
        }
        if !self.broken {
            self.outbox.extend_from_slice(line);
            self.outbox.push(b'\n');
            self.flush();
        }
        !self.broken
    }

    /// Writes what can be written now. False as in [`Wire::send_line`].
    pub(crate) fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() && !self.broken {
            // NOSIGNAL: SIGPIPE keeps its default action here, for the sake of our children.
            match send(&self.stream, &self.outbox, SendFlags::NOSIGNAL) {
                Ok(length) => drop(self.outbox.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.broken = true,
            }
        }
        if self.outbox.is_empty() {
            self.outbox.shrink_to(0);
        }
        !self.broken
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::new(ours).unwrap(), theirs)
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let (mut wire, mut other) = pair();
        other.write_all(b"one\ntw").unwrap();
        assert_eq!(wire.receive(), Received { lines: vec![b"one".to_vec()], closed: false });
        other.write_all(b"o\n\nthr").unwrap();
        assert_eq!(wire.receive(), Received { lines: vec![b"two".to_vec(), Vec::new()], closed: false });
        drop(other);
        assert_eq!(wire.receive(), Received { lines: Vec::new(), closed: true });
    }

    #[test]
    fn what_was_sent_before_hanging_up_is_heard() {
        let (mut wire, mut other) = pair();
        other.write_all(b"bye\n").unwrap();
        drop(other);
        assert_eq!(wire.receive(), Received { lines: vec![b"bye".to_vec()], closed: true });
    }

    #[test]
    fn a_line_beyond_the_limit_closes_and_one_at_the_limit_does_not() {
        for (length, closed) in [(LINE_BYTES_MAX, false), (LINE_BYTES_MAX + 1, true)] {
            let (mut wire, mut other) = pair();
            let writer = std::thread::spawn(move || {
                // The reader may hang up in the middle, which is the point.
                let _ = other.write_all(&vec![b'x'; length]).and_then(|()| other.write_all(b"\n"));
                other
            });
            let mut lines = Vec::new();
            let end = loop {
                let received = wire.receive();
                lines.extend(received.lines);
                if received.closed || !lines.is_empty() {
                    break received.closed;
                }
            };
            drop(wire);
            drop(writer.join().unwrap());
            assert_eq!((end, lines.len()), (closed, usize::from(!closed)), "{length}");
        }
    }

    #[test]
    fn a_reader_that_does_not_read_is_given_up_on() {
        let (mut wire, other) = pair();
        let line = vec![b'x'; 10_000];
        let taken = (0..1_000).take_while(|_| wire.send_line(&line)).count();
        assert!(taken < 1_000);
        drop(other);
    }

    #[test]
    fn a_slow_reader_gets_every_line_in_order() {
        // More than the kernel keeps for a reader, less than we do.
        let (mut wire, other) = pair();
        let lines: Vec<String> = (0..120).map(|n| format!("{n:02000}")).collect();
        assert!(lines.iter().all(|line| wire.send_line(line.as_bytes())));
        let mut reader = BufReader::new(other);
        for expected in &lines {
            wire.flush();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line.trim_end(), expected);
        }
        assert!(!wire.wants_to_write());
    }

    #[test]
    fn writing_to_nobody_fails_without_a_signal() {
        let (mut wire, other) = pair();
        drop(other);
        assert!(!wire.send_line(b"anybody?"));
    }
}
