//! The daemon's API from the client's side: one request, one connection, one deadline.

mod calls;
pub(crate) mod stream;
mod wire;

use resus_core::api::Problem;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A daemon that lives answers a question from memory within this; what takes longer hangs.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
/// A history may have to be read from its beginning before its end can be told.
const STORY_DEADLINE: Duration = Duration::from_secs(30);
/// A command is answered when it is on disk; the daemon itself gives up after 11 s.
const COMMAND_DEADLINE: Duration = Duration::from_secs(13);

/// Where a daemon listens. Cheap to clone; connects anew for every request, so a daemon that
/// was restarted in between is no obstacle.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    /// Whom to name when it does not answer.
    pid: Option<u32>,
}

/// Why there was no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error("no daemon runs")]
    Nobody {
        /// The reason.
        source: io::Error,
    },
    /// Somebody listens and does not answer.
    #[error("the daemon{} does not answer (waited {} s)", of_pid(*pid), waited.as_secs())]
    Silent {
        /// Its process, if it is known.
        pid: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the daemon hung up in the middle of an answer")]
    Broken {
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not what this build understands.
    #[error("the daemon speaks another version of this program: {what}")]
    Foreign {
        /// What was not understood.
        what: String,
    },
    /// The daemon says no.
    #[error("{}", .0.title)]
    Refused(Box<Problem>),
}

impl ClientError {
    /// Whether it may go better with the same or another daemon in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Nobody { .. } | Self::Silent { .. } | Self::Broken { .. } => true,
            // 503: the ledger can't be written just now, or too many wait.
            Self::Refused(problem) => problem.status == 503,
            Self::Foreign { .. } => false,
        }
    }
}

fn of_pid(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl Client {
    /// A client of the daemon that listens on `socket`.
    pub(crate) fn new(socket: PathBuf, pid: Option<u32>) -> Self {
        Self { socket, pid }
    }
}

#[cfg(test)]
mod tests;
