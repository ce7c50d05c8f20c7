//! Reads the ledger behind a cursor and hands every event to the bus. Nobody waits for it.

use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::{PUBLISH_BATCH, PUBLISH_RETRY};
use crate::outgoing::outgoing;
use crate::slots::Slots;
use crate::telemetry::Telemetry;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_bus::local::Local;
use resus_bus::transport::Transport;
use resus_core::ids::Slug;
use resus_store::{Reader, StateDir};
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
    /// Who waits for what has been published here.
    slots: Arc<Slots>,
}

/// What the Publisher is started with.
pub(crate) struct PublisherArgs {
    pub(crate) directory: Arc<Directory>,
    pub(crate) dirs: Arc<StateDir>,
    pub(crate) bus: Local,
    pub(crate) published: Arc<AtomicU64>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) namespace: Slug,
}

pub(crate) struct Publisher;

impl Actor for Publisher {
    type Msg = PublisherMsg;
    type State = PublisherState;
    type Arguments = PublisherArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<PublisherMsg>,
        args: Self::Arguments,
    ) -> Result<PublisherState, ActorProcessingErr> {
        let reader = Reader::open(&args.dirs.ledger())?;
        let present = reader.last_pos()?;
        let _begun_already = args.published.compare_exchange(0, present, Relaxed, Relaxed);
        args.slots.advanced();
        Ok(PublisherState {
            directory: args.directory,
            reader,
            bus: args.bus,
            telemetry: args.telemetry,
            namespace: args.namespace,
            published: args.published,
            slots: args.slots,
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
            if let Some(outgoing) = &outgoing {
                state.telemetry.flush(&outgoing.run_id).await;
                if let Err(error) = state.bus.publish(std::slice::from_ref(&outgoing.message)).await {
                    tracing::warn!(%error, "an event can't be published; it waits in the ledger");
                    try_later(&myself);
                    return Ok(());
                }
            }
            let before = state.published.swap(entry.pos, Relaxed);
            state.slots.offer(before, entry.pos, outgoing);
        }
        state.slots.advanced();
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
