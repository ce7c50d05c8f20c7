//! What the daemon says of its bus.

use serde::{Deserialize, Serialize};

/// How a daemon and its bus get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusState {
    /// Only the bus within the process is used.
    #[default]
    Local,
    /// The server is being started or has not been reached yet.
    Starting,
    /// Connected.
    Connected,
    /// The server can't be reached; events wait in the ledger.
    Away,
    /// The server does not let us in; events wait in the ledger.
    Refused,
}

impl BusState {
    /// For people and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Starting => "starting",
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Refused => "refused",
        }
    }
}

/// The bus of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BusView {
    /// How they get on.
    pub state: BusState,
    /// Addresses of the server, without secrets; empty for the bus within the process.
    pub url: String,
    /// The first free part of every address.
    pub namespace: String,
    /// Why it is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is as it is, RFC 3339.
    pub since: String,
    /// The server's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// Whether the server keeps events (JetStream).
    pub jetstream: bool,
    /// What the server lacks, and what is missing for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// Positions of the ledger that the server has not acknowledged.
    pub waiting: u64,
    /// Telemetry messages given up because too many waited; the newest of each kind goes out.
    #[serde(default)]
    pub left_out: u64,
    /// What somebody should look at: code and sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
}
