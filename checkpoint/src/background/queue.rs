//! Which snapshot is saved next, and what becomes of one that was not saved. Pure: no thread, no file, no
//! clock; what a snapshot is does not matter here.
//!
//! ```text
//!          put                     saved
//! idle ──────────► saving ─────────────────────► idle, or saving what waits
//!                  │  ▲ │ failed twice, nothing waits ► idle
//!           failed │  │ due
//!                  ▼  │
//!                 resting (a put takes the place of what would be tried again)
//! ```

use std::mem;
use std::time::{Duration, Instant};

/// At most one snapshot with the writer, and at most one that comes next.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: State<T>,
    waiting: Option<T>,
    retry_delay: Duration,
    is_closed: bool,
}

#[derive(Debug)]
enum State<T> {
    Idle,
    /// A snapshot is with the writer.
    Saving {
        is_retry: bool,
    },
    /// The last try failed: `next` is not begun before `due`. Nothing else waits meanwhile.
    Resting {
        next: T,
        is_retry: bool,
        due: Instant,
    },
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// Save this, and say how it [ended](Queue::ended).
    Save(T),
    /// Ask again at that time, or when something was put.
    WaitUntil(Instant),
    /// Ask again when something was put, or at the close.
    Wait,
    /// Nothing will come any more.
    End,
}

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Saved,
    /// Another time it may go better.
    Failed,
    /// It would fail every time.
    Hopeless,
}

/// What became of a snapshot whose try is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended<T> {
    /// It is done with: saved.
    Saved(T),
    /// It failed, and is kept for a second try after the delay.
    TriedAgain,
    /// It failed and is done with: this was its second try, or a newer one comes next, or it is hopeless.
    GivenUp(T),
}

/// Where a snapshot came to stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    /// Whether it begins only when something before it is over.
    pub is_behind: bool,
    /// The older one whose place it took, which will not be saved (any more).
    pub displaced: Option<T>,
}

impl<T> Queue<T> {
    /// Nothing to do yet. After a failed try nothing is begun for `retry_delay`.
    pub(super) fn new(retry_delay: Duration) -> Self {
        Self { state: State::Idle, waiting: None, retry_delay, is_closed: false }
    }

    /// Whether a snapshot is with the writer, or comes next.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.is_some() || !matches!(self.state, State::Idle)
    }

    /// Takes back the snapshot that waits behind the one under way, for a newer one to be put in its
    /// place. One that is to be tried again is not taken back.
    pub(super) fn take_waiting(&mut self) -> Option<T> {
        self.waiting.take()
    }

    /// A snapshot is to be saved; it is newer than all before it.
    pub(super) fn put(&mut self, item: T) -> Placed<T> {
        match &mut self.state {
            State::Resting { next, is_retry, .. } => {
                *is_retry = false;
                Placed { is_behind: true, displaced: Some(mem::replace(next, item)) }
            }
            State::Saving { .. } => Placed { is_behind: true, displaced: self.waiting.replace(item) },
            State::Idle => Placed { is_behind: false, displaced: self.waiting.replace(item) },
        }
    }

    /// No more will be put. What is under way or comes next is still saved.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What the writer, who has nothing to write, does at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Step<T> {
        match mem::replace(&mut self.state, State::Idle) {
            State::Idle => match self.waiting.take() {
                Some(item) => {
                    self.state = State::Saving { is_retry: false };
                    Step::Save(item)
                }
                None if self.is_closed => Step::End,
                None => Step::Wait,
            },
            State::Resting { next, is_retry, due } if due <= now => {
                self.state = State::Saving { is_retry };
                Step::Save(next)
            }
            resting @ State::Resting { due, .. } => {
                self.state = resting;
                Step::WaitUntil(due)
            }
            saving @ State::Saving { .. } => {
                self.state = saving;
                Step::Wait
            }
        }
    }

    /// The try of `item`, which [`Queue::next`] gave out, is over at `now`.
    pub(super) fn ended(&mut self, item: T, outcome: Outcome, now: Instant) -> Ended<T> {
        let was_retry = matches!(self.state, State::Saving { is_retry: true });
        self.state = State::Idle;
        match outcome {
            Outcome::Saved => return Ended::Saved(item),
            // The disk may be well: what waits need not rest.
            Outcome::Hopeless => return Ended::GivenUp(item),
            Outcome::Failed => {}
        }
        // A clock at its very end: then at once is as good as never.
        let due = now.checked_add(self.retry_delay).unwrap_or(now);
        if let Some(newer) = self.waiting.take() {
            self.state = State::Resting { next: newer, is_retry: false, due };
            return Ended::GivenUp(item);
        }
        if was_retry {
            return Ended::GivenUp(item);
        }
        self.state = State::Resting { next: item, is_retry: true, due };
        Ended::TriedAgain
    }
}

#[cfg(test)]
mod tests;
