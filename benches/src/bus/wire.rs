//! The client library by itself, as anybody would use it: what everything of ours is compared
//! with, and who listens.

mod stream;

pub use stream::Kept;

use std::fmt::Display;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::runtime::{Builder, Runtime};

use crate::rig::{Fault, PATIENCE, monotonic_ns};

/// Messages that may lie with a subscriber; beyond that the library drops some.
const HEARD_MAX: usize = 1 << 20;
/// Header of an answer that says that something is wrong (NATS ADR-32).
const REFUSAL: &str = "Nats-Service-Error";

/// A message that was heard.
#[derive(Debug)]
pub struct Heard {
    /// When it had reached its subscriber, on the monotonic clock.
    pub at_ns: u64,
    /// Its address.
    pub subject: String,
    /// Its content.
    pub body: Vec<u8>,
}

/// Two connections to a server: one that speaks, and one that listens and answers.
pub struct Wire {
    runtime: Runtime,
    speaker: Client,
    listener: Client,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn connect(url: &str) -> Result<Self, Fault> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(Fault::io("start", "an async runtime"))?;
        let connect = || {
            let options = ConnectOptions::new().subscription_capacity(HEARD_MAX);
            runtime.block_on(options.connect(url)).map_err(failed("connect to"))
        };
        let (speaker, listener) = (connect()?, connect()?);
        Ok(Self { runtime, speaker, listener })
    }

    /// Subscribes; nothing that is published after this call is missed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn subscribe(&self, subjects: &[String]) -> Result<Ear, Fault> {
        let mut subscribers = Vec::new();
        for subject in subjects {
            let subscriber = self.runtime.block_on(self.listener.subscribe(subject.clone()));
            subscribers.push(subscriber.map_err(failed("subscribe on"))?);
        }
        self.arrived()?;
        let (sender, heard) = mpsc::channel();
        self.runtime.spawn(async move {
            let mut messages = select_all(subscribers);
            while let Some(message) = messages.next().await {
                let at_ns = monotonic_ns();
                let subject = message.subject.to_string();
                if sender.send(Heard { at_ns, subject, body: message.payload.into() }).is_err() {
                    return;
                }
            }
        });
        Ok(Ear { heard })
    }

    /// Answers every question at `subject` with `body`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn answer(&self, subject: &str, body: Vec<u8>) -> Result<(), Fault> {
        let questions = self.runtime.block_on(self.listener.subscribe(subject.to_owned()));
        let mut questions = questions.map_err(failed("subscribe on"))?;
        self.arrived()?;
        let (listener, body) = (self.listener.clone(), Bytes::from(body));
        self.runtime.spawn(async move {
            while let Some(question) = questions.next().await {
                if let Some(reply) = question.reply {
                    let _whoever_asked_will_notice = listener.publish(reply, body.clone()).await;
                }
            }
        });
        Ok(())
    }

    /// Returns when the server knows what the listening side has subscribed to. It reads what
    /// comes over a connection in order, so an echo says so.
    fn arrived(&self) -> Result<(), Fault> {
        let inbox = self.listener.new_inbox();
        let echo = self.runtime.block_on(async {
            let mut echo = self.listener.subscribe(inbox.clone()).await.map_err(failed("subscribe on"))?;
            self.listener.publish(inbox, Bytes::new()).await.map_err(failed("publish on"))?;
            Ok::<_, Fault>(echo.next().await)
        })?;
        echo.map(drop).ok_or_else(|| Fault::wrong("the connection to NATS has ended"))
    }

    /// Publishes a message that nobody acknowledges.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn publish(&self, subject: &str, body: Vec<u8>) -> Result<(), Fault> {
        let publish = self.speaker.publish(subject.to_owned(), body.into());
        self.runtime.block_on(publish).map_err(failed("publish on"))
    }

    /// Asks a question and returns the answer.
    ///
    /// # Errors
    /// [`Fault`]: there is none, or it says that something is wrong.
    pub fn request(&self, subject: &str, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let question = self.speaker.request(subject.to_owned(), Bytes::copy_from_slice(body));
        let answer = self.runtime.block_on(question).map_err(failed("ask on"))?;
        match answer.headers.as_ref().and_then(|headers| headers.get(REFUSAL)) {
            Some(refusal) => Err(Fault::wrong(format!("{subject} was answered with {refusal}"))),
            None => Ok(answer.payload.into()),
        }
    }

    /// All that the stream of events keeps at the addresses of `subject`, in its order.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn kept(&self, subject: &str) -> Result<Vec<Kept>, Fault> {
        let read = stream::read_all(self.listener.clone(), subject);
        self.runtime.block_on(read).map_err(failed("read a stream on"))
    }

    /// Publishes messages into a new stream of the same configuration as the one of events, with
    /// at most `in_flight` of them unacknowledged; returns how long that took.
    ///
    /// # Errors
    /// [`Fault`]: one was not acknowledged as new.
    pub fn pipeline(&self, messages: &[Kept], in_flight: usize) -> Result<Duration, Fault> {
        let piped = stream::pipe(self.speaker.clone(), messages, in_flight);
        self.runtime.block_on(piped).map_err(failed("publish into a stream on"))
    }
}

fn failed<E: Display>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |error| Fault::wrong(format!("failed to {what} NATS: {error}"))
}

/// What was heard. Dropped, it listens no more.
#[derive(Debug)]
pub struct Ear {
    heard: Receiver<Heard>,
}

impl Ear {
    /// Waits for the next message that is `wanted`; others are passed over.
    ///
    /// # Errors
    /// [`Fault::Late`].
    pub fn next(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Result<Heard, Fault> {
        loop {
            let late = |_| Fault::Late { what: what.to_owned(), waited_s: PATIENCE.as_secs() };
            let heard = self.heard.recv_timeout(PATIENCE).map_err(late)?;
            if wanted(&heard) {
                return Ok(heard);
            }
        }
    }

    /// Everything that was heard since the last call.
    pub fn all(&self) -> Vec<Heard> {
        self.heard.try_iter().collect()
    }
}
