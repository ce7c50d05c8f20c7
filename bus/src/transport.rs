//! What a transport can do.

use std::future::Future;
use std::sync::Arc;

/// One message on its way out. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Address, from [`crate::subject`].
    pub subject: Arc<str>,
    /// Identity for deduplication; class A events have one.
    pub id: Option<Arc<str>>,
    /// The event as JSON.
    pub body: Arc<str>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The transport is away; the same message may be taken later.
    #[error("the bus is away: {0}")]
    Away(String),
}

/// A way out of the daemon. `Ok` means that the transport has the message as durably as it
/// can: a broker has acknowledged it, or every present subscriber has been handed it.
pub trait Transport: Send + Sync + 'static {
    /// Publishes one message.
    ///
    /// # Errors
    /// [`PublishError`]; the caller keeps its cursor and tries again.
    fn publish(&self, message: Message) -> impl Future<Output = Result<(), PublishError>> + Send;
}
