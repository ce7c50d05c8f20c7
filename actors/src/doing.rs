//! What an actor is doing: for the log when it dies, and for the thread that watches whether
//! the actors still move.

use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The message that an actor is handling, or handled last. Only kinds and ids are kept, never
/// contents: a log must not show a worker's words or a user's environment.
#[derive(Debug, Default)]
pub(crate) struct Doing {
    what: Mutex<String>,
    /// Monotonic time since which it is at it; 0 = idle.
    since_mono_ms: AtomicU64,
    #[cfg(test)]
    bombs: AtomicU64,
}

/// While this lives, the actor is busy.
pub(crate) struct Busy<'a>(&'a Doing);

impl Doing {
    /// The actor begins to handle a message.
    pub(crate) fn begin(&self, what: String) -> Busy<'_> {
        *self.what.lock().unwrap_or_else(PoisonError::into_inner) = what;
        self.since_mono_ms.store(clock::now().mono_ms.max(1), Ordering::Relaxed);
        let busy = Busy(self);
        #[cfg(test)]
        if self.bombs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            panic!("a bomb of the tests");
        }
        busy
    }

    /// The message it handled last.
    pub(crate) fn last(&self) -> String {
        self.what.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long it has been at one message, in milliseconds; 0 when idle.
    pub(crate) fn busy_ms(&self, now_mono_ms: u64) -> u64 {
        match self.since_mono_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => now_mono_ms.saturating_sub(since),
        }
    }

    /// The next so many messages make the actor panic.
    #[cfg(test)]
    pub(crate) fn plant(&self, bombs: u64) {
        self.bombs.store(bombs, Ordering::Relaxed);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.since_mono_ms.store(0, Ordering::Relaxed);
    }
}

/// Kind and ids of a message, for logs.
pub(crate) trait Summary {
    /// E.g. `Observed Exited of run 8c1d9e77 attempt 2`.
    fn summary(&self) -> String;
}
