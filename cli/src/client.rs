//! The daemon's API from the client's side: on this machine one request, one connection, one
//! deadline; on another one questions through a NATS server. Both give the same answers.

mod calls;
pub(crate) mod far;
mod here;
mod patience;
pub(crate) mod stream;
pub(crate) mod there;
mod wire;

use crate::client::far::FarError;
use crate::client::there::There;
use crate::client::wire::Socket;
use resus_core::api::Problem;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A daemon that lives says so within this, whatever else it does. With a command's own start, and
/// [`ANSWER_DEADLINE`] in place of it, nobody waits 3 s to hear that it hangs.
pub(crate) const SIGN_DEADLINE: Duration = Duration::from_secs(2);
/// A daemon that lives answers a question from memory within this; what takes longer hangs.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_millis(2500);
/// A history may have to be read from its beginning before its end can be told.
const STORY_DEADLINE: Duration = Duration::from_secs(30);
/// A command is answered when it is on disk; the daemon itself gives up after 11 s.
const COMMAND_DEADLINE: Duration = Duration::from_secs(13);

/// Many runs are measured, and what goes of them is recorded, before this is answered.
const SWEEP_DEADLINE: Duration = Duration::from_secs(300);

/// How a daemon is asked. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client(Wire);

#[derive(Debug, Clone)]
enum Wire {
    /// On this machine.
    Socket(Socket),
    /// Through a NATS server.
    Nats(There),
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
    /// A daemon on another machine can't be asked.
    #[error(transparent)]
    Far(#[from] FarError),
}

impl ClientError {
    /// Whether it may go better with the same or another daemon in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Nobody { .. } | Self::Silent { .. } | Self::Broken { .. } => true,
            // 503: the ledger can't be written just now, or too many wait.
            Self::Refused(problem) => problem.status == 503,
            Self::Foreign { .. } => false,
            Self::Far(error) => error.is_passing(),
        }
    }
}

impl ClientError {
    /// Whether it is worth waiting before the question is put again even though somebody is there:
    /// what they said would be said again at once.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Far(_) | Self::Foreign { .. } => true,
            Self::Nobody { .. } | Self::Silent { .. } | Self::Broken { .. } => false,
        }
    }

    /// Whether somebody is there and says nothing.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Far(error) => error.is_silence(),
            Self::Nobody { .. } | Self::Broken { .. } | Self::Foreign { .. } | Self::Refused(_) => false,
        }
    }
}

fn of_pid(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl Client {
    /// A client of the daemon that listens on `socket`.
    pub(crate) fn new(socket: PathBuf, pid: Option<u32>) -> Self {
        Self(Wire::Socket(Socket { path: socket, pid }))
    }

    /// A client of a daemon on another machine.
    pub(crate) fn of_there(there: There) -> Self {
        Self(Wire::Nats(there))
    }
}

#[cfg(test)]
mod tests;
