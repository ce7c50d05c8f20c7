//! Failed units per bucket and kind, in bounded memory.

use super::{BUCKETS, Kind, PATTERN_MAX};
use crate::codes::Code;
use crate::text::one_line;

/// Kinds told apart in a window; further ones are counted together.
const KINDS: usize = 16;
/// Longest message kept per kind, in bytes.
const MESSAGE_BYTES_MAX: usize = 200;
/// What the kinds beyond [`KINDS`] are shown as.
const OTHER: &str = "OTHER";

/// Failures of the window. At most [`BUCKETS`] buckets and [`KINDS`] kinds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tally {
    /// Oldest first; only those in which something failed.
    buckets: Vec<Bucket>,
    kinds: Vec<(Code, String)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Bucket {
    index: u64,
    /// By place in `kinds`; the last is for all others.
    failed: [u32; KINDS + 1],
}

impl Tally {
    /// `count` units of this kind failed in bucket `index`, which is the newest.
    pub(super) fn add(&mut self, index: u64, code: &Code, message: &str, count: u32) {
        let kind = self.place(code, message);
        if self.buckets.last().is_none_or(|newest| newest.index < index) {
            self.buckets.push(Bucket { index, failed: [0; KINDS + 1] });
            self.forget(index);
        }
        let counter = self.buckets.last_mut().and_then(|newest| newest.failed.get_mut(kind));
        if let Some(counter) = counter {
            *counter = counter.saturating_add(count);
        }
    }

    /// Bucket `newest` has been reached: what is a window older leaves.
    pub(super) fn forget(&mut self, newest: u64) {
        self.buckets.retain(|bucket| bucket.index.saturating_add(BUCKETS) > newest);
    }

    /// Failed units in the window.
    pub(super) fn failed(&self) -> u64 {
        self.buckets.iter().flat_map(|bucket| bucket.failed).map(u64::from).sum()
    }

    /// The most frequent kinds, most frequent first; of two that are equal, the older first.
    pub(super) fn pattern(&self) -> Vec<Kind> {
        let named = self.kinds.iter().enumerate().map(|(place, (code, message))| Kind {
            code: code.clone(),
            count: self.of_kind(place),
            message: message.clone(),
        });
        let other = Kind { code: Code::new(OTHER), count: self.of_kind(KINDS), message: String::new() };
        let mut kinds: Vec<_> = named.chain([other]).filter(|kind| kind.count > 0).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        kinds.truncate(PATTERN_MAX);
        kinds
    }

    fn of_kind(&self, place: usize) -> u64 {
        self.buckets.iter().filter_map(|bucket| bucket.failed.get(place)).map(|n| u64::from(*n)).sum()
    }

    /// Where this kind is counted: its own place, a free one, one whose failures have all left
    /// the window, or the common one.
    fn place(&mut self, code: &Code, message: &str) -> usize {
        if let Some(place) = self.kinds.iter().position(|(known, _)| known == code) {
            return place;
        }
        let kind = (code.clone(), one_line(message, MESSAGE_BYTES_MAX));
        if self.kinds.len() < KINDS {
            self.kinds.push(kind);
            return self.kinds.len() - 1;
        }
        let empty = (0..KINDS).find(|place| self.of_kind(*place) == 0);
        match empty.and_then(|place| self.kinds.get_mut(place).map(|slot| (place, slot))) {
            Some((place, slot)) => {
                *slot = kind;
                place
            }
            None => KINDS,
        }
    }
}
