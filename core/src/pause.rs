//! Pausing: why a run pauses, and how far its worker has come on the way.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a run is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// A user asked for it.
    User,
    /// Too large a share of the work failed.
    ErrorRate,
}

impl PauseCause {
    /// The reason code of PULSE.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::User => "REQUESTED",
            Self::ErrorRate => "ERROR_RATE_EXCEEDED",
        }
    }
}

/// How far a pause has come. The first four are on the way, the others are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseStep {
    /// Remembered: it begins as soon as the worker is ready.
    Wanted,
    /// The worker has been asked to save a checkpoint and to hold.
    Asked,
    /// Its processes are being stopped (SIGSTOP), because it can't be asked or did not answer.
    Freezing,
    /// It has been asked to save a checkpoint and to leave.
    Releasing,
    /// The worker idles, and said so.
    Held,
    /// Its processes are stopped; their memory is kept.
    Frozen,
    /// There is no worker: a resume begins another attempt.
    Released,
}

impl PauseStep {
    /// The word shown to people and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Asked => "asked",
            Self::Freezing => "freezing",
            Self::Releasing => "releasing",
            Self::Held => "held",
            Self::Frozen => "frozen",
            Self::Released => "released",
        }
    }

    /// The run is paused: nothing of it works.
    #[must_use]
    pub fn is_reached(self) -> bool {
        matches!(self, Self::Held | Self::Frozen | Self::Released)
    }
}

impl fmt::Display for PauseStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pause, from the wish for it to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why it began.
    pub cause: PauseCause,
    /// Who asked last.
    pub requested_by: Option<String>,
    /// The worker is to leave, not only to hold.
    pub release: bool,
    /// How far it has come.
    pub step: PauseStep,
    /// The worker went on by itself while it was held, and has been asked once more. The next
    /// time it is frozen.
    pub asked_again: bool,
}
