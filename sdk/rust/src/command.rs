//! What the supervisor asks of a running worker, and the box in which it waits to be read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

/// Commands that may wait unread. A worker that reads none for so long is told only the newest.
const WAITING_MAX: usize = 64;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Save a checkpoint, say `run_complete`, and exit.
    Stop,
    /// Save a checkpoint and go on.
    Checkpoint,
    /// Save a checkpoint and hold until `Resume` or `Stop`.
    Pause,
    /// Go on after `Pause`.
    Resume,
    /// Change settings on the fly; which ones is between the workload and its user.
    Configure,
}

/// One line from the supervisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What is asked.
    pub verb: Verb,
    /// Every other field of the line.
    pub arguments: Map<String, Value>,
}

impl Command {
    /// Reads `{"cmd": …}`; `None` for anything else, as a newer supervisor may know more words.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let mut arguments = match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => fields,
            _ => return None,
        };
        let verb = match arguments.remove("cmd")?.as_str()? {
            "stop" => Verb::Stop,
            "checkpoint" => Verb::Checkpoint,
            "pause" => Verb::Pause,
            "resume" => Verb::Resume,
            "configure" => Verb::Configure,
            _ => return None,
        };
        Some(Self { verb, arguments })
    }
}

/// Commands not yet read, oldest first. `stop` is also remembered apart from them, for ever.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<VecDeque<Command>>,
    arrived: Condvar,
    /// The length of `waiting`, so that a training loop which asks at every step takes no lock.
    count: AtomicUsize,
    stop: AtomicBool,
    ignored: AtomicU64,
}

impl Inbox {
    pub(crate) fn put(&self, command: Command) {
        if command.verb == Verb::Stop {
            self.stop.store(true, Ordering::Release);
        }
        let mut waiting = self.lock();
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
            self.count_ignored();
        }
        waiting.push_back(command);
        self.count.store(waiting.len(), Ordering::Release);
        self.arrived.notify_all();
    }

    pub(crate) fn take(&self) -> Option<Command> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.take_from(&mut self.lock())
    }

    /// Waits for a command for at most `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Option<Command> {
        let woken = self.arrived.wait_timeout_while(self.lock(), limit, |waiting| waiting.is_empty());
        self.take_from(&mut woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Lines that were no command, and commands pushed out unread.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    pub(crate) fn count_ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    fn take_from(&self, waiting: &mut VecDeque<Command>) -> Option<Command> {
        let command = waiting.pop_front();
        self.count.store(waiting.len(), Ordering::Release);
        command
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn command(verb: Verb) -> Command {
        Command { verb, arguments: Map::new() }
    }

    #[test]
    fn every_verb_of_the_contract_is_read_with_its_arguments() {
        for (word, verb) in [
            ("stop", Verb::Stop),
            ("checkpoint", Verb::Checkpoint),
            ("pause", Verb::Pause),
            ("resume", Verb::Resume),
            ("configure", Verb::Configure),
        ] {
            let line = json!({"cmd": word, "lr": 0.1}).to_string();
            let parsed = Command::parse(line.as_bytes()).unwrap();
            assert_eq!((parsed.verb, Value::from(parsed.arguments)), (verb, json!({"lr": 0.1})));
        }
    }

    #[test]
    fn anything_else_is_no_command() {
        for line in ["", "stop", "[]", "{}", "{\"cmd\":7}", "{\"cmd\":\"dance\"}", "{\"cmd\":\"stop\""] {
            assert_eq!(Command::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn commands_are_read_in_the_order_they_came() {
        let inbox = Inbox::default();
        [Verb::Pause, Verb::Checkpoint, Verb::Resume].into_iter().for_each(|verb| inbox.put(command(verb)));
        let read = std::iter::from_fn(|| inbox.take()).map(|command| command.verb);
        assert!(read.eq([Verb::Pause, Verb::Checkpoint, Verb::Resume]));
    }

    #[test]
    fn an_unread_inbox_keeps_the_newest_and_never_forgets_stop() {
        let inbox = Inbox::default();
        inbox.put(command(Verb::Stop));
        (0..WAITING_MAX).for_each(|_| inbox.put(command(Verb::Checkpoint)));
        assert_eq!(std::iter::from_fn(|| inbox.take()).count(), WAITING_MAX);
        assert_eq!((inbox.stop_requested(), inbox.ignored()), (true, 1));
    }

    #[test]
    fn a_wait_ends_with_the_command_it_waited_for() {
        let inbox = Inbox::default();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| inbox.wait(Duration::from_secs(60)));
            inbox.put(command(Verb::Resume));
            assert_eq!(waiter.join().unwrap(), Some(command(Verb::Resume)));
        });
    }
}
