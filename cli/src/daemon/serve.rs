//! `resus daemon run`: the daemon itself, put together from its parts.

use crate::daemon::bus;
use crate::daemon::halt::{allow_starts, halt};
use crate::daemon::handshake::OWN_PROGRAM;
use crate::daemon::journal::{Journal, Limits};
use crate::daemon::record::{Record, build_id};
use crate::daemon::reload::{Reloader, on_hangup, tuning};
use crate::daemon::voice::Voice;
use crate::error::CliError;
use crate::place::Place;
use crate::settings::reload::Live;
use crate::settings::{Settings, UserFile};
use crate::workloads::user_workloads;
use resus_actors::notify::Notifier;
use resus_actors::system::{Setup, System};
use resus_bus::setup::{BusSetup, Choice};
use resus_core::ids::Slug;
use resus_core::moment::rfc3339;
use resus_panel::Front;
use resus_store::{LockError, StateDir, StateLock};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::env;
use std::fs::{self, Permissions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// What our process is called in records and logs.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a service manager tells its service, sd_notify(3).
pub(crate) const MANAGER_VARS: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Most daemons that are asked to make room, should others be started meanwhile.
const REPLACED_MAX: u32 = 3;
/// Threads of the daemon: enough that one long computation (a checkpoint's verification runs
/// elsewhere anyway) does not hold up an answer, few enough to stay small.
const THREADS: usize = 2;

/// How the daemon is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Leave the caller's session: closing its terminal must not reach us.
    pub detached: bool,
    /// A daemon that is there makes room for this one.
    pub replace: bool,
    /// An operator accepts that the history is gone.
    pub accept_lost_history: bool,
}

/// Lives as the daemon of `state` until somebody asks it to stop, or SIGTERM or SIGINT does.
/// Workers go on under their shims.
///
/// # Errors
/// [`CliError`]: the configuration, the lock, or what the daemon needs to live.
pub(crate) fn run(state: StateDir, options: Options) -> Result<(), CliError> {
    keep_out_of_dumps();
    let file = UserFile::locate();
    let read = file.as_ref().map_or(Ok(None), UserFile::read)?;
    let settings = Settings::of(file.as_ref(), read.as_ref())?;
    let live = Live::new(settings.clone(), file.as_ref(), read.map(|read| read.stamp), rfc3339(unix_ms()));
    let bus = bus::setup(&settings.bus, env::var(bus::URL_VAR).ok().as_deref())?;
    if options.detached {
        // Fails only for the leader of a process group, which then has been set apart already.
        let _ = rustix::process::setsid();
    }
    let lock = take_lock(&state, options.replace)?;
    // Whoever starts it wants it: nobody has stopped it on purpose any more.
    allow_starts(&state)?;
    let log = log_to(&state, &settings)?;
    let recorded = Record::read(&state).and_then(|record| record.socket.parent().map(Path::to_path_buf));
    let place = Place::make(&state, recorded.as_deref())?;
    let io_failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Io { what, path, source }
    };
    let program = program().map_err(io_failed("find this program at", Path::new("/proc/self/exe")))?;
    let shim = small_shim(&state);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("resus")
        .enable_all()
        .build()
        .map_err(io_failed("start the threads of", &program))?;
    live_on(&runtime, Parts { state, lock, file, live, log, bus, place, program, shim, options })
}

/// The daemon holds the environments of all runs: no core dump of it is ever written, and other
/// processes of its user can't read its memory. This ends where a program is started: shims and
/// workers keep the limits and the habits of who started the daemon.
fn keep_out_of_dumps() {
    // Fails on no kernel that we run on; a daemon that can dump is still better than none.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The small program that is the shim alone; without it, this one is the shim too. Before there
/// are threads: a file that is still written in one can't be run by another.
fn small_shim(state: &StateDir) -> Option<PathBuf> {
    resus_shim_image::install(&state.programs())
        .inspect_err(|error| tracing::warn!(%error, "shims will take more memory than they need"))
        .ok()
}

/// Takes the lock, from the daemon that has it if that is wanted.
fn take_lock(state: &StateDir, replace: bool) -> Result<StateLock, CliError> {
    let mut replaced = 0;
    loop {
        match state.lock(VERSION) {
            Err(LockError::Held { .. }) if replace && replaced < REPLACED_MAX => replaced += 1,
            lock => return Ok(lock?),
        }
        // Of a kind of its own: the daemon's runtime is made when the daemon may live.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| CliError::Io { what: "start", path: OWN_PROGRAM.into(), source })?;
        if let Err(error) = runtime.block_on(halt(state)) {
            allow_starts(state)?;
            return Err(error);
        }
    }
}

struct Parts {
    state: StateDir,
    lock: StateLock,
    file: Option<UserFile>,
    live: Live,
    log: Arc<Limits>,
    bus: BusSetup,
    place: Place,
    program: PathBuf,
    shim: Option<PathBuf>,
    options: Options,
}

fn live_on(runtime: &Runtime, parts: Parts) -> Result<(), CliError> {
    let (state, socket) = (parts.state.clone(), parts.place.socket());
    let io_failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Io { what, path, source }
    };
    let own_program = Path::new(OWN_PROGRAM);
    let build_id = build_id(own_program).map_err(io_failed("look at", own_program))?;
    let notifier = notifier().map_err(io_failed("reach the service manager for", &parts.program))?;
    // Whoever speaks through a server can't start a daemon that has ended.
    let is_local = parts.bus.choice == Choice::Local;
    let may_end = parts.options.detached && notifier.is_none() && is_local;
    let tuning = tuning(&parts.live.now, may_end);
    runtime.block_on(async {
        // Heard from the start: who sends it to a daemon that is about to be up means that one.
        let hangups =
            signal(SignalKind::hangup()).map_err(io_failed("watch the signals of", &parts.program))?;
        let asked_to_end = ending_signals().map_err(io_failed("watch the signals of", &parts.program))?;
        let system = System::start(Setup {
            state: parts.state,
            lock: parts.lock,
            runtime_dir: parts.place.path().into(),
            policy: tuning.policy,
            disk_share_percent: tuning.disk_share_percent,
            bus: parts.bus.clone(),
            node: parts.live.now.node.clone().unwrap_or_else(host_name),
            version: VERSION.to_owned(),
            idle_exit: tuning.idle_exit,
            workloads: user_workloads(),
            notifier,
            program: parts.program,
            shim: parts.shim,
            accept_lost_history: parts.options.accept_lost_history,
        })
        .await
        .inspect_err(|error| tracing::error!(%error, "the daemon can't start"))?;
        let listener = listen(&socket).map_err(io_failed("listen on", &socket))?;
        let record = Record {
            pid: std::process::id(),
            version: VERSION.to_owned(),
            build_id,
            socket: socket.clone(),
            started_at: rfc3339(unix_ms()),
        };
        record.write(&state).map_err(io_failed("write", &state.daemon_record()))?;
        tracing::info!(pid = record.pid, version = VERSION, socket = %socket.display(), "the daemon is up");
        if io::stderr().is_terminal() {
            let log = state.daemon_log();
            eprintln!("the daemon is up (pid {}), its log is {}", record.pid, log.display());
            eprintln!("Ctrl-C ends it; trainings go on");
        }
        let reloader = Reloader::new(parts.file, parts.live, system.door(), parts.log, may_end);
        let reloading = tokio::spawn(on_hangup(hangups, Arc::clone(&reloader)));
        let front = Front::new(system.door(), reloader);
        let voice = (!is_local).then(|| Voice::begin(&system, &parts.bus, front.clone()));
        resus_panel::serve(listener, front, end(&system, asked_to_end)).await;
        if let Some(voice) = voice {
            voice.end().await;
        }
        reloading.abort();
        // While we hold the lock nobody else listens here.
        if let Err(error) = fs::remove_file(&socket) {
            tracing::warn!(%error, "the socket can't be removed");
        }
        system.shut_down().await;
        tracing::info!("the daemon has ended");
        Ok(())
    })
}

/// The service manager that started this daemon, if one did.
fn notifier() -> io::Result<Option<Notifier>> {
    let [socket, usec, pid] = MANAGER_VARS.map(env::var_os);
    Notifier::new(socket.as_deref(), usec.as_deref(), pid.as_deref())
}

/// Returns when the daemon is to end.
async fn end(system: &System, mut asked: watch::Receiver<Option<&'static str>>) {
    tokio::select! {
        () = system.stopped() => tracing::info!("asked to stop"),
        Ok(signal) = asked.wait_for(Option::is_some) => tracing::info!(signal = *signal, "asked to stop"),
    }
}

/// The name of the first signal that asks us to end.
fn ending_signals() -> io::Result<watch::Receiver<Option<&'static str>>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, told) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tell.send_replace(Some(name));
        }
    });
    Ok(told)
}

/// From here on everything that is said goes to the log, the last words of a panic too.
fn log_to(state: &StateDir, settings: &Settings) -> Result<Arc<Limits>, CliError> {
    let path = state.daemon_log();
    let journal = Journal::open(path.clone(), settings.log_bytes_max, settings.log_keep)
        .map_err(|source| CliError::Io { what: "open", path, source })?;
    let limits = journal.limits();
    // The NATS client tells of every step of every connection; what matters of it is told by us.
    let loud = Targets::new().with_default(LevelFilter::INFO).with_target("async_nats", LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().json().log_internal_errors(false).with_writer(journal);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(loud));
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        // Only a second call in one process fails, and then the first one's log goes on.
        tracing::warn!("the log is set up already");
    }
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("?");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        tracing::error!(message, place, backtrace, "panic");
    }));
    Ok(limits)
}

/// This program's path, to start shims and workers with. An upgrade replaces the file under a
/// running daemon; then the new file is meant.
pub(crate) fn program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let replaced = path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.filter(|new| new.exists()).unwrap_or(path))
}

/// Binds the socket. What a dead daemon left in its place is removed: we hold the lock. The
/// umask is not ours to change, since workers inherit it; the folder is closed to others, and
/// the socket itself is too.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What this machine is called where no setting says otherwise.
pub(crate) fn host_name() -> Slug {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Slug::nearest(&name, "node")
}

pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
