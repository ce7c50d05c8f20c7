//! What a daemon says of its settings, and of a wish to read them again.

use serde::{Deserialize, Serialize};

/// Where a daemon's settings are from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettingsView {
    /// The user's file, whether it is there or not; `None` = there is no place for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Which state of it was read: its size and time of modification, `BYTES@SECONDS.NANOSECONDS`;
    /// `None` = it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// When that was.
    pub read_at: String,
    /// Keys whose newest value applies once the daemon is restarted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// The newest attempt to read it again, if it was refused: the settings before it apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<SettingsRefusal>,
}

/// A file that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRefusal {
    /// When.
    pub at: String,
    /// Everything that is wrong with it.
    pub faults: Vec<String>,
}

/// What came of reading the settings again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReply {
    /// Keys that changed and apply to runs accepted from now on.
    pub for_new_runs: Vec<String>,
    /// Keys that changed and apply from now on.
    pub at_once: Vec<String>,
    /// Keys that differ from what the daemon was started with: a restart is needed.
    pub needs_restart: Vec<String>,
    /// The settings after it.
    pub settings: SettingsView,
}
