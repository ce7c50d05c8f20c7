//! A small client of NATS for tests: one connection, no threads, nothing hidden. What a test of
//! the bus believes must not come from the library that the bus is made with.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its address.
    pub subject: String,
    /// Where an answer is expected.
    pub reply: Option<String>,
    /// Its headers as they came, the status line included.
    pub headers: String,
    /// Its content.
    pub body: Vec<u8>,
}

impl Delivered {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }

    /// Its content as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// A connection.
#[derive(Debug)]
pub struct NatsClient {
    stream: TcpStream,
    bytes: Vec<u8>,
    waiting: VecDeque<Delivered>,
    /// What the server complained of.
    complaints: Vec<String>,
    pongs: usize,
    made: u64,
}

impl NatsClient {
    /// Connects to a server on loopback.
    ///
    /// # Errors
    /// What the server said when it refused us.
    pub fn connect(port: u16, identity: &Value) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream,
            bytes: Vec::new(),
            waiting: VecDeque::new(),
            complaints: Vec::new(),
            pongs: 0,
            made: 0,
        };
        let mut hello = json!({"verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "lang": "test", "version": "0", "protocol": 1});
        for (key, value) in identity.as_object().into_iter().flatten() {
            hello[key] = value.clone();
        }
        client.send(format!("CONNECT {hello}\r\nPING\r\n").as_bytes())?;
        client.until(PATIENCE, |client| client.pongs > 0)?;
        Ok(client)
    }

    /// Connects as nobody in particular.
    #[must_use]
    pub fn open(port: u16) -> Self {
        Self::connect(port, &json!({})).unwrap()
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| error.to_string())
    }

    /// Returns when the server has taken in what was sent before; what it complained of meanwhile.
    pub fn settle(&mut self) -> Vec<String> {
        let before = self.pongs;
        self.send(b"PING\r\n").unwrap();
        self.until(PATIENCE, |client| client.pongs > before).unwrap();
        std::mem::take(&mut self.complaints)
    }

    /// Hears what is said at `subject`, wildcards included.
    pub fn subscribe(&mut self, subject: &str) {
        self.made += 1;
        let line = format!("SUB {subject} {}\r\n", self.made);
        self.send(line.as_bytes()).unwrap();
        let complaints = self.settle();
        self.complaints = complaints;
    }

    /// Says something.
    pub fn publish(&mut self, subject: &str, body: &[u8]) {
        let mut bytes = format!("PUB {subject} {}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes).unwrap();
    }

    /// Asks something and waits for the answer.
    pub fn request(&mut self, subject: &str, body: &Value) -> Delivered {
        self.ask(subject, body, 1).remove(0)
    }

    /// Asks something that is answered with several messages, the last of which has a status or is
    /// number `most`.
    pub fn ask(&mut self, subject: &str, body: &Value, most: usize) -> Vec<Delivered> {
        self.made += 1;
        let inbox = format!("_INBOX.test.{}.{}", std::process::id(), self.made);
        let body = body.to_string();
        let ask = format!("SUB {inbox} {}\r\nPUB {subject} {inbox} {}\r\n{body}\r\n", self.made, body.len());
        self.send(ask.as_bytes()).unwrap();
        let (mut answers, mut others) = (Vec::new(), VecDeque::new());
        while answers.len() < most {
            let message = self.next(PATIENCE).unwrap_or_else(|| panic!("no answer from {subject}"));
            if message.subject != inbox {
                others.push_back(message);
                continue;
            }
            // A status: the end of a batch, or that there is nothing.
            let is_last = message.headers.starts_with("NATS/1.0 ");
            answers.push(message);
            if is_last {
                break;
            }
        }
        self.send(format!("UNSUB {}\r\n", self.made).as_bytes()).unwrap();
        others.append(&mut self.waiting);
        self.waiting = others;
        answers
    }

    /// The next message, if one comes within so long.
    pub fn next(&mut self, within: Duration) -> Option<Delivered> {
        let _late = self.until(within, |client| !client.waiting.is_empty());
        self.waiting.pop_front()
    }

    /// Everything of a JetStream stream, oldest first: sequence number and message.
    pub fn stream(&mut self, name: &str) -> Vec<(u64, Delivered)> {
        let mut messages: Vec<(u64, Delivered)> = Vec::new();
        loop {
            let from = messages.last().map_or(1, |(seq, _)| seq + 1);
            let batch = self.ask(
                &format!("$JS.API.DIRECT.GET.{name}"),
                &json!({"seq": from, "batch": 500, "next_by_subj": ">"}),
                501,
            );
            let before = messages.len();
            for message in batch {
                if let Some(seq) = message.header("Nats-Sequence").and_then(|seq| seq.parse().ok()) {
                    let subject = message.header("Nats-Subject").unwrap_or_default().to_owned();
                    messages.push((seq, Delivered { subject, ..message }));
                }
            }
            if messages.len() == before {
                return messages;
            }
        }
    }

    /// Reads until `done`, a deadline, or the end of the connection.
    fn until(&mut self, within: Duration, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + within;
        let mut piece = [0; 64 * 1024];
        while !done(self) {
            if Instant::now() >= deadline {
                return Err("nothing came in time".to_owned());
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(self.complaints.pop().unwrap_or_else(|| "hung up".to_owned())),
                Ok(length) => {
                    self.bytes.extend_from_slice(&piece[..length]);
                    while self.take_in()? {}
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => {
                    return Err(self.complaints.pop().unwrap_or_else(|| error.to_string()));
                }
            }
        }
        Ok(())
    }

    /// Takes in one operation of the protocol, if all of it is there.
    fn take_in(&mut self) -> Result<bool, String> {
        let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(false) };
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let words: Vec<_> = line.split(' ').collect();
        let body_at = end + 2;
        let length = match words[0] {
            "MSG" | "HMSG" => words.last().and_then(|word| word.parse::<usize>().ok()),
            "PING" => {
                self.send(b"PONG\r\n")?;
                None
            }
            "PONG" => {
                self.pongs += 1;
                None
            }
            "-ERR" => {
                self.complaints.push(line.clone());
                None
            }
            _ => None,
        };
        let Some(length) = length else {
            self.bytes.drain(..body_at);
            return Ok(true);
        };
        if self.bytes.len() < body_at + length + 2 {
            return Ok(false);
        }
        let content = self.bytes[body_at..body_at + length].to_vec();
        self.bytes.drain(..body_at + length + 2);
        let has_headers = words[0] == "HMSG";
        let sizes = if has_headers { 2 } else { 1 };
        let head = if has_headers { words[words.len() - 2].parse().unwrap_or(0) } else { 0 };
        self.waiting.push_back(Delivered {
            subject: words[1].to_owned(),
            // MSG <subject> <sid> [reply] <sizes…>
            reply: (words.len() == 4 + sizes).then(|| words[3].to_owned()),
            headers: String::from_utf8_lossy(&content[..head]).into_owned(),
            body: content[head..].to_vec(),
        });
        Ok(true)
    }
}
