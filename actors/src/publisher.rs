//! Reads the ledger behind a cursor and hands every event to the bus. Nobody waits for it.

use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::{PUBLISH_BATCH, PUBLISH_RETRY};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_bus::local::Local;
use resus_bus::subject;
use resus_bus::transport::{Message, PublishError, Transport};
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_store::record::to_pulse;
use resus_store::{Reader, Row, StateDir};
use std::sync::Arc;

pub(crate) enum PublisherMsg {
    /// There is something new in the ledger (or the bus may be back).
    Advanced,
}

pub(crate) struct PublisherState {
    directory: Arc<Directory>,
    reader: Reader,
    bus: Local,
    namespace: Slug,
    /// Everything up to here has been published. The in-process bus remembers nothing, so
    /// after a restart it begins at the present.
    cursor: u64,
}

pub(crate) struct Publisher;

impl Actor for Publisher {
    type Msg = PublisherMsg;
    type State = PublisherState;
    type Arguments = (Arc<Directory>, Arc<StateDir>, Local);

    async fn pre_start(
        &self,
        _myself: ActorRef<PublisherMsg>,
        (directory, dirs, bus): Self::Arguments,
    ) -> Result<PublisherState, ActorProcessingErr> {
        let reader = Reader::open(&dirs.ledger())?;
        let cursor = reader.last_pos()?;
        Ok(PublisherState { directory, reader, bus, namespace: Slug::nearest("default", "default"), cursor })
    }

    async fn handle(
        &self,
        myself: ActorRef<PublisherMsg>,
        message: PublisherMsg,
        state: &mut PublisherState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.publisher.doing.begin(message.summary());
        let entries = state.reader.since(state.cursor, PUBLISH_BATCH)?;
        let more = entries.len() >= PUBLISH_BATCH as usize;
        for entry in entries {
            // A row that does not verify is not a fact and is never published.
            let message = entry.content.ok().and_then(|row| outgoing(&state.namespace, &row));
            if let Some(message) = message
                && let Err(PublishError::Away(reason)) = state.bus.publish(message).await
            {
                tracing::warn!(%reason, "the bus is away; events wait in the ledger");
                let actor = myself.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(PUBLISH_RETRY).await;
                    let _gone = actor.cast(PublisherMsg::Advanced);
                });
                return Ok(());
            }
            state.cursor = entry.pos;
        }
        if more {
            myself.cast(PublisherMsg::Advanced)?;
        }
        Ok(())
    }
}

fn outgoing(namespace: &Slug, row: &Row) -> Option<Message> {
    let pulse =
        to_pulse(row).inspect_err(|error| tracing::error!(%error, "an event can't be published")).ok()?;
    let text = |field: &str| pulse.get(field).and_then(|value| value.as_str()).map(str::to_owned);
    let workload = Slug::new(text("workload")?).ok()?;
    let run_id = RunId::new(row.run_id.clone()).ok()?;
    let event_type: EventType = serde_json::from_value(pulse.get("event_type")?.clone()).ok()?;
    Some(Message {
        subject: subject::event(namespace, &workload, &run_id, event_type).into(),
        id: text("event_id").map(Into::into),
        body: pulse.to_string().into(),
    })
}
