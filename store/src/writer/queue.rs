//! The bounded queue in front of the writing thread.
//!
//! A standard channel can be full or closed, but cannot promise that a batch accepted while it
//! closes is still drained, nor wake a thread that waits between two attempts. One lock around a
//! deque and the closing deadline can. It is held for moments only, never during a write.

use super::SubmitError;
use crate::row::Batch;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Batch>,
    /// Set once: until when a failing ledger is tried again.
    closing: Option<Instant>,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
enum Ended {
    /// The thread has given every batch an outcome; so many of them were not written.
    Orderly { unwritten: usize },
    /// The thread panicked.
    Panicked,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), changed: Condvar::new() }
    }

    /// No code that can panic runs under the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: Batch) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.closing.is_some() || state.ended.is_some() {
            return Err(SubmitError::Closed(batch));
        }
        if state.waiting.len() >= self.capacity {
            return Err(SubmitError::Full(batch));
        }
        state.waiting.push_back(batch);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for batches and takes as many as fit a group of `rows_max` rows, at least one.
    /// `None` once the queue is closed and empty.
    pub(super) fn next_group(&self, rows_max: usize) -> Option<Vec<Batch>> {
        let idle = |state: &mut State| state.waiting.is_empty() && state.closing.is_none();
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let mut group: Vec<Batch> = state.waiting.pop_front().into_iter().collect();
        let mut rows = group.first()?.rows.len();
        while let Some(next) = state.waiting.front() {
            rows = rows.saturating_add(next.rows.len());
            if rows > rows_max {
                break;
            }
            group.extend(state.waiting.pop_front());
        }
        Some(group)
    }

    /// Waits between two attempts; a closing queue cuts the wait at its deadline. False when that
    /// deadline has passed and the thread should give up.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let until = now.checked_add(pause).unwrap_or(now);
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|deadline| deadline <= now) {
                return false;
            }
            if until <= now {
                return true;
            }
            let wake_at = state.closing.map_or(until, |deadline| deadline.min(until));
            let waited = self.changed.wait_timeout(state, wake_at.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes everything that waits; used when the thread gives up.
    pub(super) fn take_all(&self) -> VecDeque<Batch> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Closes the queue; the first deadline given stays.
    pub(super) fn close(&self, deadline: Instant) {
        self.lock().closing.get_or_insert(deadline);
        self.changed.notify_all();
    }

    /// The thread's last word; the first one counts.
    fn end(&self, ended: Ended) {
        self.lock().ended.get_or_insert(ended);
        self.changed.notify_all();
    }

    pub(super) fn end_orderly(&self, unwritten: usize) {
        self.end(Ended::Orderly { unwritten });
    }

    pub(super) fn end_panicked(&self) {
        self.end(Ended::Panicked);
    }

    /// Waits until the thread has ended in order and says how many batches it left unwritten;
    /// `None` if it panicked or did not end within the time given.
    pub(super) fn wait_until_ended(&self, within: Duration) -> Option<usize> {
        let running = |state: &mut State| state.ended.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), within, running);
        match waited.unwrap_or_else(PoisonError::into_inner).0.ended {
            Some(Ended::Orderly { unwritten }) => Some(unwritten),
            Some(Ended::Panicked) | None => None,
        }
    }
}
