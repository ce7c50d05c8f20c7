//! The path of a word from the caller to the file: telemetry at most ten times a second and newest
//! only, everything else at once and after what was said before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::outlet::Outlet;
use crate::payload::Fields;
use crate::telemetry::{Line, Telemetry};

/// Speaks for one worker. Dropping it writes what is still waiting.
#[derive(Debug)]
pub(crate) struct Emitter(Arc<Shared>);

/// Locks are taken in the order `outlet`, `waiting`; `waiting` is never held across a write, so that a
/// slow disk delays no report of progress.
#[derive(Debug)]
struct Shared {
    outlet: Mutex<Outlet>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    telemetry: Telemetry,
    closed: bool,
}

impl Emitter {
    /// `beat`: a sign of life is said when nothing else was reported for so long.
    pub(crate) fn new(outlet: Outlet, beat: Duration) -> Self {
        let shared = Arc::new(Shared {
            outlet: Mutex::new(outlet),
            waiting: Mutex::default(),
            wake: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let telemetry = Arc::clone(&shared);
        // Without this thread telemetry waits for the next word that is not; nothing is lost.
        drop(
            std::thread::Builder::new()
                .name("pulse-emit".into())
                .spawn(move || telemetry.emit_when_due(beat)),
        );
        Self(shared)
    }

    /// Words that could not be written, whole lines and metric values alike.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Writes an event that must not be lost, after the telemetry that was reported before it.
    pub(crate) fn say(&self, event_type: &str, payload: Fields) {
        let at = SystemTime::now();
        let mut outlet = lock(&self.0.outlet);
        self.0.drain(&mut outlet);
        if !outlet.write(event_type, payload, at) {
            self.0.count_dropped(1);
        }
    }

    /// Adds to the telemetry and leaves the writing to the thread, so that not even a disk that hangs is
    /// felt by the caller. `add` returns how much found no room.
    pub(crate) fn report(&self, add: impl FnOnce(&mut Telemetry, SystemTime) -> u64) {
        let at = SystemTime::now();
        let first = {
            let mut waiting = lock(&self.0.waiting);
            let first = waiting.telemetry.is_empty();
            self.0.count_dropped(add(&mut waiting.telemetry, at));
            first
        };
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Writes what is waiting, due or not.
    pub(crate) fn flush(&self) {
        self.0.drain(&mut lock(&self.0.outlet));
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        lock(&self.0.waiting).closed = true;
        self.0.wake.notify_one();
        self.flush();
    }
}

impl Shared {
    fn drain(&self, outlet: &mut Outlet) {
        let lines = lock(&self.waiting).telemetry.take(Instant::now());
        self.write(outlet, lines);
    }

    /// Between the thread's look at the clock and its turn at the file, somebody else may have said it.
    fn drain_due(&self, outlet: &mut Outlet) {
        let lines = lock(&self.waiting).telemetry.take_due(Instant::now());
        self.write(outlet, lines);
    }

    fn write(&self, outlet: &mut Outlet, lines: Vec<Line>) {
        for line in lines {
            if !outlet.write(line.event_type, line.payload, line.at) {
                self.count_dropped(1);
            }
        }
    }

    /// Says telemetry when its time has come: the first of a burst at once, the last one too.
    fn emit_when_due(&self, beat: Duration) {
        let mut waiting = lock(&self.waiting);
        while !waiting.closed {
            let now = Instant::now();
            waiting = match waiting.telemetry.due(now) {
                None => {
                    let woken = self.wake.wait_timeout(waiting, beat);
                    let (mut waiting, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && waiting.telemetry.is_empty() {
                        waiting.telemetry.heartbeat(SystemTime::now());
                    }
                    waiting
                }
                Some(due) if due > now => {
                    let woken = self.wake.wait_timeout(waiting, due - now);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    drop(waiting);
                    self.drain_due(&mut lock(&self.outlet));
                    lock(&self.waiting)
                }
            };
        }
    }

    fn count_dropped(&self, words: u64) {
        if words > 0 {
            self.dropped.fetch_add(words, Ordering::Relaxed);
        }
    }
}

/// A panic elsewhere in the worker must not silence the worker: the data behind our locks is whole
/// between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
