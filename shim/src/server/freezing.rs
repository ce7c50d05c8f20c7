//! The server's part in freezing a tree: who waits for it, and what calls it off.

use super::{Server, done};
use crate::freeze::{self, Freezing, Frozen};
use crate::log::note;
use crate::machine::{Action, ClientId, Millis};
use crate::protocol::{RefusalCode, Refused, Reply};

impl Server {
    /// Begins to stop the tree, or joins those who wait for that.
    pub(super) fn freeze(&mut self, client: ClientId, attempt: u32) {
        let now = self.now();
        match &mut self.freezing {
            Some(freezing) => freezing.askers.push(client),
            None => self.freezing = Some(Freezing::new(attempt, client, now)),
        }
    }

    pub(super) fn advance_freeze(&mut self, now: Millis) {
        let Some(freezing) = &mut self.freezing else { return };
        let reply = match freezing.advance(&self.tree, now) {
            Frozen::NotYet => return,
            Frozen::All => done("freeze", freezing.attempt),
            Frozen::Failed(message) => freeze_failed("freeze", freezing.attempt, message),
        };
        self.answer_freeze(&reply);
    }

    /// Whoever waits for the tree to stop is told that it will not.
    pub(super) fn give_up_freezing(&mut self, why: &str) {
        if let Some(freezing) = &self.freezing {
            let reply = freeze_failed("freeze", freezing.attempt, why.to_owned());
            self.answer_freeze(&reply);
        }
    }

    /// The same; and all of it runs again.
    pub(super) fn call_off_freezing(&mut self, why: &str) {
        if self.freezing.is_none() {
            return;
        }
        self.give_up_freezing(why);
        if let Err(error) = freeze::thaw(&self.tree) {
            note!("cannot thaw all of the process tree: {error}");
        }
    }

    fn answer_freeze(&mut self, reply: &Reply) {
        for client in self.freezing.take().into_iter().flat_map(|freezing| freezing.askers) {
            self.peers.send(client, reply);
        }
    }

    pub(super) fn thaw(&mut self, client: ClientId, attempt: u32) -> Action {
        self.give_up_freezing("a client asked for the opposite");
        let reply = match freeze::thaw(&self.tree) {
            Ok(()) => done("thaw", attempt),
            Err(message) => freeze_failed("thaw", attempt, message),
        };
        Action::Send(client, reply)
    }
}

fn freeze_failed(op: &str, attempt: u32, message: String) -> Reply {
    Reply::Refused(Refused::new(op, Some(attempt), RefusalCode::FreezeFailed, message))
}
