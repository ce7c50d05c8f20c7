//! HTTP/1.1 over the daemon's Unix socket, one request after another on one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clock::PATIENCE;
use super::fault::Fault;

/// An answer takes this long at most; a command waits for the disk.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer: a thousand runs with long command lines.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Header with the version of what was answered: the value to wait from next.
const VERSION_HEADER: &str = "resus-version";
/// How long the daemon is asked to wait for a change.
const CHANGE_WAIT: Duration = Duration::from_secs(10);

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
    version: Option<u64>,
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
        document(target, &self.bytes(target)?)
    }

    /// Waits until the document at an address is as wanted. The daemon answers as soon as it has
    /// changed, so what follows is not later by any interval between two looks.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Late`] when it never is.
    pub fn get_once<T: DeserializeOwned>(
        &mut self,
        target: &str,
        what: &str,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut address = target.to_owned();
        while Instant::now() < deadline {
            let answer = self.ask("GET", &address, b"")?;
            let found = document(target, &answer.body)?;
            if wanted(&found) {
                return Ok(found);
            }
            let version = answer.version;
            let version =
                version.ok_or_else(|| Fault::wrong(format!("the answer at {target} has no version")))?;
            address = format!("{target}?since={version}&wait_ms={}", CHANGE_WAIT.as_millis());
        }
        Err(Fault::Late { what: what.to_owned(), waited_s: PATIENCE.as_secs() })
    }

    /// The bytes at an address.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn bytes(&mut self, target: &str) -> Result<Vec<u8>, Fault> {
        Ok(self.ask("GET", target, b"")?.body)
    }

    /// Posts a document.
    ///
    /// # Errors
    /// [`Fault`] unless it is accepted.
    pub fn post(&mut self, target: &str, document: &Value) -> Result<(), Fault> {
        self.ask("POST", target, document.to_string().as_bytes()).map(drop)
    }

    /// Posts a document and returns the one that answers it.
    ///
    /// # Errors
    /// [`Fault`] unless it is accepted.
    pub fn post_for<T: DeserializeOwned>(&mut self, target: &str, body: &Value) -> Result<T, Fault> {
        document(target, &self.ask("POST", target, body.to_string().as_bytes())?.body)
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Answer, Fault> {
        self.request(method, target, body)?;
        let answer = read_answer(&mut self.stream, &self.socket)?;
        accepted(method, target, answer)
    }

    fn request(&mut self, method: &str, target: &str, body: &[u8]) -> Result<(), Fault> {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: resus\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        // One write: two would wake the daemon twice.
        let request = [head.as_bytes(), body].concat();
        self.stream.get_mut().write_all(&request).map_err(Fault::io("write to", &self.socket))
    }

    /// Asks for an answer that goes on for ever, and returns its body, chunks and all, once its
    /// head has come.
    ///
    /// # Errors
    /// [`Fault`] unless it is accepted.
    pub fn follow(mut self, target: &str) -> Result<BufReader<UnixStream>, Fault> {
        self.request("GET", target, b"")?;
        let head = read_head(&mut self.stream, &self.socket)?;
        if head.length.is_none() && (200..300).contains(&head.status) {
            return Ok(self.stream);
        }
        let answer = read_body(&mut self.stream, &self.socket, head)?;
        accepted("GET", target, answer)?;
        Err(Fault::wrong(format!("the answer at {target} ends")))
    }
}

fn accepted(method: &str, target: &str, answer: Answer) -> Result<Answer, Fault> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(Fault::Refused { request: format!("{method} {target}"), status: answer.status, body })
}

fn document<T: DeserializeOwned>(target: &str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes)
        .map_err(|error| Fault::wrong(format!("the document at {target} can't be understood: {error}")))
}

/// What matters of an answer's head.
struct Head {
    status: u16,
    version: Option<u64>,
    length: Option<u64>,
}

fn no_answer(socket: &Path) -> Fault {
    Fault::wrong(format!("{} did not give an HTTP answer", socket.display()))
}

/// Reads one answer with a length, as the daemon gives them.
fn read_answer(stream: &mut impl BufRead, socket: &Path) -> Result<Answer, Fault> {
    let head = read_head(stream, socket)?;
    read_body(stream, socket, head)
}

fn read_head(stream: &mut impl BufRead, socket: &Path) -> Result<Head, Fault> {
    let no_answer = || no_answer(socket);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(Fault::io("read from", socket))?;
        Ok::<_, Fault>(line.trim_end().to_owned())
    };
    let first = line()?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(no_answer)?;
    let mut head = Head { status, version: None, length: None };
    loop {
        let header = line()?;
        if header.is_empty() {
            return Ok(head);
        }
        let (name, value) = header.split_once(':').ok_or_else(no_answer)?;
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case(VERSION_HEADER) {
            head.version = value.trim().parse().ok();
        }
    }
}

fn read_body(stream: &mut impl BufRead, socket: &Path, head: Head) -> Result<Answer, Fault> {
    let Head { status, version, length } = head;
    let length = length.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or_else(|| no_answer(socket))?;
    let mut body = Vec::new();
    let read = stream.take(length).read_to_end(&mut body).map_err(Fault::io("read from", socket))?;
    if read as u64 == length { Ok(Answer { status, version, body }) } else { Err(no_answer(socket)) }
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
            "HTTP/1.1 200 OK\r\nContent-length: 2\r\nResus-Version: 7\r\n\r\nokHTTP/1.1 404 No\r\ncontent-length:0\r\n\r\n"
                .as_bytes();
        let first = read_answer(&mut two, Path::new("socket")).expect("an answer");
        assert_eq!(first, Answer { status: 200, version: Some(7), body: b"ok".to_vec() });
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
