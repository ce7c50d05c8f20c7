//! What a saver tells.

use std::time::Duration;

use crate::meta::Meta;
use crate::save::{SaveError, Saved};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Nothing was under way: it begins now.
    Started,
    /// One is under way, or failed a moment ago: this one comes next.
    Coalesced {
        /// How far the training was at the request whose place it took, if one waited already. That one
        /// will not be saved.
        instead_of: Option<u64>,
    },
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No memory for a copy of the state.
    #[error("there is no memory for a copy of {bytes} bytes")]
    NoMemory {
        /// Size of the state.
        bytes: usize,
    },
    /// The saving thread has ended by a panic.
    #[error("the saving thread is gone")]
    Gone,
}

/// How one try to save went.
#[derive(Debug)]
pub struct Report {
    /// The name it was to have in the folder; which one it got says [`Saved::path`].
    pub file_name: String,
    /// How far the training was.
    pub games: u64,
    /// What else was known about the state.
    pub meta: Meta,
    /// How long the training stood still for the request.
    pub stall: Duration,
    /// Saved or not.
    pub end: SaveEnd,
}

/// How a try ended.
#[derive(Debug)]
pub enum SaveEnd {
    /// It lies on disk and was read back. Says where, how large it is and how long it took.
    Saved(Saved),
    /// It was not saved; it, or a newer one if that is asked for before, is tried after a while.
    Retried {
        /// Why.
        error: SaveError,
        /// How long until then.
        delay: Duration,
    },
    /// It was not saved, and will not be: this was the second try, or a newer one waits.
    GivenUp {
        /// Why.
        error: SaveError,
    },
}
