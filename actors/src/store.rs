//! The ledger's actor: hands batches to the writing thread and passes its answers on.

use crate::board::Board;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::STORE_CLOSE_DEADLINE;
use crate::publisher::PublisherMsg;
use crate::supervisor::SupervisorMsg;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_store::{
    Batch, Ledger, Limits, LostHistory, Outcome, Replayed, Row, StateDir, SubmitError, Writer,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Tickets from here on are the store's own barriers.
const BARRIER: u64 = 1 << 63;

/// Wait before a full queue is tried again.
const FULL_RETRY: Duration = Duration::from_millis(20);

pub(crate) type ReplayReply = oneshot::Sender<Result<Vec<Replayed>, String>>;

pub(crate) enum StoreMsg {
    /// Write rows; the Supervisor is told when they are on disk.
    Append { ticket: u64, rows: Vec<Row> },
    /// Everything in the ledger, after everything queued before has been written.
    Replay { reply: ReplayReply },
    /// The writing thread speaks.
    Written(Outcome),
    /// Try again to hand over what the queue had no room for.
    Flush,
}

pub(crate) struct StoreState {
    directory: Arc<Directory>,
    board: Arc<Board>,
    dirs: Arc<StateDir>,
    writer: Writer,
    /// What the writer's queue had no room for. Bounded by the Supervisor, which refuses
    /// commands when too many decisions wait, and by readers that wait for their commits.
    overflow: VecDeque<Batch>,
    /// A try to hand over what waits is planned.
    flush_planned: bool,
    barriers: BTreeMap<u64, ReplayReply>,
    next_barrier: u64,
}

pub(crate) struct Store;

impl Actor for Store {
    type Msg = StoreMsg;
    type State = StoreState;
    type Arguments = (Arc<Directory>, Arc<Board>, Arc<StateDir>, LostHistory);

    async fn pre_start(
        &self,
        myself: ActorRef<StoreMsg>,
        (directory, board, dirs, lost): Self::Arguments,
    ) -> Result<StoreState, ActorProcessingErr> {
        let ledger = Ledger::open_in(&dirs, lost)?;
        let writer = Writer::start(ledger, Limits::default(), move |outcome| {
            let _gone = myself.cast(StoreMsg::Written(outcome));
        })?;
        Ok(StoreState {
            directory,
            board,
            dirs,
            writer,
            overflow: VecDeque::new(),
            flush_planned: false,
            barriers: BTreeMap::new(),
            next_barrier: BARRIER,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<StoreMsg>,
        message: StoreMsg,
        state: &mut StoreState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.store.doing.begin(message.summary());
        match message {
            StoreMsg::Append { ticket, rows } => {
                state.overflow.push_back(Batch::of_rows(ticket, rows));
                hand_over(&myself, state)
            }
            StoreMsg::Flush => {
                state.flush_planned = false;
                hand_over(&myself, state)
            }
            StoreMsg::Replay { reply } => {
                state.next_barrier += 1;
                state.barriers.insert(state.next_barrier, reply);
                state.overflow.push_back(Batch::of_rows(state.next_barrier, Vec::new()));
                hand_over(&myself, state)
            }
            StoreMsg::Written(outcome) => {
                written(state, outcome);
                Ok(())
            }
        }
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<StoreMsg>,
        state: &mut StoreState,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = state.writer.close(STORE_CLOSE_DEADLINE) {
            tracing::error!(%error, "the ledger was closed before everything was written");
        }
        Ok(())
    }
}

fn hand_over(myself: &ActorRef<StoreMsg>, state: &mut StoreState) -> Result<(), ActorProcessingErr> {
    while let Some(batch) = state.overflow.pop_front() {
        match state.writer.submit(batch) {
            Ok(()) => {}
            Err(SubmitError::Full(batch)) => {
                state.overflow.push_front(batch);
                if std::mem::replace(&mut state.flush_planned, true) {
                    return Ok(());
                }
                let actor = myself.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(FULL_RETRY).await;
                    let _gone = actor.cast(StoreMsg::Flush);
                });
                return Ok(());
            }
            Err(error @ SubmitError::Closed(_)) => return Err(error.to_string().into()),
        }
    }
    Ok(())
}

fn written(state: &mut StoreState, outcome: Outcome) {
    match outcome {
        Outcome::Committed { ticket, last_pos } => {
            state.board.committed(last_pos);
            match state.barriers.remove(&ticket) {
                Some(reply) => replay(Arc::clone(&state.dirs), reply),
                None => {
                    state.directory.supervisor.send(SupervisorMsg::Committed { ticket });
                    state.directory.publisher.send(PublisherMsg::Advanced);
                }
            }
        }
        Outcome::Failed { ticket, error } => match state.barriers.remove(&ticket) {
            Some(reply) => drop(reply.send(Err(error.to_string()))),
            None => state
                .directory
                .supervisor
                .send(SupervisorMsg::NotCommitted { ticket, reason: error.to_string() }),
        },
        Outcome::Stalled { error } => {
            tracing::error!(%error, "the ledger can't be written; trainings go on, no new attempt starts");
            state.board.degraded(Some(format!("the ledger can't be written: {error}")));
        }
        Outcome::Recovered => {
            tracing::info!("the ledger can be written again");
            state.board.degraded(None);
        }
    }
}

/// Reads the whole ledger beside the actor, over a connection of its own.
fn replay(dirs: Arc<StateDir>, reply: ReplayReply) {
    tokio::task::spawn_blocking(move || {
        let mut runs = Vec::new();
        let result = Ledger::open(&dirs.ledger())
            .map_err(|error| error.to_string())
            .and_then(|ledger| ledger.replay(|run| runs.push(run)).map_err(|error| error.to_string()));
        let _nobody_waits = reply.send(result.map(|summary| {
            if summary.rows_missing > 0 {
                tracing::error!(rows = summary.rows_missing, "rows are missing from the ledger");
            }
            runs
        }));
    });
}
