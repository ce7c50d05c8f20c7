//! The loop of a shim: waits for sockets, signals, the worker's end and deadlines, asks the
//! machine what to do, does it.

mod freezing;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::freeze::Freezing;
use crate::identity::{self, ProcessId};
use crate::log::note;
use crate::machine::{Action, ClientId, Machine, Millis};
use crate::notify::Notify;
use crate::peers::{Peer, Peers};
use crate::protocol::{RefusalCode, Refused, Reply, Request, SignalName};
use crate::spawn::SpawnError;
use crate::sys;
use crate::tree::Tree;

/// In the state folder, two above a run's: the daemon was stopped on purpose.
const STOPPED_MARK: &str = "../../stopped";

/// After a line as long as this (a page) the memory it took is given back.
const LARGE_LINE_BYTES: usize = 4096;

/// What can become ready.
#[derive(Debug, Clone, Copy)]
enum Ready {
    Signals,
    WorkerEnded,
    AdoptedEnded,
    Notified,
    Peer(Peer),
}

/// All that a shim hears by.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) peers: Peers,
    pub(crate) notify: Option<Notify>,
    /// See [`sys::watch_signals`].
    pub(crate) signals: File,
}

/// Everything a running shim has.
#[derive(Debug)]
pub(crate) struct Server {
    machine: Machine,
    tree: Tree,
    peers: Peers,
    notify: Option<Notify>,
    /// See [`sys::watch_signals`].
    signals: File,
    freezing: Option<Freezing>,
    /// Program and arguments that start a daemon.
    revive: Option<Vec<String>>,
    clock: Instant,
    leave: bool,
}

impl Server {
    pub(crate) fn new(
        machine: Machine,
        tree: Tree,
        ears: Ears,
        revive: Option<Vec<String>>,
        clock: Instant,
    ) -> Self {
        let Ears { peers, notify, signals } = ears;
        Self { machine, tree, peers, notify, signals, freezing: None, revive, clock, leave: false }
    }

    /// Serves until there is a reason to leave.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.leave {
            for ready in self.wait()? {
                self.hear(ready);
            }
            self.advance();
        }
        Ok(())
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.clock.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Sleeps until something is ready or due.
    fn wait(&self) -> io::Result<Vec<Ready>> {
        let fixed = [
            (Ready::Signals, Some(self.signals.as_fd())),
            (Ready::Notified, self.notify.as_ref().map(Notify::as_fd)),
            (Ready::WorkerEnded, self.tree.end_of_worker()),
            (Ready::AdoptedEnded, self.tree.end_of_adopted()),
        ];
        let fixed = fixed.into_iter().filter_map(|(ready, fd)| Some((ready, fd?, PollFlags::IN)));
        let peers = self.peers.interests().map(|(peer, fd, events)| (Ready::Peer(peer), fd, events));
        let (names, mut descriptors): (Vec<Ready>, Vec<PollFd<'_>>) = fixed
            .chain(peers)
            .map(|(ready, fd, events)| (ready, PollFd::from_borrowed_fd(fd, events)))
            .unzip();

        let frozen_at = self.freezing.as_ref().map(Freezing::next_deadline);
        let deadlines = [self.machine.next_deadline(), self.tree.next_deadline(), frozen_at];
        let timeout = deadlines.into_iter().flatten().min().map(|at| timespec(at.saturating_sub(self.now())));
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = names.into_iter().zip(&descriptors);
        Ok(ready.filter(|(_, fd)| !fd.revents().is_empty()).map(|(name, _)| name).collect())
    }

    fn hear(&mut self, ready: Ready) {
        match ready {
            Ready::Signals => self.hear_signals(),
            Ready::Notified => {
                if let Some(notify) = &mut self.notify {
                    notify.receive(&self.tree);
                }
            }
            Ready::AdoptedEnded => {
                self.stop_listening();
                self.tree.on_adopted_ended(self.now());
            }
            Ready::WorkerEnded => {
                self.stop_listening();
                self.machine.on_worker_dead();
                self.tree.on_worker_ended(self.now());
            }
            Ready::Peer(Peer::Client(client)) => self.hear_client(client),
            Ready::Peer(Peer::Control(id)) => self.peers.serve_control(id),
            Ready::Peer(listener) => self.peers.accept(listener),
        }
    }

    /// The worker has ended: hears its last notifications, while it can still be seen whose
    /// they are, and gives up freezing it.
    fn stop_listening(&mut self) {
        if let Some(notify) = &mut self.notify {
            notify.drain(&self.tree);
        }
        self.give_up_freezing("the worker has ended");
    }

    fn hear_signals(&mut self) {
        let mut bytes = [0; 64];
        while let Ok(length) = self.signals.read(&mut bytes) {
            for &byte in &bytes[..length] {
                if i32::from(byte) == libc::SIGCHLD {
                    self.tree.on_child_died();
                } else {
                    note!("signal {byte}: leaving as soon as no worker lives");
                    self.machine.on_asked_to_leave();
                }
            }
        }
    }

    fn hear_client(&mut self, client: ClientId) {
        let Some(received) = self.peers.serve_client(client) else { return };
        // All that was said before hanging up counts, above all a `bye`, even if the answers
        // reach nobody; only after a refused version nothing does.
        let is_large = received.lines.iter().any(|line| line.len() > LARGE_LINE_BYTES);
        for line in received.lines {
            if !self.peers.has_client(client) {
                return;
            }
            self.refresh_lost();
            let actions = match serde_json::from_slice::<Request>(&line) {
                Ok(request) => self.machine.on_request(client, request, self.now()),
                Err(error) => vec![Action::Send(client, Reply::Refused(bad_request(&line, &error)))],
            };
            self.obey(actions);
        }
        if is_large {
            sys::give_back_memory();
        }
        if received.closed {
            self.hang_up(client);
        }
    }

    /// Whether a lost worker lives can change at any time.
    fn refresh_lost(&mut self) {
        if let Some(lost) = self.machine.lost_mut()
            && let (Some(worker), Some(boot_id)) = (lost.worker, &lost.boot_id)
        {
            lost.alive = identity::is_alive(worker, boot_id);
        }
    }

    fn hang_up(&mut self, client: ClientId) {
        self.peers.close_client(client);
        self.machine.on_closed(client, self.now());
    }

    /// Nothing of an attempt is left: nor shall anything be of what we had open for it.
    fn forget_worker(&mut self) {
        self.peers.close_controls();
        if let Some(notify) = &mut self.notify {
            notify.finish();
        }
    }

    /// Everything that is due.
    fn advance(&mut self) {
        for client in self.peers.unreachable_clients() {
            self.hang_up(client);
        }
        let now = self.now();
        if let Some(exited) = self.tree.advance(now) {
            self.forget_worker();
            let actions = self.machine.on_exited(exited, now);
            self.obey(actions);
        }
        if let Some(exited) = self.tree.advance_adopted(now) {
            self.forget_worker();
            let actions = self.machine.on_lost_ended(exited, now);
            self.obey(actions);
        }
        self.advance_freeze(now);
        for attempt in self.tree.retry_records(now) {
            self.machine.on_recorded(attempt);
        }
        let actions = self.machine.on_tick(now);
        self.obey(actions);
    }

    /// Carries out actions and those that follow from them, in order.
    fn obey(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            queue.extend(self.act(action));
        }
    }

    fn act(&mut self, action: Action) -> Vec<Action> {
        match action {
            Action::Send(client, reply) => self.peers.send(client, &reply),
            Action::Close(client) => self.hang_up(client),
            Action::TrySpawn => return self.try_spawn(),
            Action::GiveUpOnLock => return self.give_up_on_lock(),
            Action::KillStrays => self.tree.kill_all(self.now()),
            Action::KillTree => {
                self.give_up_freezing("the worker is being killed");
                self.tree.kill_tree(self.now());
            }
            Action::Signal { client, attempt, signal } => return vec![self.signal(client, attempt, signal)],
            Action::Freeze { client, attempt } => self.freeze(client, attempt),
            Action::Thaw { client, attempt } => return vec![self.thaw(client, attempt)],
            Action::Deliver { client, attempt, line } => {
                let delivered = self.peers.deliver(&line);
                return vec![Action::Send(client, Reply::ControlResult { attempt, delivered })];
            }
            Action::Revive => self.start_daemon(),
            Action::Leave => self.leave = true,
        }
        Vec::new()
    }

    fn try_spawn(&mut self) -> Vec<Action> {
        if self.tree.adopted_is_ending() {
            self.machine.on_predecessor_ending(self.now());
            return Vec::new();
        }
        // A lost worker may have closed all files it inherited, the lock among them.
        self.refresh_lost();
        if self.tree.has_adopted() || self.machine.lost_mut().is_some_and(|lost| lost.alive) {
            return self.machine.on_lock_held(self.now());
        }
        let Some(order) = self.machine.order() else { return Vec::new() };
        match self.tree.start(order) {
            Ok(started) => self.machine.on_started(started),
            Err(SpawnError::LockHeld) => self.machine.on_lock_held(self.now()),
            Err(error) => {
                let refused = error.refusal(order.attempt);
                self.machine.on_spawn_failed(&refused, self.now())
            }
        }
    }

    fn give_up_on_lock(&mut self) -> Vec<Action> {
        let mut holders: BTreeSet<ProcessId> = self.tree.lock_holders().into_iter().collect();
        holders.extend(self.machine.lost_mut().filter(|lost| lost.alive).and_then(|lost| lost.worker));
        let Some(order) = self.machine.order() else { return Vec::new() };
        let refused = SpawnError::LockHeld.refusal(order.attempt);
        let pids: Vec<String> = holders.iter().map(|holder| holder.pid.to_string()).collect();
        let message = format!("{} (process {})", refused.message, pids.join(", "));
        let refused = Refused { message, holders: holders.into_iter().collect(), ..refused };
        self.machine.on_spawn_failed(&refused, self.now())
    }

    fn signal(&mut self, client: ClientId, attempt: u32, signal: SignalName) -> Action {
        if signal.means_stop() || signal == SignalName::Cont {
            self.call_off_freezing("the worker was sent a signal that is against it");
        }
        let reply = match self.tree.signal(signal) {
            Ok(()) => done("signal", attempt),
            Err(error) => {
                let message = format!("signal the worker: {error}");
                let refused = Refused::new("signal", Some(attempt), RefusalCode::SignalFailed, message);
                Reply::Refused(Refused { errno: error.raw_os_error(), ..refused })
            }
        };
        Action::Send(client, reply)
    }

    fn start_daemon(&mut self) {
        let Some((program, arguments)) = self.revive.as_ref().and_then(|argv| argv.split_first()) else {
            return;
        };
        if self.tree.run_dir().join(STOPPED_MARK).exists() {
            note!("the daemon is gone, stopped on purpose");
            self.machine.on_daemon_stopped();
            return;
        }
        note!("the daemon is gone, starting it");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        if let Err(error) = sys::start_sibling(&mut command) {
            note!("cannot start the daemon: {error}");
        }
    }
}

fn done(op: &str, attempt: u32) -> Reply {
    Reply::Done { op: op.to_owned(), attempt: Some(attempt), dropped: None }
}

/// A refusal that names as much of the bad request as can be read.
fn bad_request(line: &[u8], error: &serde_json::Error) -> Refused {
    let value: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let op = value.get("op").and_then(|op| op.as_str()).unwrap_or_default();
    let attempt = value.get("attempt").and_then(|attempt| u32::try_from(attempt.as_u64()?).ok());
    Refused::new(op, attempt, RefusalCode::BadRequest, format!("read the request: {error}"))
}

fn timespec(wait: Millis) -> Timespec {
    let seconds = i64::try_from(wait / 1_000).unwrap_or(i64::MAX);
    let nanoseconds = i64::try_from(wait % 1_000 * 1_000_000).unwrap_or(0);
    Timespec { tv_sec: seconds, tv_nsec: nanoseconds }
}
