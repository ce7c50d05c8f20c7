//! One connection, from its beginning to its end.
//!
//! A session never reconnects. What the client library still holds when a connection breaks it
//! would send over the next one, behind events that were lost on the way: out of order. So the
//! connection's end is the session's end, nothing of it is sent later, and the next session
//! begins where the acknowledgements ended.

use super::connect::{NatsError, connect, options};
use super::probe::{VERSION_MIN, version_of};
use super::streams;
use crate::control::Endpoints;
use crate::link::Link;
use crate::setup::{BusSetup, Choice};
use crate::transport::Message;
use async_nats::jetstream::context::{AccountError, AccountErrorKind};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, Event, Subscriber};
use futures_util::StreamExt;
use resus_core::ids::Slug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// An address at which nobody listens: where a session that must not reconnect is sent.
const NOWHERE: &str = "nats://127.0.0.1:1";
/// Acknowledgements awaited at once; the batches of the outbox are smaller.
const ACKS_MAX: usize = 4096;
/// An acknowledgement that takes longer is taken for lost.
const ACK_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait for room to write. A server that does not read for so long ends the session.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version.
    pub version: String,
    /// Why it keeps no events for us, if it does not.
    pub without_jetstream: Option<String>,
    /// What is lacking besides, e.g. the stream of telemetry.
    pub lacking: Vec<String>,
    /// It asks nobody who they are.
    pub open_to_all: bool,
    /// Largest message in bytes.
    pub max_payload: usize,
}

/// A connection that has not ended.
pub struct Session {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    pub(super) ledger: Option<Stream>,
    server: Server,
    with_states: bool,
    over: watch::Receiver<Option<String>>,
    echo: tokio::sync::Mutex<Subscriber>,
    echo_subject: String,
}

impl Session {
    /// Connects to `link` and makes what is missing there. `name` is how the server's operator
    /// sees us.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn open(link: &Link, name: &str, setup: &BusSetup) -> Result<Self, NatsError> {
        let (end, over) = watch::channel(None);
        let last_word = Arc::new(Mutex::new(None::<String>));
        let options = options(link, name)?
            .max_reconnects(link.servers.len())
            .ignore_discovered_servers()
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                hear(&event, &last_word, &end);
                std::future::ready(())
            });
        let client = connect(link, options).await?;
        let failed = |error: &dyn std::fmt::Display| NatsError::Failed(error.to_string());
        client.set_server_pool([NOWHERE].as_slice()).await.map_err(|error| failed(&error))?;
        let echo_subject = client.new_inbox();
        let echo = client.subscribe(echo_subject.clone()).await.map_err(|error| failed(&error))?;
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(ACK_DEADLINE)
            .ack_timeout(ACK_DEADLINE)
            .max_ack_inflight(ACKS_MAX)
            .build(client.clone());
        let info = client.server_info();
        let mut session = Self {
            server: Server {
                version: info.version.clone(),
                without_jetstream: unusable(&info.version, info.jetstream),
                lacking: Vec::new(),
                open_to_all: !info.auth_required,
                max_payload: info.max_payload,
            },
            client,
            jetstream,
            ledger: None,
            with_states: false,
            over,
            echo: tokio::sync::Mutex::new(echo),
            echo_subject,
        };
        session.make_streams(setup).await?;
        Ok(session)
    }

    async fn make_streams(&mut self, setup: &BusSetup) -> Result<(), NatsError> {
        if self.server.without_jetstream.is_some() {
            return Ok(());
        }
        match self.jetstream.query_account().await {
            Ok(_) => {}
            Err(error) if is_for_good(&error) => {
                self.server.without_jetstream = Some(format!("JetStream is not for us: {error}"));
                return Ok(());
            }
            // It may be recovering: to go on without it would be to forget what is said meanwhile.
            Err(error) => return Err(NatsError::Failed(format!("JetStream does not answer: {error}"))),
        }
        let ours = matches!(setup.choice, Choice::Managed(_));
        let ledger = streams::ensure(&self.jetstream, streams::ledger(setup), ours).await.map_err(|what| {
            NatsError::Failed(format!("{what} (bus.ledger_size says how much room it asks for)"))
        });
        let ledger = ledger?;
        if let Ok(max) = usize::try_from(ledger.cached_info().config.max_message_size)
            && max > 0
        {
            self.server.max_payload = self.server.max_payload.min(max);
        }
        self.ledger = Some(ledger);
        for wanted in [streams::telemetry(setup), streams::state()] {
            let is_state = wanted.max_messages_per_subject == 1;
            match streams::ensure(&self.jetstream, wanted, ours).await {
                Ok(_) => self.with_states |= is_state,
                Err(what) => self.server.lacking.push(what),
            }
        }
        Ok(())
    }

    /// The server at the other end.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns when the connection has ended, with the server's last word.
    pub async fn over(&self) -> String {
        let mut over = self.over.clone();
        let ended = match over.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        ended.unwrap_or_else(|| "the connection has ended".to_owned())
    }

    /// Sends a message that may be lost.
    ///
    /// # Errors
    /// The connection has ended, or the server does not read.
    pub async fn tell(&self, message: &Message) -> Result<(), NatsError> {
        let body = bytes::Bytes::copy_from_slice(message.body.as_bytes());
        let publish = self.client.publish(message.subject.to_string(), body);
        match tokio::time::timeout(WRITE_DEADLINE, publish).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NatsError::Failed(error.to_string())),
            Err(_) => Err(NatsError::Failed("the server does not read what it is sent".to_owned())),
        }
    }

    /// Returns when the server has taken in everything that was sent before. (Neither a publish
    /// nor a flush of the library says so; our own message coming back does.)
    ///
    /// # Errors
    /// The connection has ended, or the server does not answer in time.
    pub async fn barrier(&self) -> Result<(), NatsError> {
        let mut echo = self.echo.lock().await;
        let failed = |what: String| NatsError::Failed(what);
        let sent = self.client.publish(self.echo_subject.clone(), bytes::Bytes::new()).await;
        sent.map_err(|error| failed(error.to_string()))?;
        match tokio::time::timeout(ACK_DEADLINE, echo.next()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(failed("the connection has ended".to_owned())),
            Err(_) => Err(failed("the server does not answer".to_owned())),
        }
    }

    /// Lets `endpoints` answer what is asked of this machine, until `ending` becomes true or the
    /// connection ends. `daemon` tells this daemon from another one that calls its machine alike.
    ///
    /// # Errors
    /// The service can't be announced.
    pub async fn control<E: Endpoints>(
        &self,
        namespace: &Slug,
        node: &Slug,
        (version, daemon): (&str, &str),
        endpoints: E,
        ending: watch::Receiver<bool>,
    ) -> Result<(), NatsError> {
        super::service::serve(self.client.clone(), namespace, node, version, daemon, endpoints, ending).await
    }

    /// Whether a server that could keep nothing when this began now can: then a new session is due.
    pub async fn could_be_better(&self) -> bool {
        let info = self.client.server_info();
        self.ledger.is_none()
            && unusable(&info.version, info.jetstream).is_none()
            && self.jetstream.query_account().await.is_ok()
    }

    /// Whether states can be put ([`Session::put`]).
    #[must_use]
    pub fn keeps_states(&self) -> bool {
        self.with_states
    }
}

/// Keeps the server's last word and tells of the end.
fn hear(event: &Event, last_word: &Mutex<Option<String>>, end: &watch::Sender<Option<String>>) {
    let mut last_word = last_word.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        Event::Disconnected | Event::Closed => {
            let reason = last_word.take().unwrap_or_else(|| "the server has hung up".to_owned());
            end.send_if_modified(|over| {
                let first = over.is_none();
                if first {
                    *over = Some(reason);
                }
                first
            });
        }
        Event::ServerError(error) => {
            // Also what the server does not permit; it goes on otherwise.
            tracing::warn!(%error, "the NATS server complains");
            *last_word = Some(error.to_string());
        }
        Event::SlowConsumer(id) => tracing::warn!(id, "requests through NATS come faster than they are read"),
        Event::LameDuckMode => tracing::info!("the NATS server is about to stop"),
        Event::Connected | Event::Draining | Event::ClientError(_) => {}
    }
}

/// Whether our account has no JetStream, and not only just now.
fn is_for_good(error: &AccountError) -> bool {
    match error.kind() {
        AccountErrorKind::JetStreamUnavailable => true,
        AccountErrorKind::JetStream(reason) => {
            let code = reason.error_code();
            code == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT || code == ErrorCode::JETSTREAM_NOT_ENABLED
        }
        AccountErrorKind::TimedOut | AccountErrorKind::Other => false,
    }
}

/// Why JetStream can't be used on a server of this version. (Older ones leave out without a word
/// what they don't know.)
fn unusable(version: &str, has_jetstream: bool) -> Option<String> {
    let (major, minor) = VERSION_MIN;
    if version_of(version).is_some_and(|version| version < VERSION_MIN) {
        return Some(format!(
            "nats-server {version} is too old to keep events; {major}.{minor} or newer does"
        ));
    }
    (!has_jetstream).then(|| format!("nats-server {version} runs without JetStream (start it with -js)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_and_those_without_jetstream_are_told_apart() {
        assert!(unusable("2.9.10", true).unwrap().contains("too old"));
        assert!(unusable("2.10.26", true).is_some());
        assert!(unusable("2.11.0", false).unwrap().contains("-js"));
        assert_eq!(unusable("2.11.11", true), None);
        assert_eq!(unusable("3.0.0-beta.1", true), None);
        assert_eq!(unusable("strange", true), None, "it is asked for its streams anyway");
    }
}
