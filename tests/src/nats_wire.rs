//! A NATS client by hand, for what a library would not let one try: it says what the server
//! answers to every single step.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

/// A connection.
pub struct Wire {
    /// What the server said of itself.
    pub info: Value,
    stream: BufReader<TcpStream>,
    arrived: VecDeque<Message>,
    subscriptions: u64,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which subscription of ours, counted from 1.
    pub subscription: u64,
    /// Where it was published; what a stream sends again keeps the address it was stored with.
    pub subject: String,
    /// Where an answer is wanted, or nothing.
    pub reply: String,
    /// Its headers as they came, or nothing.
    pub headers: String,
    /// Its body.
    pub body: String,
}

impl Wire {
    /// Connects to a server on loopback; `Err` is what the server says when it refuses.
    ///
    /// # Errors
    /// The text of the server's `-ERR`.
    pub fn connect(port: u16, who: Option<(&str, &str)>) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Self {
            info: Value::Null,
            stream: BufReader::new(stream),
            arrived: VecDeque::new(),
            subscriptions: 0,
        };
        let mut line = String::new();
        wire.stream.read_line(&mut line).map_err(|error| error.to_string())?;
        // A server that is being ended hangs up before it has said who it is.
        let info = line.trim_end().strip_prefix("INFO ").ok_or_else(|| format!("it said {line:?}"))?;
        wire.info = serde_json::from_str(info).unwrap();
        let mut hello = json!({"verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "lang": "rust", "version": "0", "protocol": 1, "name": "wire"});
        if let Some((user, password)) = who {
            (hello["user"], hello["pass"]) = (json!(user), json!(password));
        }
        wire.say(&format!("CONNECT {hello}\r\n"));
        wire.settle()?;
        Ok(wire)
    }

    /// Publishes; `Err` is what the server says when that is not allowed.
    ///
    /// # Errors
    /// The text of the server's `-ERR`.
    pub fn publish(&mut self, subject: &str, body: &str) -> Result<(), String> {
        self.ask(subject, "", body)
    }

    /// Publishes and wants the answer at `reply`.
    ///
    /// # Errors
    /// The text of the server's `-ERR`.
    pub fn ask(&mut self, subject: &str, reply: &str, body: &str) -> Result<(), String> {
        self.say(&format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len()));
        self.settle()
    }

    /// Publishes and waits for the answer.
    ///
    /// # Errors
    /// The text of the server's `-ERR`.
    pub fn request(&mut self, subject: &str, body: &str) -> Result<Message, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let inbox = format!("_INBOX.wire.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.subscribe(&inbox)?;
        let subscription = self.subscriptions;
        self.ask(subject, &inbox, body)?;
        loop {
            let message = self.hear();
            if message.subscription == subscription {
                return Ok(message);
            }
        }
    }

    /// Listens; `Err` is what the server says when that is not allowed.
    ///
    /// # Errors
    /// The text of the server's `-ERR`.
    pub fn subscribe(&mut self, subject: &str) -> Result<(), String> {
        self.subscriptions += 1;
        self.say(&format!("SUB {subject} {}\r\n", self.subscriptions));
        self.settle()
    }

    /// Waits for a message.
    ///
    /// # Panics
    /// When none comes.
    pub fn hear(&mut self) -> Message {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return message;
            }
            let line = self.line();
            if let Some(error) = self.take(&line) {
                panic!("the server says {error}");
            }
        }
    }

    /// What has arrived by now: the server has answered after everything before it.
    pub fn arrived(&mut self) -> Vec<Message> {
        self.settle().unwrap();
        self.arrived.drain(..).collect()
    }

    /// Waits until the server hangs up.
    ///
    /// # Panics
    /// When it does not.
    pub fn hung_up(mut self) {
        let end = self.stream.read_to_end(&mut Vec::new());
        let reset = |error: &Error| error.kind() == ErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(reset, |_| true), "the server holds on: {end:?}");
    }

    /// Everything said so far has been dealt with when this returns.
    fn settle(&mut self) -> Result<(), String> {
        self.say("PING\r\n");
        let mut refused = Ok(());
        loop {
            let line = self.heard()?;
            if line == "PONG" {
                return refused;
            }
            if let Some(error) = self.take(&line) {
                // A server that refuses a connection says nothing more.
                if error.contains("Authorization") || error.contains("Authentication") {
                    return Err(error);
                }
                refused = Err(error);
            }
        }
    }

    /// Takes in one line that is no PONG; an error that it tells.
    fn take(&mut self, line: &str) -> Option<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let parts: Vec<_> = rest.split(' ').collect();
        match word {
            "-ERR" => return Some(rest.to_owned()),
            "PING" => self.say("PONG\r\n"),
            "MSG" | "HMSG" => {
                let numbers = if word == "MSG" { 1 } else { 2 };
                let size = |index: usize| parts[parts.len() - index].parse::<usize>().unwrap();
                let (total, head) = (size(1), if numbers == 2 { size(2) } else { 0 });
                let mut bytes = vec![0; total + 2];
                self.stream.read_exact(&mut bytes).unwrap();
                let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                let reply = if parts.len() == 3 + numbers { parts[2].to_owned() } else { String::new() };
                let (subject, subscription) = (parts[0].to_owned(), parts[1].parse().unwrap());
                let (headers, body) = (text(&bytes[..head]), text(&bytes[head..total]));
                self.arrived.push_back(Message { subscription, subject, reply, headers, body });
            }
            "INFO" | "+OK" => {}
            other => panic!("the server says {other:?}"),
        }
        None
    }

    fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        self.heard().unwrap_or_else(|error| panic!("{error}"))
    }

    fn heard(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.ends_with("\r\n") {
            Ok(line.trim_end().to_owned())
        } else {
            Err(format!("the server hung up after {line:?}"))
        }
    }
}
