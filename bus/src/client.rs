//! Runs on a NATS server, for Rust programs: follow one, command one.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use resus_bus::{client::Client, link::Link};
//! use resus_core::{ids::{RunId, Slug}, input::Verb};
//!
//! let link = Link::parse("nats://127.0.0.1:4222")?;
//! let client = Client::connect(&link, &Slug::new("default")?, "my-program").await?;
//! let run = RunId::new("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77")?;
//! client.command(&run, Verb::Checkpoint).await?;
//! let mut watch = client.watch(&run).await?;
//! while !watch.state().told.status.is_terminal() {
//!     println!("{:?}", watch.next().await?.state.progress);
//! }
//! # Ok(())
//! # }
//! ```

mod behind;
mod watch;

pub use watch::{Update, Watch};

use crate::link::Link;
use crate::nats::{NatsError, Remote, RequestError, retry_delay};
use crate::subject;
use resus_core::api::CommandReply;
use resus_core::api::control::{RunRequest, StateRequest};
use resus_core::ids::{CommandId, RunId, Slug};
use resus_core::input::Verb;
use resus_core::pulse::state::StateSnapshot;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whoever lives answers within this.
const WAIT: Duration = Duration::from_secs(5);
/// How long daemons have to say that they are there.
const NODES_WAIT: Duration = Duration::from_secs(1);
/// How often a command without an answer is given; always under the same id, so it is one.
const COMMAND_TRIES: usize = 3;
/// The status of a service that does not know a run.
const NOT_FOUND: u16 = 404;

/// Why a run can't be followed or commanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No answer, or no good one.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nobody knows the run.
    #[error("no daemon in namespace {namespace} knows run {run_id}")]
    Unknown {
        /// The run.
        run_id: RunId,
        /// Where it was looked for.
        namespace: Slug,
    },
    /// An answer that is not of the form it should have.
    #[error("{what} can't be read: {reason}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// Events are missing, and no snapshot tells of them.
    #[error("events of run {run_id} after {seq} were lost, and its state on the server is older")]
    Gap {
        /// The run.
        run_id: RunId,
        /// The newest event that is known.
        seq: u64,
    },
}

impl From<NatsError> for ClientError {
    fn from(error: NatsError) -> Self {
        Self::Request(RequestError::Connection(error))
    }
}

/// A connection to a server, and a namespace on it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    remote: Remote,
    namespace: Slug,
    name: String,
}

/// Asks a bucket's stream for the newest message at an address.
#[derive(Serialize)]
struct Newest {
    last_by_subj: String,
}

/// The part of a daemon's answer to `state` that we read.
#[derive(Deserialize)]
struct State {
    snapshot: StateSnapshot,
}

impl Client {
    /// Connects, once; `name` is what the server's operator sees, and who gives commands.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn connect(link: &Link, namespace: &Slug, name: &str) -> Result<Self, NatsError> {
        let remote = Remote::connect(link, name).await?;
        Ok(Self { remote, namespace: namespace.clone(), name: name.to_owned() })
    }

    /// The run as it is now: from the server's bucket of states or, on a server without one,
    /// from the daemon that has it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn state(&self, run_id: &RunId) -> Result<StateSnapshot, ClientError> {
        let newest = Newest { last_by_subj: subject::state_of_run(&self.namespace, run_id) };
        match self.remote.request(subject::STATE_LOOKUP, json(&newest)?, WAIT).await {
            // A key that is missing, or was deleted, has an empty answer.
            Ok(answer) if !answer.body.is_empty() => read("the state of a run", &answer.body),
            Ok(_) | Err(RequestError::Nobody { .. }) => self.state_from_daemon(run_id).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn state_from_daemon(&self, run_id: &RunId) -> Result<StateSnapshot, ClientError> {
        let request = StateRequest { run: run_id.to_string(), since: None, wait_ms: 0 };
        for node in self.remote.nodes(NODES_WAIT).await? {
            if node.namespace != self.namespace {
                continue;
            }
            let address = subject::control_verb(&self.namespace, &node.node, "state");
            match self.remote.request(&address, json(&request)?, WAIT).await {
                Ok(answer) => {
                    return read("a daemon's answer to `state`", &answer.body)
                        .map(|state: State| state.snapshot);
                }
                Err(RequestError::Service { code: NOT_FOUND, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.unknown(run_id))
    }

    /// Nobody has a run of this id.
    fn unknown(&self, run_id: &RunId) -> ClientError {
        ClientError::Unknown { run_id: run_id.clone(), namespace: self.namespace.clone() }
    }

    /// Follows a run, from its present state on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn watch(&self, run_id: &RunId) -> Result<Watch, ClientError> {
        Watch::begin(self.clone(), run_id.clone()).await
    }

    /// Gives a command to a run. Without an answer it is given again, as the same command.
    ///
    /// # Errors
    /// [`ClientError`]; a daemon that says no is [`RequestError::Service`].
    pub async fn command(&self, run_id: &RunId, verb: Verb) -> Result<CommandReply, ClientError> {
        let node = self.state(run_id).await?.node;
        let address = subject::control_verb(&self.namespace, &node, verb.as_str());
        let command_id = Some(self.command_id()?);
        let body =
            json(&RunRequest { run: run_id.to_string(), by: self.name.clone(), command_id, dry_run: false })?;
        let mut tries = 1;
        loop {
            match self.remote.request(&address, body.clone(), WAIT).await {
                Ok(answer) => return read("a daemon's answer to a command", &answer.body),
                Err(error) if tries < COMMAND_TRIES && may_pass(&error) => tries += 1,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(retry_delay(tries, std::process::id())).await;
        }
    }

    /// An id that no other command has.
    fn command_id(&self) -> Result<CommandId, ClientError> {
        static COMMANDS: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (pid, number) = (std::process::id(), COMMANDS.fetch_add(1, Relaxed));
        CommandId::new(format!("c{now:x}-{pid:x}-{number:x}")).map_err(|error| ClientError::Unreadable {
            what: "the id of a command",
            reason: error.to_string(),
        })
    }

    /// Ends the connection in good order.
    pub async fn close(self) {
        self.remote.close(WAIT).await;
    }
}

/// Whether the same request may well be answered later.
fn may_pass(error: &RequestError) -> bool {
    match error {
        RequestError::Silent { .. }
        | RequestError::Connection(NatsError::Away { .. } | NatsError::Failed(_)) => true,
        RequestError::Nobody { .. }
        | RequestError::Denied { .. }
        | RequestError::Service { .. }
        | RequestError::Connection(NatsError::Refused { .. } | NatsError::Unusable { .. }) => false,
    }
}

fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Request(error) => may_pass(error) || matches!(error, RequestError::Nobody { .. }),
        // The server's memory is rebuilt by the daemon when both are back.
        ClientError::Unknown { .. } => true,
        ClientError::Unreadable { .. } | ClientError::Gap { .. } => false,
    }
}

fn json(document: &impl Serialize) -> Result<bytes::Bytes, ClientError> {
    let unreadable = |error: serde_json::Error| ClientError::Unreadable {
        what: "our own request",
        reason: error.to_string(),
    };
    serde_json::to_vec(document).map(Into::into).map_err(unreadable)
}

fn read<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unreadable { what, reason: error.to_string() })
}
