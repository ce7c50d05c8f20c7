//! Exit codes of the `resus` command: a documented contract for scripts.

use serde::{Deserialize, Serialize};

/// How a `resus` command ends. The numbers never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ExitCode {
    /// Everything asked for was done.
    Ok = 0,
    /// A bug in Resus, or output that can't be written.
    Bug = 1,
    /// The command line does not fit.
    Usage = 2,
    /// No such run, attempt, workload or checkpoint.
    NotFound = 10,
    /// The request is not legal in the present phase.
    Refused = 11,
    /// The daemon could not be reached or started.
    DaemonUnreachable = 12,
    /// The configuration is not valid.
    ConfigInvalid = 13,
    /// A wait ran out of time.
    TimedOut = 14,
    /// A checkpoint is damaged, or its file is no checkpoint.
    Damaged = 15,
    /// What was compared differs.
    Differs = 16,
    /// A daemon is there and does not answer.
    DaemonSilent = 17,
    /// The daemon is of another version, and can't do this or says it in words we don't know.
    DaemonForeign = 18,
    /// The run ended in an error.
    RunFailed = 20,
    /// The run was cancelled.
    RunCancelled = 21,
    /// The run was lost: nobody knows how it ended.
    RunLost = 22,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<ExitCode> for u8 {
    fn from(exit: ExitCode) -> u8 {
        exit.code()
    }
}

/// A number that is no exit code of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no exit code of resus")]
pub struct NoExitCode(u8);

impl TryFrom<u8> for ExitCode {
    type Error = NoExitCode;
    fn try_from(code: u8) -> Result<Self, NoExitCode> {
        Self::ALL.into_iter().find(|exit| exit.code() == code).ok_or(NoExitCode(code))
    }
}

impl ExitCode {
    /// Every code, in numeric order, for tables in help texts and documents.
    pub const ALL: [Self; 16] = [
        Self::Ok,
        Self::Bug,
        Self::Usage,
        Self::NotFound,
        Self::Refused,
        Self::DaemonUnreachable,
        Self::ConfigInvalid,
        Self::TimedOut,
        Self::Damaged,
        Self::Differs,
        Self::DaemonSilent,
        Self::DaemonForeign,
        Self::RunFailed,
        Self::RunCancelled,
        Self::RunLost,
        Self::Interrupted,
    ];

    /// The number the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One phrase for tables.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done as asked",
            Self::Bug => "a bug in Resus, or output that can't be written",
            Self::Usage => "the command line does not fit",
            Self::NotFound => "no such run, attempt, workload or checkpoint",
            Self::Refused => "not legal in the run's present phase",
            Self::DaemonUnreachable => "the daemon can't be reached or started",
            Self::ConfigInvalid => "the configuration is not valid",
            Self::TimedOut => "timed out waiting",
            Self::Damaged => "a checkpoint is damaged",
            Self::Differs => "what was compared differs",
            Self::DaemonSilent => "the daemon does not answer",
            Self::DaemonForeign => "the daemon is of another version that can't do this",
            Self::RunFailed => "the run failed",
            Self::RunCancelled => "the run was cancelled",
            Self::RunLost => "the run was lost",
            Self::Interrupted => "interrupted",
        }
    }
}
