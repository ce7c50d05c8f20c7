//! A running system of actors: started from a state folder, reached through its door.

use crate::board::Board;
use crate::broker::{BrokerStatus, Source};
use crate::clock;
use crate::curves::Curves;
use crate::directory::Directory;
use crate::disposal::{self, Disposal, Grounds};
use crate::door::{Door, Inner};
use crate::idle::{self, LastAsked};
use crate::limits::{REPLAY_DEADLINE, STORE_CLOSE_DEADLINE};
use crate::newest::Newest;
use crate::notify::Notifier;
use crate::outbox::Status;
use crate::root::{Plan, Root, RootMsg};
use crate::run_files;
use crate::silences::Silences;
use crate::slots::Slots;
use crate::status_files;
use crate::telemetry::Telemetry;
use crate::vigil::Vigil;
use crate::watch::Watcher;
use crate::watchdog::WatchdogMsg;
use crate::worker::Surroundings;
use crate::workload::{Registry, RegistryError};
use ractor::{Actor, ActorRef, SpawnErr};
use resus_bus::link::Link;
use resus_bus::local::Local;
use resus_bus::setup::BusSetup;
use resus_core::ids::Slug;
use resus_core::policy::Policy;
use resus_store::{LostHistory, StateDir, StateError, StateLock};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// What a system is started with.
#[derive(Debug)]
pub struct Setup {
    /// The state folder.
    pub state: StateDir,
    /// The lock on it, held as long as the system lives.
    pub lock: StateLock,
    /// Folder of sockets; short, because socket paths are.
    pub runtime_dir: PathBuf,
    /// Policy of runs that say nothing else.
    pub policy: Policy,
    /// Largest share of its disk's time that a worker may take to save, in percent.
    pub disk_share_percent: u8,
    /// The bus.
    pub bus: BusSetup,
    /// Name of this machine.
    pub node: Slug,
    /// Version of the program.
    pub version: String,
    /// Path of the program, which is also shim and built-in worker.
    pub program: PathBuf,
    /// A smaller program that is the shim alone, where there is one.
    pub shim: Option<PathBuf>,
    /// The folder with the workloads of the user, whether or not it is there yet.
    pub workloads: Option<PathBuf>,
    /// The service manager, if there is one.
    pub notifier: Option<Notifier>,
    /// End when nothing was to do for so long; `None` = never.
    pub idle_exit: Option<Duration>,
    /// An operator accepts that the history is gone.
    pub accept_lost_history: bool,
}

/// Why a system could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A path is not valid UTF-8, so no worker could be told of it.
    #[error("path {0:?} is not valid UTF-8")]
    Path(PathBuf),
    /// The machine does not say which boot this is.
    #[error("failed to read the machine's boot id: {0}")]
    BootId(#[source] io::Error),
    /// The state folder does not take what a start writes.
    #[error(transparent)]
    State(#[from] StateError),
    /// No change events can be had.
    #[error("failed to set up inotify: {0}")]
    Watcher(#[source] io::Error),
    /// The thread that watches the actors could not be started.
    #[error("failed to start a thread: {0}")]
    Vigil(#[source] io::Error),
    /// A built-in workload is not valid.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The ledger could not be replayed, or the actors died at once.
    #[error("the ledger could not be replayed; the daemon's log says why")]
    NotReady,
    /// An actor could not be started.
    #[error("failed to start: {0}")]
    Actors(#[from] Box<SpawnErr>),
}

/// A running system.
pub struct System {
    door: Door,
    root: ActorRef<RootMsg>,
    stop: watch::Receiver<bool>,
    vigil: Arc<Vigil>,
    notifier: Option<Arc<Notifier>>,
    /// The way to a NATS server.
    source: Source,
    /// What goes on beside the actors; ends with this.
    _beside: JoinSet<()>,
    _lock: StateLock,
}

fn lost_history(is_accepted: bool) -> LostHistory {
    if is_accepted { LostHistory::Accept } else { LostHistory::Refuse }
}

/// Exit, not an orderly end: what is stuck would not take part in it. The ledger is consistent at
/// every instant, and the shims start a new daemon.
fn give_up() {
    std::process::exit(1)
}

impl System {
    /// Replays the ledger and takes charge of every run in it.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been changed then.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let boot_id = resus_shim::identity::boot_id().map_err(StartError::BootId)?;
        let watcher = Watcher::new().map_err(StartError::Watcher)?;
        let registry = Arc::new(registry(&setup)?);
        let source = Source::open(&setup.bus, &setup.node, setup.state.path(), &boot_id);
        let around = Around {
            revive: revive(&setup)?,
            lost: lost_history(setup.accept_lost_history),
            runtime_dir: setup.runtime_dir,
            program: setup.program.clone(),
            shim: setup.shim,
            boot_id,
            watcher: Arc::clone(&watcher),
        };
        let (stop_sender, stop) = watch::channel(false);
        let (silences, disposal) = (Arc::<Silences>::default(), Arc::<Disposal>::default());
        let board = Arc::new(Board::new(setup.node.clone(), Arc::clone(&silences)));
        let (bus, slots) = (Local::default(), Arc::<Slots>::default());
        let generation = setup.state.next_generation(clock::now().unix_ms / 1000)?;
        let state = Arc::new(setup.state);
        let curves = Arc::new(Curves::new(Arc::clone(&state)));
        let newest = Arc::new(Newest::new(Arc::clone(&state), Arc::clone(&board)));
        let telemetry = Telemetry::new(
            Arc::clone(&board),
            (Arc::clone(&curves), Arc::clone(&newest)),
            (bus.clone(), Arc::clone(&slots)),
            (setup.node.clone(), setup.bus.namespace.clone()),
            generation,
        );
        let door = Arc::new(Inner {
            asked: Arc::new(LastAsked::default()),
            board,
            silences,
            disposal,
            telemetry,
            directory: Arc::new(Directory::default()),
            registry,
            state,
            curves,
            bus,
            slots,
            bus_status: Status::new(&setup.bus),
            bus_setup: setup.bus,
            published: Arc::default(),
            node: setup.node,
            generation,
            version: setup.version,
            started_at: clock::now(),
            stop: stop_sender,
            disk_share_percent: Arc::new(AtomicU8::new(setup.disk_share_percent)),
            idle_exit: watch::Sender::new(setup.idle_exit),
        });
        let beside = go_on_beside(&door, watcher, source.status.clone());
        let (root, _task) = Actor::spawn(None, Root, plan(&door, around)).await.map_err(Box::new)?;
        let notifier = setup.notifier.map(Arc::new);
        let vigil = Vigil::start(Arc::clone(&door.directory), notifier.clone(), give_up)
            .map_err(StartError::Vigil)?;
        if !replayed(&door.board, stop.clone()).await {
            vigil.end();
            root.stop(None);
            source.close().await;
            return Err(StartError::NotReady);
        }
        let (board, asked) = (Arc::clone(&door.board), Arc::clone(&door.asked));
        tokio::spawn(idle::watch(board, asked, door.idle_exit.subscribe(), door.stop.clone()));
        notifier.iter().for_each(|notifier| notifier.ready());
        Ok(Self { door: Door(door), root, stop, vigil, notifier, source, _beside: beside, _lock: setup.lock })
    }

    /// The way in.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// How a NATS server is reached, now and whenever that changes; `None` while there is none.
    #[must_use]
    pub fn links(&self) -> watch::Receiver<Option<Arc<Link>>> {
        self.source.links.clone()
    }

    /// How the managed server is, if the daemon runs one.
    #[must_use]
    pub fn broker(&self) -> Option<BrokerStatus> {
        self.source.status.as_ref().map(|status| status.borrow().clone())
    }

    /// Returns when somebody asked the daemon to stop, or the tree gave up.
    pub async fn stopped(&self) {
        let mut stop = self.stop.clone();
        let _closed = stop.wait_for(|stop| *stop).await;
    }

    /// Stops the actors, leaf to root; what is queued is written. Workers go on.
    pub async fn shut_down(self) {
        if let Some(notifier) = &self.notifier {
            notifier.stopping();
        }
        self.vigil.end();
        let (done, waiting) = oneshot::channel();
        let _gone = self.root.cast(RootMsg::ShutDown { done });
        let deadline = STORE_CLOSE_DEADLINE + Duration::from_secs(15);
        if tokio::time::timeout(deadline, waiting).await.is_err() {
            tracing::error!("the actors did not stop in time");
        }
        self.root.stop(None);
        let (curves, newest) = (Arc::clone(&self.door.0.curves), self.door.0.telemetry.newest());
        let saving = tokio::task::spawn_blocking(move || {
            curves.save();
            newest.save();
        });
        if saving.await.is_err() {
            tracing::error!("writing curves and the newest numbers failed");
        }
        self.source.close().await;
    }
}

/// What the Worker actors and the root need besides what the door has.
struct Around {
    revive: String,
    lost: LostHistory,
    runtime_dir: PathBuf,
    program: PathBuf,
    shim: Option<PathBuf>,
    boot_id: String,
    watcher: Arc<Watcher>,
}

/// What goes on beside the actors, as long as the set lives.
fn go_on_beside(
    door: &Arc<Inner>,
    watcher: Arc<Watcher>,
    broker: Option<watch::Receiver<BrokerStatus>>,
) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    beside.spawn(async move {
        if let Err(error) = watcher.run().await {
            tracing::error!(%error, "change events are lost; files are re-read from time to time");
        }
    });
    beside.spawn(Arc::clone(&door.telemetry).run());
    beside.spawn(Arc::clone(&door.telemetry).beat());
    beside.spawn(Arc::clone(&door.curves).keep());
    let (silences, directory) = (Arc::clone(&door.silences), Arc::clone(&door.directory));
    beside.spawn(async move {
        loop {
            silences.armed().await;
            directory.watchdog.send(WatchdogMsg::Look);
        }
    });
    beside.spawn(disposal::keep(Grounds {
        disposal: Arc::clone(&door.disposal),
        board: Arc::clone(&door.board),
        state: Arc::clone(&door.state),
        curves: Arc::clone(&door.curves),
        telemetry: Arc::clone(&door.telemetry),
    }));
    beside.spawn(status_files::keep(Arc::clone(&door.board), Arc::clone(&door.state)));
    if let Some(mut status) = broker {
        let door = Arc::clone(door);
        beside.spawn(async move {
            loop {
                let now = status.borrow_and_update().clone();
                if let BrokerStatus::Down { why, alarm, .. } = now {
                    door.bus_status.without_server(&why, alarm);
                }
                if status.changed().await.is_err() {
                    return;
                }
            }
        });
    }
    if door.bus_setup.file {
        beside.spawn(run_files::keep(Arc::clone(door)));
    }
    beside
}

fn text(path: &Path) -> Result<String, StartError> {
    path.to_str().map(str::to_owned).ok_or_else(|| StartError::Path(path.to_owned()))
}

/// The workloads: those of the program, and those of the user.
fn registry(setup: &Setup) -> Result<Registry, StartError> {
    let built_in = Registry::built_in(text(&setup.program)?, setup.policy.clone())?;
    Ok(built_in.with_user(setup.workloads.clone()))
}

/// What a shim starts when it has lost its daemon, as JSON argv.
fn revive(setup: &Setup) -> Result<String, StartError> {
    let (program, state_dir) = (text(&setup.program)?, text(setup.state.path())?);
    Ok(serde_json::json!([program, "daemon", "run", "--detached", "--state-dir", state_dir]).to_string())
}

fn plan(door: &Inner, around: Around) -> Plan {
    Plan {
        directory: Arc::clone(&door.directory),
        board: Arc::clone(&door.board),
        disposal: Arc::clone(&door.disposal),
        state: Arc::clone(&door.state),
        around: Arc::new(Surroundings {
            state: Arc::clone(&door.state),
            runtime_dir: around.runtime_dir,
            program: around.program,
            shim: around.shim,
            revive: around.revive,
            disk_share_percent: Arc::clone(&door.disk_share_percent),
            directory: Arc::clone(&door.directory),
            board: Arc::clone(&door.board),
            telemetry: Arc::clone(&door.telemetry),
            silences: Arc::clone(&door.silences),
            watcher: around.watcher,
        }),
        bus: door.bus.clone(),
        published: Arc::clone(&door.published),
        slots: Arc::clone(&door.slots),
        namespace: door.bus_setup.namespace.clone(),
        node: door.node.clone(),
        boot_id: around.boot_id,
        lost: around.lost,
        stop: door.stop.clone(),
    }
}

/// Whether the ledger was replayed; not so if the tree gave up or it takes too long.
async fn replayed(board: &Board, mut stop: watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = board.ready() => true,
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(REPLAY_DEADLINE) => false,
    }
}

#[cfg(test)]
mod tests;
