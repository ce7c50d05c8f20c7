//! Why a daemon on another machine can't be asked, and what to check.

use resus_bus::nats::{NatsError, RequestError};
use resus_core::exit::ExitCode;
use std::time::Duration;

/// Why there was no good answer from another machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FarError {
    /// The server between us can't be used.
    #[error(transparent)]
    Server(#[from] NatsError),
    /// The server is there; no daemon is.
    #[error("no daemon answers in namespace {namespace} at {link}")]
    NoDaemon {
        /// Where it was looked for.
        namespace: String,
        /// The server's addresses.
        link: String,
    },
    /// The daemon that was named, or found before, does not answer any more.
    #[error("no daemon answers for node {node} at {link}")]
    Absent {
        /// Its machine.
        node: String,
        /// The server's addresses.
        link: String,
    },
    /// Whose daemon is meant?
    #[error("{} daemons answer: {}", nodes.len(), nodes.join(", "))]
    Several {
        /// Their machines.
        nodes: Vec<String>,
    },
    /// Nobody can say which of them answers.
    #[error("{daemons} daemons call themselves {node}")]
    Namesakes {
        /// What they call their machine.
        node: String,
        /// How many.
        daemons: usize,
    },
    /// A question was not answered, by a daemon that answers others.
    #[error("no answer came from the daemon of {node} (waited {} s)", waited.as_secs())]
    Silent {
        /// Its machine.
        node: String,
        /// How long was waited.
        waited: Duration,
    },
    /// Somebody listens and answers nothing.
    #[error("{daemon} does not answer (waited {} s)", waited.as_secs())]
    Hung {
        /// Which one, as far as that is known: by its machine, or by its namespace.
        daemon: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The server does not allow it to us.
    #[error("the NATS server does not allow it: {reason}")]
    Denied {
        /// Its words.
        reason: String,
    },
    /// The answer is not what this build understands.
    #[error("the daemon of {node} speaks another version of this program: {what}")]
    Foreign {
        /// Its machine.
        node: String,
        /// What was not understood.
        what: String,
    },
    /// It is asked for on the daemon's own machine only.
    #[error("a daemon is stopped on its own machine only")]
    HereOnly,
}

impl FarError {
    /// What a failed request to `node` through the server at `link` is. A service's own refusal
    /// is another kind of answer, and not made here.
    pub(super) fn of_request(error: RequestError, node: &str, link: &str) -> Self {
        let node = node.to_owned();
        match error {
            RequestError::Nobody { .. } => Self::Absent { node, link: link.to_owned() },
            RequestError::Silent { waited } => Self::Silent { node, waited },
            RequestError::Denied { reason } => Self::Denied { reason },
            RequestError::Connection(error) => Self::Server(error),
            RequestError::Service { code, words, .. } => {
                Self::Foreign { node, what: format!("an answer with code {code}: {words}") }
            }
        }
    }

    /// Whether it may go better in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Server(NatsError::Away { .. } | NatsError::Failed(_))
            | Self::NoDaemon { .. }
            | Self::Absent { .. }
            | Self::Hung { .. }
            | Self::Silent { .. } => true,
            Self::Server(NatsError::Refused { .. } | NatsError::Unusable { .. })
            | Self::Several { .. }
            | Self::Namesakes { .. }
            | Self::Denied { .. }
            | Self::Foreign { .. }
            | Self::HereOnly => false,
        }
    }

    /// Whether the question or its answer was lost on the way, so that nobody knows whether it
    /// was heard. That no daemon answers at all is no loss: the server says so at once.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::Server(NatsError::Away { .. } | NatsError::Failed(_)) | Self::Silent { .. } => true,
            Self::Server(NatsError::Refused { .. } | NatsError::Unusable { .. })
            | Self::NoDaemon { .. }
            | Self::Absent { .. }
            | Self::Hung { .. }
            | Self::Several { .. }
            | Self::Namesakes { .. }
            | Self::Denied { .. }
            | Self::Foreign { .. }
            | Self::HereOnly => false,
        }
    }

    /// Whether somebody is there and says nothing.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Hung { .. })
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> ExitCode {
        match self {
            Self::Several { .. } | Self::Namesakes { .. } | Self::HereOnly => ExitCode::Usage,
            Self::Denied { .. } => ExitCode::Refused,
            Self::Server(_) | Self::NoDaemon { .. } | Self::Absent { .. } => ExitCode::DaemonUnreachable,
            Self::Silent { .. } | Self::Hung { .. } => ExitCode::DaemonSilent,
            Self::Foreign { .. } => ExitCode::DaemonForeign,
        }
    }

    /// What to check or to type next.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::Server(NatsError::Away { .. } | NatsError::Failed(_)) => {
                "check the address (--nats, or resus context show) and that the server runs".to_owned()
            }
            Self::Server(NatsError::Refused { .. } | NatsError::Unusable { .. }) => {
                "check the user and the files of its credentials: resus context show".to_owned()
            }
            Self::NoDaemon { namespace, .. } => format!(
                "on the daemon's machine: resus daemon status; its bus.url has to name this server and its \
                 bus.namespace {namespace}, or say --namespace; after an outage it takes some seconds to come back"
            ),
            Self::Absent { node, .. } => {
                format!("on {node}: resus daemon status; or leave --node out to see who answers")
            }
            Self::Several { .. } => "choose one with --node NAME".to_owned(),
            Self::Namesakes { .. } => {
                "give one of them another name: daemon.node in its config.toml, then resus daemon restart"
                    .to_owned()
            }
            Self::Silent { node, .. } => format!("on {node}: resus daemon logs"),
            Self::Hung { .. } => {
                "on its machine: resus daemon status, which says what to do (trainings go on)".to_owned()
            }
            Self::Denied { .. } => {
                "use credentials of a Resus operator, or ask whoever runs the server for them".to_owned()
            }
            Self::Foreign { node, .. } => {
                format!("install the same version here and on {node} (trainings go on meanwhile)")
            }
            Self::HereOnly => "on the daemon's machine: resus daemon stop".to_owned(),
        }
    }
}
