//! One actor per run: it speaks to the run's shim, reads the worker's events, and reports
//! what it sees.

mod ears;
mod inbox;
pub(crate) mod link;
mod orders;
mod source;
pub(crate) mod tail;
mod watching;

use crate::adopted::Adopted;
use crate::board::Board;
use crate::directory::Directory;
use crate::doing::{Doing, Summary};
use crate::silences::Silences;
use crate::supervisor::{Observation, SupervisorMsg};
use crate::telemetry::Telemetry;
use crate::watch::Watcher;
use link::{Link, Replies, ShimPlace};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Ask, CheckpointRef, Fact, Reached};
use resus_core::spec::Spec;
use resus_shim::protocol::{Exit as ShimExit, Reply};
use resus_store::StateDir;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use tail::TailHandle;

/// What every Worker actor needs of the daemon.
pub(crate) struct Surroundings {
    pub(crate) state: Arc<StateDir>,
    pub(crate) runtime_dir: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) shim: Option<PathBuf>,
    pub(crate) revive: String,
    /// What workers are told in `PULSE_DISK_SHARE`.
    pub(crate) disk_share_percent: Arc<AtomicU8>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) board: Arc<Board>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) silences: Arc<Silences>,
    pub(crate) watcher: Arc<Watcher>,
}

/// What the Supervisor wants done for a run.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Spawn { attempt: Attempt, spec: Arc<Spec>, resume_from: Option<Box<CheckpointRef>> },
    Attach { attempt: Attempt, upto: u64 },
    Ask { attempt: Attempt, ask: Ask },
    Freeze { attempt: Attempt },
    Thaw { attempt: Attempt },
    KeepEvidence { attempt: Attempt },
    Terminate { attempt: Attempt },
    Kill { attempt: Attempt },
    Dismiss,
}

pub(crate) enum WorkerMsg {
    Order(Order),
    /// The shim could not be reached a moment ago.
    AttachAgain {
        attempt: Attempt,
    },
    /// The shim says something; `link` tells which connection, an old one is not believed.
    Shim {
        link: u64,
        reply: Box<Reply>,
    },
    /// The worker did not listen when it was told to go on.
    GoOnAgain {
        attempt: Attempt,
        tries: u32,
    },
    /// The connection is gone.
    LinkLost {
        link: u64,
    },
    /// An adopted worker has ended.
    AdoptedGone {
        attempt: Attempt,
    },
    /// Everything the worker wrote has been read.
    Drained {
        attempt: Attempt,
        reached: Option<Reached>,
    },
    /// The daemon stops on purpose: the shim must not start it again.
    Bye,
}

pub(crate) struct WorkerState {
    doing: Arc<Doing>,
    run_id: RunId,
    around: Arc<Surroundings>,
    place: ShimPlace,
    link: Option<Link>,
    /// Number of the present connection.
    link_number: u64,
    reader: Option<tokio::task::JoinHandle<()>>,
    /// Asked over the control channel and not answered yet, in that order.
    asked: VecDeque<Ask>,
    /// The newest of them, and how often a worker that was told to go on has been told again.
    newest_ask: Option<Ask>,
    /// Orders to freeze since the last one that succeeded or the last thaw.
    freezes: u32,
    tries: u32,
    /// The attempt being watched.
    attempt: Attempt,
    /// Its worker, once it has been started.
    pid: Option<u32>,
    tail: Option<TailHandle>,
    adopted: Option<Adopted>,
    /// How the attempt ended; reported when its events have been read to the end.
    ended: Option<ShimExit>,
    /// Offset up to which the attempt's words are in the ledger, by the last order to attach.
    upto: u64,
    /// Orders seen so far.
    orders: u64,
}

pub(crate) struct Worker;

impl Actor for Worker {
    type Msg = WorkerMsg;
    type State = WorkerState;
    type Arguments = (RunId, Arc<Surroundings>, Arc<Doing>);

    async fn pre_start(
        &self,
        _myself: ActorRef<WorkerMsg>,
        (run_id, around, doing): Self::Arguments,
    ) -> Result<WorkerState, ActorProcessingErr> {
        let run_dir = around.state.run(run_id.as_str())?;
        // Unix socket paths are at most 108 bytes: the short id is enough within one state
        // folder's runtime folder, and a clash is refused by the shim's greeting.
        let file = |kind: &str| around.runtime_dir.join(format!("{}.{kind}", tail_of(run_id.as_str(), 20)));
        let place = ShimPlace {
            program: around.program.clone(),
            shim: around.shim.clone(),
            run_id: run_id.to_string(),
            run_dir,
            socket: file("shim"),
            control: file("ctl"),
            notify: file("ntf"),
            revive: around.revive.clone(),
        };
        Ok(WorkerState {
            doing,
            run_id,
            around,
            place,
            link: None,
            link_number: 0,
            reader: None,
            asked: VecDeque::new(),
            newest_ask: None,
            freezes: 0,
            tries: 0,
            attempt: Attempt(0),
            pid: None,
            tail: None,
            adopted: None,
            ended: None,
            upto: 0,
            orders: 0,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<WorkerMsg>,
        message: WorkerMsg,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        let doing = Arc::clone(&state.doing);
        let _busy = doing.begin(message.summary());
        match message {
            WorkerMsg::Order(order) => {
                state.orders += 1;
                orders::carry_out(&myself, state, order).await;
            }
            WorkerMsg::AttachAgain { attempt } if attempt == state.attempt => {
                watching::attach(&myself, state, attempt, state.upto).await;
            }
            WorkerMsg::AttachAgain { .. } => {}
            WorkerMsg::GoOnAgain { attempt, tries } if attempt == state.attempt => {
                orders::go_on_again(state, attempt, tries).await;
            }
            WorkerMsg::GoOnAgain { .. } => {}
            WorkerMsg::Shim { link, reply } if link == state.link_number => {
                watching::hear(&myself, state, *reply);
            }
            WorkerMsg::LinkLost { link } if link == state.link_number => {
                watching::link_lost(&myself, state).await;
            }
            WorkerMsg::Shim { .. } | WorkerMsg::LinkLost { .. } => {}
            WorkerMsg::AdoptedGone { attempt } if attempt == state.attempt => {
                watching::adopted_gone(state);
            }
            WorkerMsg::Drained { attempt, reached } if attempt == state.attempt => {
                state.report_end(reached);
            }
            WorkerMsg::AdoptedGone { .. } | WorkerMsg::Drained { .. } => {}
            WorkerMsg::Bye => orders::bye(state).await,
        }
        Ok(())
    }
}

impl WorkerState {
    fn has_attempt_folder(&self) -> bool {
        let folder = self.around.state.attempt(self.run_id.as_str(), self.attempt.0);
        folder.is_ok_and(|folder| folder.is_dir())
    }

    /// Tells the Supervisor a fact about an attempt.
    fn observe(&self, attempt: Attempt, fact: Fact) {
        self.around.directory.supervisor.send(SupervisorMsg::Observed(Observation {
            run_id: self.run_id.clone(),
            attempt,
            fact,
            committed: None,
        }));
    }

    /// The attempt has ended and everything it wrote has been read.
    fn report_end(&mut self, reached: Option<Reached>) {
        let Some(exit) = self.ended.take() else { return };
        self.tail = None;
        self.adopted = None;
        let exit = resus_core::input::Exit {
            code: exit.code,
            signal: exit.signal,
            cpu_ms: exit.user_ms.saturating_add(exit.sys_ms),
            max_rss_bytes: exit.max_rss_bytes,
            strays_killed: exit.strays_killed,
            unix_ms: (exit.code.is_some() || exit.signal.is_some()).then_some(exit.unix_ms),
        };
        self.observe(self.attempt, Fact::Exited { exit, reached });
    }

    /// Uses a connection from now on; replies of older ones are not believed any more.
    fn use_link(&mut self, myself: &ActorRef<WorkerMsg>, link: Link, mut replies: Replies) {
        self.link_number += 1;
        let (number, actor) = (self.link_number, myself.clone());
        self.link = Some(link);
        let reader = tokio::spawn(async move {
            loop {
                match replies.next().await {
                    Ok(Some(reply)) => {
                        let message = WorkerMsg::Shim { link: number, reply: Box::new(reply) };
                        if actor.cast(message).is_err() {
                            return;
                        }
                    }
                    Ok(None) | Err(_) => {
                        let _gone = actor.cast(WorkerMsg::LinkLost { link: number });
                        return;
                    }
                }
            }
        });
        if let Some(old) = self.reader.replace(reader) {
            old.abort();
        }
    }
}

impl Drop for WorkerState {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}

/// The last `count` bytes of an id (ids are ASCII).
fn tail_of(id: &str, count: usize) -> &str {
    id.get(id.len().saturating_sub(count)..).unwrap_or(id)
}
