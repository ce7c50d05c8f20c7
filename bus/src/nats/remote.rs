//! The client's side of control: one connection, questions with deadlines, and what is
//! published, with every loss told.

use super::connect::{NatsError, connect, options};
use crate::link::Link;
use async_nats::connection::State;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, PingResponse};
use async_nats::{Event, HeaderMap, Request, RequestErrorKind, ServerError, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use resus_core::api::control::{DAEMON_KEY, NAMESPACE_KEY, NODE_KEY, SERVICE};
use resus_core::ids::Slug;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Messages kept for a reader that is busy, of each subscription. An event has at most 64 KiB,
/// and one kibibyte mostly.
const BUFFER_MESSAGES: usize = 4096;
/// After the first daemon has answered a call to all, the others have this long.
const NODES_GAP: Duration = Duration::from_millis(250);
/// Most daemons that are listed: more can't be told to anybody.
const NODES_MAX: usize = 1024;

/// A client's connection. The library keeps it: one that is lost comes back by itself.
#[derive(Debug, Clone)]
pub struct Remote {
    client: async_nats::Client,
    link: String,
    seen: watch::Receiver<Seen>,
}

/// What has happened to the connection.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Messages that a full buffer lost, as far as the library could say so.
    lost: u64,
    /// How often the connection has broken.
    breaks: u64,
    /// The server does not let us in any more.
    refused: bool,
    /// Newest thing that the server did not allow, in its words.
    denied: Option<String>,
    /// How often that has changed.
    denials: u64,
}

/// An answer of a service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its body.
    pub body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    /// The text of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }
}

/// Why there is no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens at that address.
    #[error("nobody answers at {subject}")]
    Nobody {
        /// The address.
        subject: String,
    },
    /// Somebody listens, or may listen, and did not answer.
    #[error("no answer within {} s", waited.as_secs_f64())]
    Silent {
        /// How long was waited.
        waited: Duration,
    },
    /// The server does not allow it to us.
    #[error("the NATS server does not allow it: {reason}")]
    Denied {
        /// What it said.
        reason: String,
    },
    /// There is no connection just now, or the server does not let us in any more.
    #[error(transparent)]
    Connection(#[from] NatsError),
    /// The service says no.
    #[error("{words}")]
    Service {
        /// Its error code.
        code: u16,
        /// Its words.
        words: String,
        /// The body of its answer: a problem document.
        body: Bytes,
    },
}

/// Something heard on a [`Subscription`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message's body.
    Message(Bytes),
    /// At least so many messages were lost because this reader was too slow.
    Missed(u64),
}

/// A daemon that answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeInfo {
    /// Its machine.
    pub node: Slug,
    /// Its namespace.
    pub namespace: Slug,
    /// Its version.
    pub version: String,
    /// What tells it from another daemon with the same machine's name; empty if it does not say.
    pub daemon: String,
    /// The id of its service, which no other service has.
    pub service: String,
}

impl Remote {
    /// Connects, once; `name` is what the server's operator sees.
    ///
    /// # Errors
    /// [`NatsError`]; it shows no secret.
    pub async fn connect(link: &Link, name: &str) -> Result<Self, NatsError> {
        let (note, seen) = watch::channel(Seen::default());
        let note = std::sync::Arc::new(note);
        let options =
            options(link, name)?.subscription_capacity(BUFFER_MESSAGES).event_callback(move |event| {
                note.send_modify(|seen| seen.add(event));
                std::future::ready(())
            });
        Ok(Self { client: connect(link, options).await?, link: link.to_string(), seen })
    }

    /// The server's addresses.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Asks `subject` and waits for its answer at most `wait`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(&self, subject: &str, body: Bytes, wait: Duration) -> Result<Answer, RequestError> {
        self.connected()?;
        let request = Request::new().payload(body).timeout(Some(wait));
        let answer = tokio::select! {
            answer = self.client.send_request(subject.to_owned(), request) => answer,
            trouble = self.trouble(subject) => return Err(trouble),
        };
        let message = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RequestError::Nobody { subject: subject.to_owned() },
            RequestErrorKind::TimedOut => match self.connected() {
                Ok(()) => RequestError::Silent { waited: wait },
                Err(away) => away,
            },
            _ => RequestError::Connection(NatsError::Failed(error.to_string())),
        })?;
        let headers = message.headers.unwrap_or_default();
        let Some(words) = headers.get(NATS_SERVICE_ERROR) else {
            return Ok(Answer { body: message.payload, headers });
        };
        let code = headers.get(NATS_SERVICE_ERROR_CODE).and_then(|code| code.as_str().parse().ok());
        Err(RequestError::Service {
            code: code.unwrap_or(500),
            words: words.as_str().to_owned(),
            body: message.payload,
        })
    }

    /// Returns when there will be no answer from `subject`: the server says that it is not allowed
    /// to us, or the connection breaks, and whoever comes back on the next one knows nothing of us.
    async fn trouble(&self, subject: &str) -> RequestError {
        let mut seen = self.seen.clone();
        let before = seen.borrow_and_update().clone();
        while seen.changed().await.is_ok() {
            let now = seen.borrow_and_update();
            let denied = now.denied.as_ref().filter(|_| now.denials > before.denials);
            if let Some(reason) = denied.filter(|words| names(words, subject)) {
                return RequestError::Denied { reason: reason.clone() };
            }
            if now.breaks > before.breaks {
                break;
            }
        }
        RequestError::Connection(broken(&self.link))
    }

    fn connected(&self) -> Result<(), RequestError> {
        if self.client.connection_state() == State::Connected {
            return Ok(());
        }
        let link = self.link.clone();
        Err(RequestError::Connection(match self.seen.borrow().refused {
            true => NatsError::Refused { link },
            false => broken(&link),
        }))
    }

    /// Hears what is published under `subjects`. The server knows of it when the next
    /// [`Remote::request`] has been answered.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn subscribe(&self, subjects: Vec<String>) -> Result<Subscription, NatsError> {
        let mut seen = self.seen.clone();
        let before = seen.borrow_and_update().clone();
        let mut messages = Vec::new();
        for subject in &subjects {
            let subscriber = self.client.subscribe(subject.clone()).await;
            messages.push(subscriber.map_err(|error| NatsError::Failed(error.to_string()))?);
        }
        let link = self.link.clone();
        Ok(Subscription { messages: select_all(messages), subjects, seen, before, link })
    }

    /// The daemons that answer a call to all, each once, at most `wait` long. Two that call their
    /// machine alike are two.
    ///
    /// # Errors
    /// [`RequestError`]; that none answers is none.
    pub async fn nodes(&self, wait: Duration) -> Result<Vec<NodeInfo>, RequestError> {
        self.connected()?;
        let call = format!("$SRV.PING.{SERVICE}");
        let failed = |error: String| RequestError::Connection(NatsError::Failed(error));
        let mut trouble = pin!(self.trouble(&call));
        let inbox = self.client.new_inbox();
        let mut answers =
            self.client.subscribe(inbox.clone()).await.map_err(|error| failed(error.to_string()))?;
        let published = self.client.publish_with_reply(call.clone(), inbox, Bytes::new());
        published.await.map_err(|error| failed(error.to_string()))?;
        let mut nodes = Vec::new();
        let mut until = Instant::now() + wait;
        while nodes.len() < NODES_MAX {
            let message = tokio::select! {
                message = timeout_at(until, answers.next()) => message,
                trouble = &mut trouble => return Err(trouble),
            };
            let Ok(Some(message)) = message else { break };
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                break;
            }
            nodes.extend(node_info(&message.payload));
            until = until.min(Instant::now() + NODES_GAP);
        }
        if nodes.is_empty() {
            self.connected()?;
        }
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }

    /// Ends the connection in good order, at most `wait` long.
    pub async fn close(&self, wait: Duration) {
        // Whatever it says, nobody needs the connection any more.
        let _ = timeout(wait, self.client.drain()).await;
    }
}

impl Seen {
    fn add(&mut self, event: Event) {
        match event {
            Event::Connected => self.refused = false,
            Event::Disconnected | Event::Closed => self.breaks += 1,
            Event::SlowConsumer(_) => self.lost += 1,
            Event::ServerError(ServerError::AuthorizationViolation) => self.refused = true,
            Event::ServerError(ServerError::Other(reason)) => {
                self.denied = Some(reason);
                self.denials += 1;
            }
            Event::ServerError(ServerError::SlowConsumer(_))
            | Event::LameDuckMode
            | Event::Draining
            | Event::ClientError(_) => {}
        }
    }
}

fn broken(link: &str) -> NatsError {
    NatsError::Away { link: link.to_owned(), reason: "the connection was lost".to_owned() }
}

/// Whether the server's words `Permissions Violation for … "SUBJECT"` are about `subject`.
fn names(words: &str, subject: &str) -> bool {
    words.to_ascii_lowercase().contains("permissions violation") && words.contains(&format!("\"{subject}\""))
}

fn node_info(pong: &[u8]) -> Option<NodeInfo> {
    let pong: PingResponse = serde_json::from_slice(pong).ok()?;
    let slug = |key: &str| Slug::new(pong.metadata.get(key)?.clone()).ok();
    Some(NodeInfo {
        node: slug(NODE_KEY)?,
        namespace: slug(NAMESPACE_KEY)?,
        daemon: pong.metadata.get(DAEMON_KEY).cloned().unwrap_or_default(),
        version: pong.version,
        service: pong.id,
    })
}

/// What is published under some addresses.
pub struct Subscription {
    messages: SelectAll<Subscriber>,
    subjects: Vec<String>,
    seen: watch::Receiver<Seen>,
    /// As it was when that was last told.
    before: Seen,
    link: String,
}

impl Subscription {
    /// Waits for the next message. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// [`RequestError::Connection`]: the connection broke, and what was published until it came
    /// back is unknown; [`RequestError::Denied`]. Both end the subscription.
    pub async fn next(&mut self) -> Result<Heard, RequestError> {
        loop {
            self.check()?;
            let lost = self.seen.borrow().lost;
            if lost > self.before.lost {
                let missed = lost - self.before.lost;
                self.before.lost = lost;
                return Ok(Heard::Missed(missed));
            }
            tokio::select! {
                // A loss is told before what came after it.
                biased;
                changed = self.seen.changed() => if changed.is_err() {
                    return Err(self.broken());
                },
                message = self.messages.next() => match message {
                    Some(message) => return Ok(Heard::Message(message.payload)),
                    None => return Err(self.broken()),
                },
            }
        }
    }

    fn check(&self) -> Result<(), RequestError> {
        let seen = self.seen.borrow();
        if seen.breaks > self.before.breaks {
            drop(seen);
            return Err(self.broken());
        }
        let is_ours = |reason: &&String| self.subjects.iter().any(|subject| names(reason, subject));
        match seen.denied.as_ref().filter(|_| seen.denials > self.before.denials).filter(is_ours) {
            Some(reason) => Err(RequestError::Denied { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    fn broken(&self) -> RequestError {
        RequestError::Connection(broken(&self.link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_known_by_the_metadata_of_its_service() {
        let pong = |metadata: &str| {
            let head = r#""type":"io.nats.micro.v1.ping_response","name":"resus","id":"x","version":"0.1.0""#;
            node_info(format!("{{{head},\"metadata\":{metadata}}}").as_bytes())
        };
        let node = pong(r#"{"node":"gpu-a1","namespace":"team","daemon":"d1"}"#).unwrap();
        assert_eq!((node.node.as_str(), node.namespace.as_str()), ("gpu-a1", "team"));
        assert_eq!((node.daemon.as_str(), node.service.as_str()), ("d1", "x"));
        assert_eq!(pong(r#"{"node":"gpu-a1","namespace":"team"}"#).unwrap().daemon, "", "an older one");
        for other in ["null", "{}", r#"{"node":"gpu-a1"}"#, r#"{"node":"A B","namespace":"team"}"#] {
            assert_eq!(pong(other), None, "{other}");
        }
        assert_eq!(node_info(b"nonsense"), None);
    }

    #[test]
    fn a_denial_is_believed_for_its_own_address_only() {
        let words = "Permissions Violation for Publish to \"ctl.a.n.kill\"";
        assert!(names(words, "ctl.a.n.kill"));
        assert!(!names(words, "ctl.a.n") && !names("Stale Connection", "x"));
    }
}
