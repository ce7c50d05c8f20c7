//! The stream of ledger events: publishing into it, and looking at what it has.

use super::connect::NatsError;
use super::session::Session;
use super::streams::DUPLICATE_WINDOW;
use crate::subject::{LEDGER_STREAM, all_of_namespace};
use crate::transport::Message;
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull::Config as Pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures_util::StreamExt;
use resus_core::ids::Slug;
use resus_core::outbox::{Mark, Oldest, Present, StreamFacts};
use std::time::Duration;

/// Header by which a server recognises a message that it is sent again.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// Messages asked for at once when a stream is looked through.
const LOOK_BATCH: usize = 1_000;
/// Longest wait for a batch.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// A look is forgotten by the server after this. (To delete it would take another permission.)
const LOOK_FORGOTTEN: Duration = Duration::from_secs(30);
/// The shortest time within which a server may recognise duplicates.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

/// A message that the stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence number in the stream.
    pub stream_seq: u64,
    /// It had it before.
    pub duplicate: bool,
}

/// How far a batch came.
#[derive(Debug)]
pub struct Batch {
    /// The front of the batch that the stream has, in order.
    pub stored: Vec<Stored>,
    /// What kept it from going on.
    pub stopped: Option<LedgerError>,
}

/// A batch that has been sent, and whose acknowledgements are on their way.
pub struct Sent {
    waiting: Vec<PublishAckFuture>,
    /// Messages to a server that keeps nothing and acknowledges nothing.
    unkept: usize,
    stopped: Option<LedgerError>,
}

/// Why an event did not come into the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// There is no such stream any more.
    #[error("the stream {LEDGER_STREAM} is gone")]
    NoStream,
    /// The server says no.
    #[error("the server refuses it: {0}")]
    Refused(String),
    /// Anything else; the event may or may not be in it.
    #[error("an event was not acknowledged: {0}")]
    Unacknowledged(String),
}

impl Session {
    /// Publishes events in order. With JetStream each is acknowledged; without, all of them have
    /// reached the server when this returns without an error, and nothing keeps them there.
    pub async fn publish_ledger(&self, messages: &[Message]) -> Batch {
        let sent = self.send_ledger(messages).await;
        self.acknowledged(sent).await
    }

    /// The first half of [`Session::publish_ledger`]: another batch may be sent while the
    /// acknowledgements of this one are on their way. At most two may be.
    pub async fn send_ledger(&self, messages: &[Message]) -> Sent {
        let mut sent = Sent { waiting: Vec::with_capacity(messages.len()), unkept: 0, stopped: None };
        for message in messages {
            let done = if self.ledger.is_some() {
                self.send(message).await.map(|ack| sent.waiting.push(ack))
            } else {
                self.send_unkept(message).await.map(|()| sent.unkept += 1)
            };
            if let Err(error) = done {
                sent.stopped = Some(error);
                break;
            }
        }
        sent
    }

    /// The second half: waits for the acknowledgements.
    pub async fn acknowledged(&self, sent: Sent) -> Batch {
        let Sent { waiting, unkept, mut stopped } = sent;
        let mut stored = Vec::with_capacity(waiting.len() + unkept);
        for ack in waiting {
            match ack.await {
                Ok(ack) => stored.push(Stored { stream_seq: ack.sequence, duplicate: ack.duplicate }),
                Err(error) => {
                    stopped = Some(refusal(error.kind(), &error));
                    break;
                }
            }
        }
        if unkept > 0 {
            match self.barrier().await {
                Ok(()) => stored.resize(unkept, Stored { stream_seq: 0, duplicate: false }),
                Err(error) => stopped = Some(LedgerError::Unacknowledged(error.to_string())),
            }
        }
        Batch { stored, stopped }
    }

    async fn send(&self, message: &Message) -> Result<PublishAckFuture, LedgerError> {
        let mut out = PublishMessage::build().payload(Bytes::copy_from_slice(message.body.as_bytes()));
        if let Some(id) = &message.id {
            out = out.message_id(id.as_ref());
        }
        let sent = self.jetstream.send_publish(message.subject.to_string(), out).await;
        sent.map_err(|error| refusal(error.kind(), &error))
    }

    async fn send_unkept(&self, message: &Message) -> Result<(), LedgerError> {
        let mut headers = HeaderMap::new();
        if let Some(id) = &message.id {
            headers.insert(MESSAGE_ID, id.as_ref());
        }
        let body = Bytes::copy_from_slice(message.body.as_bytes());
        let sent = self.client.publish_with_headers(message.subject.to_string(), headers, body).await;
        sent.map_err(|error| LedgerError::Unacknowledged(error.to_string()))
    }

    /// Puts values of the state bucket, all at once; returns when the server has them.
    ///
    /// # Errors
    /// One was not acknowledged.
    pub async fn put(&self, values: &[Message]) -> Result<(), LedgerError> {
        let mut waiting = Vec::with_capacity(values.len());
        for value in values {
            waiting.push(self.send(value).await?);
        }
        for ack in waiting {
            ack.await.map_err(|error| refusal(error.kind(), &error))?;
        }
        Ok(())
    }

    /// Purges the value at an address of the state bucket, as clients of key-value buckets do (ADR-8):
    /// those who watch it are told, and nothing of it stays.
    ///
    /// # Errors
    /// As [`Session::put`].
    pub async fn purge_state(&self, subject: &str) -> Result<(), LedgerError> {
        let out = PublishMessage::build().header("KV-Operation", "PURGE").header("Nats-Rollup", "sub");
        let sent = self.jetstream.send_publish(subject.to_owned(), out).await;
        let ack = sent.map_err(|error| refusal(error.kind(), &error))?;
        ack.await.map(drop).map_err(|error| refusal(error.kind(), &error))
    }

    /// The stream as it is now, and what stands in it at the mark; `None` without JetStream.
    ///
    /// # Errors
    /// It can't be looked at, or is gone.
    pub async fn ledger_facts(
        &self,
        mark: Option<&Mark>,
        now_unix_ms: u64,
    ) -> Result<Option<StreamFacts>, NatsError> {
        let Some(stream) = &self.ledger else { return Ok(None) };
        let info = stream.get_info().await.map_err(|error| NatsError::Failed(error.to_string()))?;
        let at = mark.map_or(0, |mark| mark.stream_seq);
        let first = info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
        let oldest_unix_ms =
            if info.state.messages == 0 { now_unix_ms } else { u64::try_from(first).unwrap_or(0) };
        let within = at >= info.state.first_sequence && at <= info.state.last_sequence && at > 0;
        let at_mark = if within { message_id(stream, at).await? } else { None };
        Ok(Some(StreamFacts {
            created: info.created.unix_timestamp_nanos().to_string(),
            oldest: Oldest { stream_seq: info.state.first_sequence.max(1), unix_ms: oldest_unix_ms },
            last_seq: info.state.last_sequence,
            bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(0),
            has_other_limits: info.config.max_messages > 0 || info.config.max_messages_per_subject > 0,
            max_age_ms: u64::try_from(info.config.max_age.as_millis()).unwrap_or(u64::MAX),
            at_mark,
        }))
    }

    /// Events of a namespace that the stream has behind `stream_seq`.
    ///
    /// # Errors
    /// It can't be looked at.
    pub async fn ledger_has(&self, namespace: &Slug, stream_seq: u64) -> Result<Present, NatsError> {
        let mut present = Present::default();
        let Some(stream) = &self.ledger else { return Ok(present) };
        let failed =
            |error: &dyn std::fmt::Display| NatsError::Failed(format!("looking at the stream: {error}"));
        let [subject, _telemetry] = all_of_namespace(namespace);
        let consumer = stream
            .create_consumer(Pull {
                filter_subject: subject,
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: stream_seq + 1 },
                ack_policy: AckPolicy::None,
                headers_only: true,
                inactive_threshold: LOOK_FORGOTTEN,
                ..Pull::default()
            })
            .await
            .map_err(|error| failed(&error))?;
        let mut left = consumer.cached_info().num_pending;
        while left > 0 {
            let batch = consumer.fetch().max_messages(LOOK_BATCH).expires(LOOK_DEADLINE).messages();
            let mut batch = batch.await.map_err(|error| failed(&error))?;
            let before = left;
            while let Some(message) = batch.next().await {
                let message = message.map_err(|error| failed(&error))?;
                left = left.saturating_sub(1);
                if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get(MESSAGE_ID)) {
                    present.insert(id.as_str());
                }
            }
            if left == before {
                return Err(failed(&"it does not answer"));
            }
        }
        Ok(present)
    }

    /// Makes the server forget which events it has seen. A stream that was purged keeps refusing
    /// as duplicates what it no longer has.
    ///
    /// # Errors
    /// We may not; then its memory ends by itself after two minutes.
    pub async fn forget_duplicates(&self) -> Result<(), NatsError> {
        let Some(stream) = &self.ledger else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| NatsError::Failed(error.to_string());
        let mut config = stream.get_info().await.map_err(|error| failed(&error))?.config;
        let window = std::mem::replace(&mut config.duplicate_window, SHORTEST_WINDOW);
        self.jetstream.update_stream(&config).await.map_err(|error| failed(&error))?;
        tokio::time::sleep(SHORTEST_WINDOW * 2).await;
        // Somebody else may be at it, and what they found was no window of anybody's choice.
        config.duplicate_window = window.max(DUPLICATE_WINDOW);
        self.jetstream.update_stream(&config).await.map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// Identity of the message at a place, if there is one with an identity.
async fn message_id(stream: &Stream, seq: u64) -> Result<Option<String>, NatsError> {
    match stream.get_raw_message(seq).await {
        Ok(message) => Ok(message.headers.get(MESSAGE_ID).map(|id| id.as_str().to_owned())),
        Err(error) if error.kind() == async_nats::jetstream::stream::RawMessageErrorKind::NoMessageFound => {
            Ok(None)
        }
        Err(error) => Err(NatsError::Failed(format!("looking at the stream: {error}"))),
    }
}

fn refusal(kind: PublishErrorKind, error: &dyn std::fmt::Display) -> LedgerError {
    match kind {
        PublishErrorKind::StreamNotFound => LedgerError::NoStream,
        PublishErrorKind::Other | PublishErrorKind::MaxPayloadExceeded => {
            LedgerError::Refused(error.to_string())
        }
        _ => LedgerError::Unacknowledged(error.to_string()),
    }
}
