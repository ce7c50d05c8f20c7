//! What ends a run before its time: the PULSE code, whether a retry may help, and the exit code.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use resus_checkpoint::background::RequestError;
use resus_checkpoint::{Refusal, SaveError};

use crate::flags::FlagError;
use crate::snapshot::SnapshotError;

/// Finished, or stopped on request.
pub(crate) const EXIT_DONE: u8 = 0;
/// Asked to give the place free: paused at a checkpoint, to go on from there later.
pub(crate) const EXIT_RELEASED: u8 = 3;
/// Failed in a way that another attempt may not.
pub(crate) const EXIT_RETRY: u8 = 75;
/// Failed in a way that every attempt will.
pub(crate) const EXIT_PERMANENT: u8 = 125;

/// Why training cannot begin or end as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line.
    #[error(transparent)]
    Flags(#[from] FlagError),
    /// The checkpoint folder cannot be used.
    #[error("failed to prepare the checkpoint folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The checkpoint file is missing or not whole.
    #[error("failed to resume: {} {}", path.display(), with_causes(reason))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Refusal,
    },
    /// The checkpoint is whole, but not one to go on from.
    #[error("failed to resume: {} {}", path.display(), with_causes(reason))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: SnapshotError,
    },
    /// The threads to train on could not be started.
    #[error("failed to start threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The result of the training could not be saved.
    #[error("failed to save the last checkpoint")]
    LastSave(#[source] SaveError),
    /// The result of the training could not even be copied to be saved.
    #[error("failed to save the last checkpoint")]
    LastRequest(#[source] RequestError),
    /// The thread that saves could not be started.
    #[error("failed to start the saving thread")]
    SavingThread(#[source] io::Error),
}

impl Failure {
    /// The PULSE error code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Flags(_) => "CONFIG_INVALID",
            Self::Folder { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "PERMISSION_DENIED",
                ErrorKind::StorageFull => "DISK_FULL",
                _ => "CONFIG_INVALID",
            },
            Self::Unreadable { reason, .. } => match reason {
                Refusal::Open(error) if error.kind() == ErrorKind::NotFound => "CHECKPOINT_NOT_FOUND",
                Refusal::Open(error) if error.kind() == ErrorKind::PermissionDenied => "PERMISSION_DENIED",
                Refusal::Version { .. } => "CHECKPOINT_VERSION_MISMATCH",
                _ => "CHECKPOINT_CORRUPT",
            },
            Self::Unfit { reason, .. } => match reason {
                SnapshotError::NotOthello { .. }
                | SnapshotError::Layout { .. }
                | SnapshotError::Config { .. } => "CHECKPOINT_VERSION_MISMATCH",
                SnapshotError::Section { .. }
                | SnapshotError::Length { .. }
                | SnapshotError::Games { .. }
                | SnapshotError::Shape(_) => "CHECKPOINT_CORRUPT",
            },
            Self::Threads(_) | Self::SavingThread(_) => "RESOURCE_UNAVAILABLE",
            Self::LastSave(_) | Self::LastRequest(_) => "CHECKPOINT_SAVE_FAILED",
        }
    }

    /// Whether another attempt may go better.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(
            self.code(),
            "DISK_FULL" | "CHECKPOINT_CORRUPT" | "RESOURCE_UNAVAILABLE" | "CHECKPOINT_SAVE_FAILED"
        )
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.is_retryable() { EXIT_RETRY } else { EXIT_PERMANENT }
    }
}

/// An error and everything that caused it, on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
