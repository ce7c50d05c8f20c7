//! Folding repeats of errors: a flood of the same error becomes a few events that count.
//!
//! The first passes at once. Repeats are held, and released when as many are held as have been
//! released before (1, 1, 2, 4, 8, …), so that a flood of n makes about log₂ n events and is
//! still seen early; or when the first held one is ten seconds old. Whatever is released, all
//! that is held goes with it in the order of the file: the ledger remembers one offset up to
//! which everything has been recorded, and nothing that is held may lie below it.

use crate::codes::Code;
use crate::hash::fnv1a;
use crate::moment::Moment;
use std::collections::BTreeMap;

/// Repeats within this long are one, in milliseconds.
pub const WINDOW_MS: u64 = 10_000;
/// Errors told apart at a time; the one not seen for longest gives way.
pub const KEYS_MAX: usize = 64;

/// What makes two errors the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    code: Code,
    target: Option<String>,
    message_hash: u64,
}

impl Key {
    /// Of an error's code, target and message.
    #[must_use]
    pub fn new(code: &Code, target: Option<&str>, message: &str) -> Self {
        // 64 keys at a time never meet by accident.
        let message_hash = fnv1a(message.bytes());
        Self { code: code.clone(), target: target.map(str::to_owned), message_hash }
    }
}

/// Errors that became one.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded<V> {
    /// The newest of them.
    pub value: V,
    /// How many they are, at least 1.
    pub count: u64,
    /// When the first of them was heard.
    pub first_at: Moment,
    /// When the newest of them was heard.
    pub last_at: Moment,
    /// File offset behind the newest of them. Everything that was put in before it has been
    /// released by now.
    pub upto: u64,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    released: u64,
    seen_at: Moment,
    held: Option<Folded<V>>,
}

/// The folder of one run's errors. Errors that end the attempt are not for it: flush, then
/// record them at once. Flush also before any other class A word and before the worker's exit.
#[derive(Debug, Clone)]
pub struct Folder<V> {
    entries: BTreeMap<Key, Entry<V>>,
}

impl<V> Default for Folder<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<V> Folder<V> {
    /// Takes in one error whose line ends at offset `upto`, and returns what is to be recorded
    /// now, in that order; nothing if it is held.
    pub fn put(&mut self, key: Key, value: V, upto: u64, now: Moment) -> Vec<Folded<V>> {
        self.forget(now);
        let mut released = Vec::new();
        if !self.entries.contains_key(&key) {
            released = self.flush();
            self.make_room();
        }
        let entry = self.entries.entry(key).or_insert(Entry { released: 0, seen_at: now, held: None });
        entry.seen_at = now;
        let held = match entry.held.take() {
            None => Folded { value, count: 1, first_at: now, last_at: now, upto },
            Some(held) => Folded { value, count: held.count.saturating_add(1), last_at: now, upto, ..held },
        };
        let enough = held.count >= entry.released;
        entry.held = Some(held);
        released.extend(if enough { self.flush() } else { self.due(now) });
        released
    }

    /// An error that has not come back within the window is a new one when it does.
    fn forget(&mut self, now: Moment) {
        self.entries.retain(|_, entry| entry.held.is_some() || now.ms_since(entry.seen_at) < WINDOW_MS);
    }

    /// Lets go of the error not seen for longest. Nothing is held when this is called.
    fn make_room(&mut self) {
        while self.entries.len() >= KEYS_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.seen_at.mono_ms);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.entries.remove(&oldest);
        }
    }

    /// What is to be recorded at `now` because the first held one is ten seconds old.
    pub fn due(&mut self, now: Moment) -> Vec<Folded<V>> {
        if self.next_due().is_some_and(|due| due <= now.mono_ms) { self.flush() } else { Vec::new() }
    }

    /// Everything held, in the order of the file.
    pub fn flush(&mut self) -> Vec<Folded<V>> {
        let mut released: Vec<_> = self
            .entries
            .values_mut()
            .filter_map(|entry| {
                let held = entry.held.take()?;
                entry.released = entry.released.saturating_add(held.count);
                Some(held)
            })
            .collect();
        released.sort_by_key(|folded| folded.upto);
        released
    }

    /// When [`Folder::due`] has something next, on the monotonic clock; `None` if nothing is
    /// held.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let firsts = self.entries.values().filter_map(|entry| entry.held.as_ref());
        firsts.map(|held| held.first_at.mono_ms.saturating_add(WINDOW_MS)).min()
    }

    /// Errors told apart at present, at most [`KEYS_MAX`].
    #[must_use]
    pub fn keys(&self) -> usize {
        self.entries.len()
    }
}
