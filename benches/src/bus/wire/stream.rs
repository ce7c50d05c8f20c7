//! Streams: the one of events as it is, and another like it for raw messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::Config as Pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Error};
use bytes::Bytes;
use futures_util::StreamExt;
use resus_bus::subject::LEDGER_STREAM;

/// Name of the stream that raw messages are published into.
const RAW_STREAM: &str = "BENCH_RAW";
/// How an address of that stream begins; as long as the beginning of those it stands for.
const RAW_START: &str = "bench";
/// Header by which a server recognises a message that it is sent again.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// Messages that are asked for at once.
const READ_BATCH: usize = 1_000;
/// Longest wait for an acknowledgement or a batch.
const DEADLINE: Duration = Duration::from_secs(10);

/// A message that a stream keeps.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its address.
    pub subject: String,
    /// By what the server recognises it.
    pub id: String,
    /// Its content.
    pub body: Vec<u8>,
}

/// All that the stream of events keeps at the addresses of `subject`, in its order.
pub(super) async fn read_all(client: Client, subject: &str) -> Result<Vec<Kept>, Error> {
    let stream = jetstream::new(client).get_stream(LEDGER_STREAM).await?;
    let from_the_first = Pull {
        filter_subject: subject.to_owned(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::None,
        ..Pull::default()
    };
    let consumer = stream.create_consumer(from_the_first).await?;
    let all = usize::try_from(consumer.cached_info().num_pending)?;
    let mut kept = Vec::with_capacity(all);
    while kept.len() < all {
        let before = kept.len();
        let asked = READ_BATCH.min(all - before);
        let mut batch = consumer.fetch().max_messages(asked).expires(DEADLINE).messages().await?;
        while let Some(message) = batch.next().await {
            let message = message?;
            let id = message.headers.as_ref().and_then(|headers| headers.get(MESSAGE_ID));
            kept.push(Kept {
                subject: message.subject.to_string(),
                id: id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
                body: message.payload.to_vec(),
            });
        }
        if kept.len() == before {
            return Err(format!("{before} of {all} messages came, and no more").into());
        }
    }
    stream.delete_consumer(&consumer.cached_info().name).await?;
    Ok(kept)
}

/// Publishes messages into a new stream like the one of events, of which nothing is left.
pub(super) async fn pipe(client: Client, messages: &[Kept], in_flight: usize) -> Result<Duration, Error> {
    let builder = ContextBuilder::new().timeout(DEADLINE).ack_timeout(DEADLINE);
    // Our window is the only one that makes anybody wait.
    let jetstream = builder.max_ack_inflight(in_flight * 2).build(client);
    let mut config = jetstream.get_stream(LEDGER_STREAM).await?.cached_info().config.clone();
    RAW_STREAM.clone_into(&mut config.name);
    config.subjects = vec![format!("{RAW_START}.>")];
    jetstream.create_stream(config).await?;
    let messages = messages.iter().map(raw).collect();
    let took = publish(&jetstream, messages, in_flight).await?;
    jetstream.delete_stream(RAW_STREAM).await?;
    Ok(took)
}

/// Address and message of the same sizes.
type Raw = (String, PublishMessage);

fn raw(kept: &Kept) -> Raw {
    let rest = kept.subject.split_once('.').map_or("", |(_, rest)| rest);
    let message = PublishMessage::build().payload(Bytes::copy_from_slice(&kept.body));
    (format!("{RAW_START}.{rest}"), message.message_id(&kept.id))
}

async fn publish(jetstream: &Context, messages: Vec<Raw>, in_flight: usize) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut waiting = VecDeque::with_capacity(in_flight);
    for (subject, message) in messages {
        if waiting.len() >= in_flight
            && let Some(oldest) = waiting.pop_front()
        {
            stored(oldest).await?;
        }
        waiting.push_back(jetstream.send_publish(subject, message).await?);
    }
    for oldest in waiting {
        stored(oldest).await?;
    }
    Ok(start.elapsed())
}

async fn stored(waiting: PublishAckFuture) -> Result<(), Error> {
    let acknowledged = waiting.await?;
    if acknowledged.duplicate { Err("a raw message was taken for a duplicate".into()) } else { Ok(()) }
}
