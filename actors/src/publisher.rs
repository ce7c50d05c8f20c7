//! Reads the ledger behind a cursor and hands every event to the bus. Nobody waits for it.

use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::{PUBLISH_BATCH, PUBLISH_RETRY};
use crate::telemetry::Telemetry;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_bus::local::Local;
use resus_bus::subject;
use resus_bus::transport::{Message, PublishError, Transport};
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_store::record::to_pulse;
use resus_store::{Reader, Row, StateDir};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) enum PublisherMsg {
    /// There is something new in the ledger (or the bus may be back).
    Advanced,
}

pub(crate) struct PublisherState {
    directory: Arc<Directory>,
    reader: Reader,
    bus: Local,
    telemetry: Arc<Telemetry>,
    namespace: Slug,
    /// Everything up to here has been published. Kept outside of the actor, so that one that is
    /// restarted leaves nothing out; the in-process bus remembers nothing, so a new daemon
    /// begins at the present.
    published: Arc<AtomicU64>,
}

pub(crate) struct Publisher;

impl Actor for Publisher {
    type Msg = PublisherMsg;
    type State = PublisherState;
    type Arguments = (Arc<Directory>, Arc<StateDir>, Local, Arc<AtomicU64>, Arc<Telemetry>);

    async fn pre_start(
        &self,
        _myself: ActorRef<PublisherMsg>,
        (directory, dirs, bus, published, telemetry): Self::Arguments,
    ) -> Result<PublisherState, ActorProcessingErr> {
        let reader = Reader::open(&dirs.ledger())?;
        let present = reader.last_pos()?;
        let _begun_already = published.compare_exchange(0, present, Relaxed, Relaxed);
        Ok(PublisherState {
            directory,
            reader,
            bus,
            telemetry,
            namespace: Slug::nearest("default", "default"),
            published,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<PublisherMsg>,
        message: PublisherMsg,
        state: &mut PublisherState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.publisher.doing.begin(message.summary());
        let entries = match state.reader.since(state.published.load(Relaxed), PUBLISH_BATCH) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%error, "the ledger can't be read for publication; trying again");
                try_later(&myself);
                return Ok(());
            }
        };
        let more = entries.len() >= PUBLISH_BATCH as usize;
        for entry in entries {
            // A row that does not verify is not a fact and is never published.
            let outgoing = entry.content.ok().and_then(|row| outgoing(&state.namespace, &row));
            if let Some((run_id, message)) = outgoing {
                state.telemetry.flush(&run_id).await;
                if let Err(PublishError::Away(reason)) = state.bus.publish(message).await {
                    tracing::warn!(%reason, "the bus is away; events wait in the ledger");
                    try_later(&myself);
                    return Ok(());
                }
            }
            state.published.store(entry.pos, Relaxed);
        }
        if more {
            myself.cast(PublisherMsg::Advanced)?;
        }
        Ok(())
    }
}

fn try_later(myself: &ActorRef<PublisherMsg>) {
    let actor = myself.clone();
    tokio::spawn(async move {
        tokio::time::sleep(PUBLISH_RETRY).await;
        let _gone = actor.cast(PublisherMsg::Advanced);
    });
}

fn outgoing(namespace: &Slug, row: &Row) -> Option<(RunId, Message)> {
    let pulse =
        to_pulse(row).inspect_err(|error| tracing::error!(%error, "an event can't be published")).ok()?;
    let text = |field: &str| pulse.get(field).and_then(|value| value.as_str()).map(str::to_owned);
    let workload = Slug::new(text("workload")?).ok()?;
    let run_id = RunId::new(row.run_id.clone()).ok()?;
    let event_type: EventType = serde_json::from_value(pulse.get("event_type")?.clone()).ok()?;
    let message = Message {
        subject: subject::event(namespace, &workload, &run_id, event_type).into(),
        id: text("event_id").map(Into::into),
        body: pulse.to_string().into(),
    };
    Some((run_id, message))
}
