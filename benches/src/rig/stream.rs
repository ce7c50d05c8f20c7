//! A subscriber: who hears what happens as it happens, from the daemon's stream of server-sent
//! events (the `text/event-stream` of the HTML standard, in chunks of HTTP/1.1).

use std::io::{self, BufRead, BufReader, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use serde::Deserialize;
use serde_json::Value;

use super::clock::{PATIENCE, monotonic_ns};
use super::fault::Fault;
use super::home::Home;

/// Where the stream of all runs is.
const STREAM: &str = "/v2/stream";
/// Name of the server-sent events that carry a PULSE envelope.
const PULSE: &str = "pulse";
/// Name of the one that says that some were left out.
const RESYNC: &str = "resync";

/// What was heard, and when.
#[derive(Debug)]
pub struct Heard {
    /// When its last byte had been read, on the monotonic clock.
    pub at_ns: u64,
    /// What.
    pub envelope: Envelope,
}

/// As much of a PULSE envelope as matters here.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Envelope {
    /// Of which run.
    pub training_id: String,
    /// Kind of event.
    pub event_type: String,
    /// Content.
    pub payload: Value,
}

/// A subscriber to all runs, which reads on a thread of its own. Dropped, it hangs up.
#[derive(Debug)]
pub struct Subscriber {
    socket: UnixStream,
    heard: Receiver<Result<Heard, Fault>>,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes; nothing that happens after this call is missed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn start(home: &Home) -> Result<Self, Fault> {
        let stream = home.connect()?.follow(STREAM)?;
        let socket = stream.get_ref().try_clone().map_err(Fault::io("subscribe at", STREAM))?;
        let (sender, heard) = mpsc::channel();
        let thread = thread::Builder::new().name("subscriber".to_owned());
        let thread = thread
            .spawn(move || listen(BufReader::new(Chunks::of(stream)), &sender))
            .map_err(Fault::io("start", "the subscriber"))?;
        Ok(Self { socket, heard, thread: Some(thread) })
    }

    /// Waits for the next event that is `wanted`; others are passed over.
    ///
    /// # Errors
    /// [`Fault`]: it does not come, or events were left out.
    pub fn next(&self, what: &str, wanted: impl Fn(&Envelope) -> bool) -> Result<Heard, Fault> {
        loop {
            let late = |_| Fault::Late { what: what.to_owned(), waited_s: PATIENCE.as_secs() };
            let heard = self.heard.recv_timeout(PATIENCE).map_err(late)??;
            if wanted(&heard.envelope) {
                return Ok(heard);
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _hung_up_already = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _nothing_more_to_say = thread.join();
        }
    }
}

/// Passes on what comes, until the stream ends, something is wrong with it, or nobody listens.
fn listen(mut stream: impl BufRead, heard: &Sender<Result<Heard, Fault>>) {
    loop {
        let next = next_event(&mut stream).map_err(Fault::io("read from", STREAM));
        let at_ns = monotonic_ns();
        let envelope = match next.and_then(|event| event.map(|event| event.envelope()).transpose()) {
            Ok(None) => return,
            Ok(Some(None)) => continue,
            Ok(Some(Some(envelope))) => Ok(Heard { at_ns, envelope }),
            Err(fault) => Err(fault),
        };
        let is_over = envelope.is_err();
        if heard.send(envelope).is_err() || is_over {
            return;
        }
    }
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct ServerSent {
    name: String,
    data: String,
}

impl ServerSent {
    /// The envelope in it, if it carries one.
    fn envelope(&self) -> Result<Option<Envelope>, Fault> {
        match self.name.as_str() {
            PULSE => serde_json::from_str(&self.data)
                .map(Some)
                .map_err(|error| Fault::wrong(format!("{:?} is no envelope: {error}", self.data))),
            RESYNC => Err(Fault::wrong(format!("the stream left events out: {}", self.data))),
            _ => Ok(None),
        }
    }
}

/// The next event; `None` at the end of the stream. A comment, or a field that is not for us, is
/// an event without name and data.
fn next_event(stream: &mut impl BufRead) -> io::Result<Option<ServerSent>> {
    let mut event = ServerSent::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Ok(Some(event));
        }
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut event.name),
            Some(("data", data)) => event.data.push_str(data),
            Some(_) | None => {}
        }
    }
}

/// The body of an answer in chunks: each has its length in hexadecimal before it and an empty
/// line behind it; one of length 0 is the end.
#[derive(Debug)]
struct Chunks<R> {
    stream: R,
    left: u64,
    is_over: bool,
}

impl<R: BufRead> Chunks<R> {
    fn of(stream: R) -> Self {
        Self { stream, left: 0, is_over: false }
    }

    /// Reads the line before the next chunk. The end of the last one is read only now, so that
    /// nobody waits for it.
    fn begin(&mut self) -> io::Result<()> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                self.is_over = true;
                return Ok(());
            }
        }
        self.left = u64::from_str_radix(line.trim(), 16)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.is_over = self.left == 0;
        Ok(())
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.is_over {
            self.begin()?;
        }
        let read = self.stream.by_ref().take(self.left).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(pieces: &[&str]) -> String {
        let chunks = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()));
        chunks.chain(["0\r\n\r\n".to_owned()]).collect()
    }

    fn all(text: &str) -> Vec<Result<Heard, Fault>> {
        let (sender, heard) = mpsc::channel();
        listen(BufReader::new(Chunks::of(text.as_bytes())), &sender);
        drop(sender);
        heard.iter().collect()
    }

    const ONE: &str = r#"{"v":2,"training_id":"r","event_type":"metric","payload":{"step":1}}"#;

    #[test]
    fn events_are_whole_however_they_are_cut_into_chunks() {
        let text = format!("retry: 2000\n\n: ping\n\nid: r.1\nevent: pulse\ndata: {ONE}\n\n");
        for cut in 1..text.len() {
            let (one, other) = text.split_at(cut);
            let heard = all(&chunked(&[one, other]));
            let envelopes: Vec<_> = heard.into_iter().map(|h| h.expect("an event").envelope).collect();
            let [envelope] = &envelopes[..] else { panic!("{envelopes:?}") };
            assert_eq!((envelope.training_id.as_str(), envelope.event_type.as_str()), ("r", "metric"));
            assert_eq!(envelope.payload["step"], 1);
        }
    }

    #[test]
    fn events_that_were_left_out_and_what_is_no_envelope_end_it() {
        let one = format!("event: pulse\ndata: {ONE}\n\n");
        for last in ["event: resync\ndata: {\"missed\":3}\n\n", "event: pulse\ndata: {}\n\n"] {
            let heard = all(&chunked(&[&one, last, &one]));
            assert_eq!(heard.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false], "{last}");
        }
        assert!(all("xyz\r\n").pop().expect("something").is_err(), "no length of a chunk");
        assert!(all("5\r\nab").is_empty(), "it ended in the middle");
    }
}
