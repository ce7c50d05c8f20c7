//! What the shim does about what it hears: state and input in, [`Action`]s out. No clock,
//! process, file or socket; the server carries the actions out and reports back.

mod action;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use self::action::{About, Action, ClientId, Millis};
use crate::protocol::{Exited, Lost, Refused, Reply, SpawnOrder, Started};
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
    /// Since when there is neither a worker nor a client. (A lost one that is watched is one.)
    idle_since: Option<Millis>,
    /// Somebody sent us SIGTERM: leave as soon as no worker needs us.
    asked_to_leave: bool,
}

impl Machine {
    pub(crate) fn new(about: About, settled: Settled, can_revive: bool, now: Millis) -> Self {
        let revive = Revive::new(can_revive, &about.run_id);
        let (greeted, live, asked_to_leave) = (BTreeSet::new(), None, false);
        let mut machine = Self { about, settled, live, greeted, revive, idle_since: None, asked_to_leave };
        machine.note_idleness(now);
        machine
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

    /// The worker before is dead and what it leaves is being gathered, which ends by itself: the
    /// wait for the lock is counted from then on.
    pub(crate) fn on_predecessor_ending(&mut self, now: Millis) {
        if let Some(Live::Starting { lock, .. }) = &mut self.live {
            *lock = LockWait { since: None, retry_at: Some(now + LOCK_RETRY_MS) };
        }
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

    /// The watched worker of an earlier shim has ended; as [`Machine::on_exited`]. A start may
    /// have been waiting for that.
    pub(crate) fn on_lost_ended(&mut self, exited: Exited, now: Millis) -> Vec<Action> {
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
        if idle_too_long || (self.asked_to_leave && !self.has_worker()) {
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

    fn broadcast(&self, reply: &Reply) -> Vec<Action> {
        self.greeted.iter().map(|&client| Action::Send(client, reply.clone())).collect()
    }

    /// Whether this shim has a worker to look after, its own or an earlier one's.
    fn has_worker(&self) -> bool {
        self.live.is_some() || self.watched().is_some()
    }

    /// An earlier shim's worker that this one holds on to.
    fn watched(&self) -> Option<&Lost> {
        match &self.settled {
            Settled::Lost(lost) => Some(lost).filter(|lost| lost.watched),
            Settled::Idle | Settled::Exited(_) => None,
        }
    }

    fn note_idleness(&mut self, now: Millis) {
        let idle = !self.has_worker() && self.greeted.is_empty();
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
    }
}
