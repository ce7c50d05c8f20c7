//! What a transport can do.

use std::future::Future;
use std::sync::Arc;

/// One message on its way out. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Address, from [`crate::subject`].
    pub subject: Arc<str>,
    /// Identity for deduplication. Class A events have one; whoever has none may be lost.
    pub id: Option<Arc<str>>,
    /// The event as JSON, in one line.
    pub body: Arc<str>,
}

/// Why a batch was not taken to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{trouble}")]
pub struct PublishError {
    /// So many messages of the batch's front were taken, as durably as an `Ok` would have
    /// meant. Of those behind them some may have been taken as well.
    pub taken: usize,
    /// What is wrong with the next one, or with the transport.
    pub trouble: Trouble,
}

/// What keeps a message from being taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The transport is away; the same message may be taken later.
    #[error("the bus is away: {0}")]
    Away(String),
    /// The message will never fit; the ones behind it may.
    #[error("a message of {bytes} bytes is larger than the {bytes_max} that the bus takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size that is taken.
        bytes_max: usize,
    },
    /// The message will never be taken, for another reason; the ones behind it may be.
    #[error("the bus refuses a message: {0}")]
    Refused(String),
}

/// A way out of the daemon. `Ok` means that the transport has the messages as durably as it
/// can: a broker has acknowledged them, they are on disk, or every present subscriber has been
/// handed them.
pub trait Transport: Send + Sync + 'static {
    /// Publishes messages in their order. None is fine, too.
    ///
    /// Whoever publishes from several tasks at once decides about no order between them.
    ///
    /// # Errors
    /// [`PublishError`] says how many of the front were taken: the caller moves its cursor
    /// behind these. Another attempt begins with the next one, and may repeat some that had
    /// been taken: subscribers tell them by their id.
    fn publish(&self, messages: &[Message]) -> impl Future<Output = Result<(), PublishError>> + Send;
}
