//! HTTP/1.1 over the daemon's Unix socket, one request after another on one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;

/// An answer takes this long at most; a command waits for the disk.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer: a thousand runs with long command lines.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A connection to the daemon.
#[derive(Debug)]
pub struct Connection {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

/// Status and body of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Fault::Io`] when nobody listens.
    pub fn open(socket: &Path) -> Result<Self, Fault> {
        let connect = || {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
            Ok(stream)
        };
        let stream = connect().map_err(Fault::io("connect to", socket))?;
        Ok(Self { socket: socket.to_owned(), stream: BufReader::new(stream) })
    }

    /// The document at an address.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn get<T: DeserializeOwned>(&mut self, target: &str) -> Result<T, Fault> {
        let bytes = self.bytes(target)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Fault::wrong(format!("the document at {target} can't be understood: {error}")))
    }

    /// The bytes at an address.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn bytes(&mut self, target: &str) -> Result<Vec<u8>, Fault> {
        self.ask("GET", target, b"")
    }

    /// Posts a document.
    ///
    /// # Errors
    /// [`Fault`] unless it is accepted.
    pub fn post(&mut self, target: &str, document: &Value) -> Result<(), Fault> {
        self.ask("POST", target, document.to_string().as_bytes()).map(drop)
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: resus\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        // One write: two would wake the daemon twice.
        let request = [head.as_bytes(), body].concat();
        self.stream.get_mut().write_all(&request).map_err(Fault::io("write to", &self.socket))?;
        let Answer { status, body } = read_answer(&mut self.stream, &self.socket)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(Fault::Refused { request: format!("{method} {target}"), status, body })
    }
}

/// Reads one answer with a length, as the daemon gives them.
fn read_answer(stream: &mut impl BufRead, socket: &Path) -> Result<Answer, Fault> {
    let no_answer = || Fault::wrong(format!("{} did not give an HTTP answer", socket.display()));
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(Fault::io("read from", socket))?;
        Ok::<_, Fault>(line.trim_end().to_owned())
    };
    let first = line()?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(no_answer)?;
    let mut length = None;
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(no_answer)?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let length = length.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or_else(no_answer)?;
    let mut body = Vec::new();
    let read = stream.take(length).read_to_end(&mut body).map_err(Fault::io("read from", socket))?;
    if read as u64 == length { Ok(Answer { status, body }) } else { Err(no_answer()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Answer, Fault> {
        read_answer(&mut text.as_bytes(), Path::new("socket"))
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let mut two =
            "HTTP/1.1 200 OK\r\nContent-length: 2\r\n\r\nokHTTP/1.1 404 No\r\ncontent-length:0\r\n\r\n"
                .as_bytes();
        let first = read_answer(&mut two, Path::new("socket")).expect("an answer");
        assert_eq!(first, Answer { status: 200, body: b"ok".to_vec() });
        assert_eq!(read_answer(&mut two, Path::new("socket")).expect("another").status, 404);
    }

    #[test]
    fn what_is_no_whole_answer_is_a_fault() {
        for text in [
            "",
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nno length",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
