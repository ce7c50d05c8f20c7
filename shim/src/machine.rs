//! What the shim does about what it hears: state and input in, [`Action`]s out. No clock,
//! process, file or socket; the server carries the actions out and reports back.

mod action;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use self::action::{About, Action, ClientId, Millis};
use self::refusal::{bad_control_line, busy, lost_refusal, refuse, stale};
use crate::protocol::{
    Exited, Hello, Lost, RefusalCode, Refused, Reply, Request, SpawnOrder, Started, State, VERSION,
};
use crate::revive::Revive;

/// How long a spawn waits for the old process tree to let go of the run's lock.
const LOCK_WAIT_MS: Millis = 2_000;
/// How often it looks meanwhile.
const LOCK_RETRY_MS: Millis = 20;
/// A shim without worker and client leaves after this long.
const IDLE_MS: Millis = 10 * 60 * 1_000;

/// What is known of the newest attempt that is not in our hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    Idle,
    Exited(Exited),
    Lost(Lost),
}

impl Settled {
    fn attempt(&self) -> Option<u32> {
        match self {
            Self::Idle => None,
            Self::Exited(exited) => Some(exited.attempt),
            Self::Lost(lost) => Some(lost.attempt),
        }
    }
}

/// The attempt in our hands.
#[derive(Debug)]
enum Live {
    Starting {
        order: SpawnOrder,
        askers: Vec<ClientId>,
        lock: LockWait,
    },
    Running(Started),
    /// The worker is dead, what it left behind is being killed.
    Ending(Started),
}

impl Live {
    fn attempt(&self) -> u32 {
        match self {
            Self::Starting { order, .. } => order.attempt,
            Self::Running(started) | Self::Ending(started) => started.attempt,
        }
    }
}

/// How long the run's lock is being waited for.
#[derive(Debug, Default)]
struct LockWait {
    since: Option<Millis>,
    retry_at: Option<Millis>,
}

/// The state of a shim.
#[derive(Debug)]
pub(crate) struct Machine {
    about: About,
    settled: Settled,
    live: Option<Live>,
    greeted: BTreeSet<ClientId>,
    revive: Revive,
    /// Since when there is neither a worker nor a client.
    idle_since: Option<Millis>,
    /// Somebody sent us SIGTERM: leave as soon as no worker needs us.
    asked_to_leave: bool,
}

impl Machine {
    pub(crate) fn new(about: About, settled: Settled, can_revive: bool, now: Millis) -> Self {
        let revive = Revive::new(can_revive, &about.run_id);
        let greeted = BTreeSet::new();
        Self { about, settled, live: None, greeted, revive, idle_since: Some(now), asked_to_leave: false }
    }

    /// The spawn being tried.
    pub(crate) fn order(&self) -> Option<&SpawnOrder> {
        match &self.live {
            Some(Live::Starting { order, .. }) => Some(order),
            Some(Live::Running(_) | Live::Ending(_)) | None => None,
        }
    }

    /// A worker whose end nobody saw; whether it lives is for the server to keep up to date.
    pub(crate) fn lost_mut(&mut self) -> Option<&mut Lost> {
        if let Settled::Lost(lost) = &mut self.settled { Some(lost) } else { None }
    }

    /// One request of one client.
    pub(crate) fn on_request(&mut self, client: ClientId, request: Request, now: Millis) -> Vec<Action> {
        if !self.greeted.contains(&client) && !matches!(request, Request::Hello { .. }) {
            let message = "say hello first";
            return refuse(client, Refused::new(request.op(), None, RefusalCode::HelloFirst, message));
        }
        let op = request.op();
        let done = |attempt| Action::Send(client, Reply::Done { op: op.to_owned(), attempt });
        match request {
            Request::Hello { v } => self.hello(client, v, now),
            Request::Spawn(order) => self.spawn(client, order, now),
            Request::Signal { attempt, signal } => match self.not_running(op, attempt) {
                None => vec![Action::Signal { client, attempt, signal }],
                Some(refused) => refuse(client, refused),
            },
            Request::KillTree { attempt } => match self.not_running(op, attempt) {
                None => vec![Action::KillTree, done(Some(attempt))],
                Some(refused) => refuse(client, refused),
            },
            Request::Control { attempt, line } => self.control(client, attempt, line),
            Request::Quit => match &self.live {
                None => vec![done(None), Action::Leave],
                Some(live) => refuse(client, busy(op, None, live)),
            },
            Request::Bye => {
                self.revive.dismiss();
                vec![done(None)]
            }
        }
    }

    /// A client's connection is gone, by its own doing or ours.
    pub(crate) fn on_closed(&mut self, client: ClientId, now: Millis) {
        if self.greeted.remove(&client) && self.greeted.is_empty() {
            self.revive.lost(now);
        }
        self.note_idleness(now);
    }

    /// The worker of [`Machine::order`] runs.
    pub(crate) fn on_started(&mut self, started: Started) -> Vec<Action> {
        self.live = Some(Live::Running(started.clone()));
        self.broadcast(&Reply::Started(started))
    }

    /// Something of the old process tree holds the run's lock.
    pub(crate) fn on_lock_held(&mut self, now: Millis) -> Vec<Action> {
        let Some(Live::Starting { lock, .. }) = &mut self.live else { return Vec::new() };
        let first = lock.since.is_none();
        let since = *lock.since.get_or_insert(now);
        if now >= since + LOCK_WAIT_MS {
            return vec![Action::GiveUpOnLock];
        }
        lock.retry_at = Some(now + LOCK_RETRY_MS);
        if first { vec![Action::KillStrays] } else { Vec::new() }
    }

    /// [`Machine::order`] could not be carried out: tells those who asked, forgets it.
    pub(crate) fn on_spawn_failed(&mut self, refused: &Refused, now: Millis) -> Vec<Action> {
        let starting = self.live.take_if(|live| matches!(live, Live::Starting { .. }));
        self.note_idleness(now);
        let Some(Live::Starting { askers, .. }) = starting else { return Vec::new() };
        askers.into_iter().map(|client| Action::Send(client, Reply::Refused(refused.clone()))).collect()
    }

    /// The worker is dead; its end is told by [`Machine::on_exited`].
    pub(crate) fn on_worker_dead(&mut self) {
        if let Some(Live::Running(started)) = &self.live {
            self.live = Some(Live::Ending(started.clone()));
        }
    }

    /// Nothing of the worker is left, and that is on record (or cannot be recorded now).
    pub(crate) fn on_exited(&mut self, exited: Exited, now: Millis) -> Vec<Action> {
        self.live = None;
        self.settled = Settled::Exited(exited.clone());
        self.note_idleness(now);
        self.broadcast(&Reply::Exited(exited))
    }

    /// The end that could not be recorded before is on record now.
    pub(crate) fn on_recorded(&mut self, attempt: u32) {
        if let Settled::Exited(exited) = &mut self.settled
            && exited.attempt == attempt
        {
            exited.unrecorded = None;
        }
    }

    /// The daemon was stopped on purpose, so it must not be started again.
    pub(crate) fn on_daemon_stopped(&mut self) {
        self.revive.dismiss();
    }

    /// The shim itself was sent SIGTERM or the like.
    pub(crate) fn on_asked_to_leave(&mut self) {
        self.asked_to_leave = true;
    }

    /// Time has passed.
    pub(crate) fn on_tick(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(Live::Starting { lock, .. }) = &mut self.live
            && lock.retry_at.is_some_and(|at| now >= at)
        {
            lock.retry_at = None;
            actions.push(Action::TrySpawn);
        }
        if self.revive.is_due(now) {
            actions.push(Action::Revive);
        }
        let idle_too_long = self.idle_since.is_some_and(|since| now >= since + IDLE_MS);
        if idle_too_long || (self.asked_to_leave && self.live.is_none()) {
            actions.push(Action::Leave);
        }
        actions
    }

    /// When [`Machine::on_tick`] has something to say at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let retry_at = match &self.live {
            Some(Live::Starting { lock, .. }) => lock.retry_at,
            Some(Live::Running(_) | Live::Ending(_)) | None => None,
        };
        let idle_at = self.idle_since.map(|since| since + IDLE_MS);
        [retry_at, self.revive.next_at(), idle_at].into_iter().flatten().min()
    }

    fn hello(&mut self, client: ClientId, v: u32, now: Millis) -> Vec<Action> {
        if v != VERSION {
            let message = format!("client speaks protocol {v}, this shim speaks {VERSION}");
            let refused = Refused::new("hello", None, RefusalCode::Version, message);
            return vec![Action::Send(client, Reply::Refused(refused)), Action::Close(client)];
        }
        self.greeted.insert(client);
        self.revive.greeted();
        self.note_idleness(now);
        let About { build, run_id, shim_pid, boot_id } = self.about.clone();
        let hello = Hello { v: VERSION, build, run_id, shim_pid, boot_id, state: self.state() };
        vec![Action::Send(client, Reply::Hello(hello))]
    }

    fn state(&self) -> State {
        match (&self.live, &self.settled) {
            (Some(Live::Running(started) | Live::Ending(started)), _) => State::Running(started.clone()),
            (Some(Live::Starting { .. }) | None, Settled::Idle) => State::Idle,
            (Some(Live::Starting { .. }) | None, Settled::Exited(exited)) => State::Exited(exited.clone()),
            (Some(Live::Starting { .. }) | None, Settled::Lost(lost)) => State::Lost(lost.clone()),
        }
    }

    fn spawn(&mut self, client: ClientId, order: SpawnOrder, now: Millis) -> Vec<Action> {
        let attempt = order.attempt;
        if let Some(live) = &mut self.live {
            return match live {
                _ if attempt < live.attempt() => refuse(client, stale(attempt, live.attempt())),
                _ if attempt > live.attempt() => refuse(client, busy("spawn", Some(attempt), live)),
                Live::Starting { askers, .. } => {
                    askers.push(client);
                    Vec::new()
                }
                Live::Running(started) | Live::Ending(started) => {
                    vec![Action::Send(client, Reply::Started(started.clone()))]
                }
            };
        }
        match (&self.settled, self.settled.attempt()) {
            (_, Some(seen)) if attempt < seen => refuse(client, stale(attempt, seen)),
            (Settled::Exited(exited), Some(seen)) if attempt == seen => {
                vec![Action::Send(client, Reply::Exited(exited.clone()))]
            }
            (Settled::Lost(lost), Some(seen)) if attempt == seen => refuse(client, lost_refusal(lost)),
            _ => {
                self.live = Some(Live::Starting { order, askers: vec![client], lock: LockWait::default() });
                self.note_idleness(now);
                vec![Action::TrySpawn]
            }
        }
    }

    fn control(&self, client: ClientId, attempt: u32, line: String) -> Vec<Action> {
        let lost =
            matches!(&self.settled, Settled::Lost(lost) if lost.attempt == attempt && self.live.is_none());
        match self.not_running("control", attempt) {
            Some(refused) if !lost => refuse(client, refused),
            _ => match bad_control_line(attempt, &line) {
                Some(refused) => refuse(client, refused),
                None => vec![Action::Deliver { client, attempt, line }],
            },
        }
    }

    /// Guards everything that acts on a worker, so that no other process is ever meant.
    fn not_running(&self, op: &str, attempt: u32) -> Option<Refused> {
        let message = match &self.live {
            Some(Live::Running(started)) if started.attempt == attempt => return None,
            Some(live) => format!("attempt {attempt} is not running, attempt {} is here", live.attempt()),
            None => format!("attempt {attempt} is not running, no attempt is"),
        };
        Some(Refused::new(op, Some(attempt), RefusalCode::NotRunning, message))
    }

    fn broadcast(&self, reply: &Reply) -> Vec<Action> {
        self.greeted.iter().map(|&client| Action::Send(client, reply.clone())).collect()
    }

    fn note_idleness(&mut self, now: Millis) {
        let idle = self.live.is_none() && self.greeted.is_empty();
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
    }
}
