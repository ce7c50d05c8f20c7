//! What the daemon says as it happens: server-sent events, read piece by piece, or what is
//! published on a bus.

use crate::client::there::Published;
use crate::client::wire::{Connection, Socket};
use crate::client::{ANSWER_DEADLINE, ClientError};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// The daemon says something every 15 s; after three silences it hangs.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest message: an event has at most 64 KiB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A stream of what happens.
pub(crate) enum Stream {
    /// Of the daemon on this machine.
    Here(Box<Events>),
    /// Of another one's.
    There(Box<Published>),
}

/// Something on a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// A PULSE envelope.
    Event(Value),
    /// So many events went by: this reader was too slow.
    Missed(u64),
}

impl Stream {
    /// Waits for the next thing said. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError`]; the end of the stream is one too: the daemon has ended.
    pub(crate) async fn next(&mut self) -> Result<Said, ClientError> {
        match self {
            Self::Here(events) => events.next().await,
            Self::There(published) => published.next().await,
        }
    }
}

/// Server-sent events on a socket.
pub(crate) struct Events {
    body: Incoming,
    /// It ends with the stream.
    _connection: Connection,
    parser: Parser,
    ready: VecDeque<Said>,
    pid: Option<u32>,
}

impl Events {
    /// Opens the stream at `address`. When this returns, everything that happens from then on
    /// will be heard.
    pub(super) async fn open(socket: &Socket, address: &str) -> Result<Self, ClientError> {
        let silent = |_| ClientError::Silent { pid: socket.pid, waited: ANSWER_DEADLINE };
        let opening = async {
            let (response, connection) = socket.send(Method::GET, address, Bytes::new()).await?;
            Ok::<_, ClientError>((Socket::good(response).await?, connection))
        };
        let (body, connection) = timeout(ANSWER_DEADLINE, opening).await.map_err(silent)??;
        Ok(Self {
            body,
            _connection: connection,
            parser: Parser::default(),
            ready: VecDeque::new(),
            pid: socket.pid,
        })
    }

    async fn next(&mut self) -> Result<Said, ClientError> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Ok(said);
            }
            let Ok(frame) = timeout(SILENCE_MAX, self.body.frame()).await else {
                return Err(ClientError::Silent { pid: self.pid, waited: SILENCE_MAX });
            };
            let ended =
                || ClientError::Broken { source: io::Error::from(io::ErrorKind::UnexpectedEof).into() };
            let frame = frame.ok_or_else(ended)?;
            let frame = frame.map_err(|error| ClientError::Broken { source: error.into() })?;
            if let Ok(bytes) = frame.into_data() {
                self.ready.extend(self.parser.feed(&bytes)?);
            }
        }
    }
}

/// Takes server-sent events apart, however they are cut into pieces.
#[derive(Debug, Default)]
struct Parser {
    /// The line at work.
    line: Vec<u8>,
    kind: String,
    data: String,
}

#[derive(Deserialize)]
struct Resync {
    missed: u64,
}

impl Parser {
    /// What the next piece completes.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Said>, ClientError> {
        let mut said = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > MESSAGE_BYTES_MAX {
                    return Err(foreign(format!("a message of more than {MESSAGE_BYTES_MAX} bytes")));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8(line).map_err(|error| foreign(error.to_string()))?;
            said.extend(self.take_line(line.trim_end_matches('\r'))?);
        }
        Ok(said)
    }

    fn take_line(&mut self, line: &str) -> Result<Option<Said>, ClientError> {
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
            return message(&kind, &data);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => self.data.push_str(value),
            // A comment (no field), `id`, `retry`, and what a newer daemon may say.
            _ => {}
        }
        Ok(None)
    }
}

fn message(kind: &str, data: &str) -> Result<Option<Said>, ClientError> {
    let unread = |error: serde_json::Error| foreign(error.to_string());
    match kind {
        "pulse" => serde_json::from_str(data).map(|event| Some(Said::Event(event))).map_err(unread),
        "resync" => {
            let resync: Resync = serde_json::from_str(data).map_err(unread)?;
            Ok(Some(Said::Missed(resync.missed)))
        }
        // Nothing but comments before an empty line, or a kind of a newer daemon.
        _ => Ok(None),
    }
}

fn foreign(what: String) -> ClientError {
    ClientError::Foreign { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let text = "retry: 2000\n\n: ping\n\nid: r1.7\nevent: pulse\ndata: {\"seq\":7,\"m\":\"ü\"}\n\n\
                    event: resync\r\ndata: {\"missed\":5}\r\n\r\nevent: newer\ndata: x\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let pieces = text.as_bytes().chunks(size);
            let said: Vec<_> = pieces.flat_map(|piece| parser.feed(piece).unwrap()).collect();
            assert_eq!(said, [Said::Event(json!({"seq": 7, "m": "ü"})), Said::Missed(5)], "in {size}s");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in
            ["event: pulse\ndata: {\n\n", "event: resync\ndata: {}\n\n", "data: \u{0}\nevent: pulse\n\n"]
        {
            assert!(Parser::default().feed(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Parser::default().feed(b"data: \xff\n").is_err());
        let endless = "x".repeat(MESSAGE_BYTES_MAX + 1);
        assert!(Parser::default().feed(endless.as_bytes()).is_err());
        let endless = format!("data: {}\n", "x".repeat(1000)).repeat(2000);
        assert!(Parser::default().feed(endless.as_bytes()).is_err());
    }
}
