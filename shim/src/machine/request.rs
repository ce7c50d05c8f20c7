//! What the machine does about requests.

use super::refusal::{bad_control_line, busy, dropped, lost_refusal, refuse, stale};
use super::{About, Action, ClientId, Live, LockWait, Machine, Millis, Settled};
use crate::protocol::{Hello, RefusalCode, Refused, Reply, Request, SignalName, SpawnOrder, State, VERSION};

impl Machine {
    /// One request of one client.
    pub(crate) fn on_request(&mut self, client: ClientId, request: Request, now: Millis) -> Vec<Action> {
        let op = request.op();
        if !self.greeted.contains(&client) && !matches!(request, Request::Hello { .. }) {
            return refuse(client, Refused::new(op, None, RefusalCode::HelloFirst, "say hello first"));
        }
        match request {
            Request::Hello { v } => self.hello(client, v, now),
            Request::Spawn(order) => self.spawn(client, order, now),
            Request::Signal { attempt, signal } => self.signal(client, attempt, signal, now),
            Request::KillTree { attempt } => self.kill_tree(client, attempt, now),
            Request::Freeze { attempt } => match self.out_of_reach(op, attempt) {
                None => vec![Action::Freeze { client, attempt }],
                Some(refused) => refuse(client, refused),
            },
            Request::Thaw { attempt } => match self.out_of_reach(op, attempt) {
                None => vec![Action::Thaw { client, attempt }],
                Some(refused) => refuse(client, refused),
            },
            Request::Control { attempt, line } => self.control(client, attempt, line),
            Request::Quit => self.quit(client, now),
            Request::Bye => {
                self.revive.dismiss();
                vec![done(client, op, None, None)]
            }
        }
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
        let starting = self.join_start(client);
        let About { build, run_id, shim_pid, boot_id } = self.about.clone();
        let hello = Hello { v: VERSION, build, run_id, shim_pid, boot_id, state: self.state(), starting };
        vec![Action::Send(client, Reply::Hello(hello))]
    }

    /// Lets a client hear what becomes of the start that waits, if there is one; its attempt.
    fn join_start(&mut self, client: ClientId) -> Option<u32> {
        match &mut self.live {
            Some(Live::Starting { order, askers, .. }) => {
                if !askers.contains(&client) {
                    askers.push(client);
                }
                Some(order.attempt)
            }
            Some(Live::Running(_) | Live::Ending(_)) | None => None,
        }
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
        if let Some(live) = &self.live {
            return match live {
                _ if attempt < live.attempt() => refuse(client, stale(attempt, live.attempt())),
                _ if attempt > live.attempt() => refuse(client, busy("spawn", Some(attempt), live.attempt())),
                Live::Starting { .. } => {
                    self.join_start(client);
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

    fn signal(&mut self, client: ClientId, attempt: u32, signal: SignalName, now: Millis) -> Vec<Action> {
        if signal.means_stop() && self.waits_to_start(attempt) {
            return self.drop_start(client, "signal", Some(attempt), now);
        }
        match self.out_of_reach("signal", attempt) {
            None => vec![Action::Signal { client, attempt, signal }],
            Some(refused) => refuse(client, refused),
        }
    }

    fn kill_tree(&mut self, client: ClientId, attempt: u32, now: Millis) -> Vec<Action> {
        if self.waits_to_start(attempt) {
            return self.drop_start(client, "kill_tree", Some(attempt), now);
        }
        match self.out_of_reach("kill_tree", attempt) {
            None => vec![Action::KillTree, done(client, "kill_tree", Some(attempt), None)],
            Some(refused) => refuse(client, refused),
        }
    }

    fn control(&self, client: ClientId, attempt: u32, line: String) -> Vec<Action> {
        let lost =
            matches!(&self.settled, Settled::Lost(lost) if lost.attempt == attempt && self.live.is_none());
        match self.out_of_reach("control", attempt) {
            Some(refused) if !lost => refuse(client, refused),
            _ => match bad_control_line(attempt, &line) {
                Some(refused) => refuse(client, refused),
                None => vec![Action::Deliver { client, attempt, line }],
            },
        }
    }

    fn quit(&mut self, client: ClientId, now: Millis) -> Vec<Action> {
        let living = match &self.live {
            Some(Live::Running(started) | Live::Ending(started)) => Some(started.attempt),
            Some(Live::Starting { .. }) | None => {
                self.watched().filter(|lost| lost.alive).map(|lost| lost.attempt)
            }
        };
        if let Some(living) = living {
            return refuse(client, busy("quit", None, living));
        }
        let mut actions = self.drop_start(client, "quit", None, now);
        if self.has_worker() {
            // It has ended, only the record of that is missing: nobody would write it later.
            self.asked_to_leave = true;
        } else {
            actions.push(Action::Leave);
        }
        actions
    }

    fn waits_to_start(&self, attempt: u32) -> bool {
        matches!(&self.live, Some(Live::Starting { order, .. }) if order.attempt == attempt)
    }

    /// Gives up a start that waits for the run's lock, if there is one, and says that `op` is
    /// done. Whoever asked for the start hears of it first.
    fn drop_start(&mut self, client: ClientId, op: &str, attempt: Option<u32>, now: Millis) -> Vec<Action> {
        let waiting = self.order().map(|order| order.attempt);
        let told = waiting.map(|waiting| self.on_spawn_failed(&dropped(waiting, op), now));
        told.into_iter().flatten().chain([done(client, op, attempt, waiting)]).collect()
    }

    /// Guards everything that acts on a worker, so that no other process is ever meant: `None`
    /// if `attempt` is the running one, or the one of an earlier shim that this one watches.
    fn out_of_reach(&self, op: &str, attempt: u32) -> Option<Refused> {
        let message = match &self.live {
            Some(Live::Running(started)) if started.attempt == attempt => return None,
            _ if self.watched().is_some_and(|lost| lost.attempt == attempt) => return None,
            Some(live) => format!("attempt {attempt} is not running, attempt {} is here", live.attempt()),
            None => format!("attempt {attempt} is not running, no attempt is"),
        };
        Some(Refused::new(op, Some(attempt), RefusalCode::NotRunning, message))
    }
}

fn done(client: ClientId, op: &str, attempt: Option<u32>, dropped: Option<u32>) -> Action {
    Action::Send(client, Reply::Done { op: op.to_owned(), attempt, dropped })
}
