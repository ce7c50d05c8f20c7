//! A connection to a server as a transport.

use super::session::Session;
use crate::transport::{Message, PublishError, Transport, Trouble};

/// What a message needs besides its body and its id: the names and ends of lines of its header.
const HEADER_BYTES: usize = 64;

/// `Ok` means what the server makes of it: with JetStream the messages are in its streams,
/// without they have reached it, and nothing keeps them.
impl Transport for Session {
    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        let bytes_max = |message: &Message| {
            let head = HEADER_BYTES + message.id.as_ref().map_or(0, |id| id.len());
            self.server().max_payload.saturating_sub(head)
        };
        let fits = |message: &&Message| message.body.len() <= bytes_max(message);
        let front = messages.iter().take_while(fits).count();
        let batch = self.publish_ledger(messages.get(..front).unwrap_or(messages)).await;
        if let Some(error) = batch.stopped {
            let trouble = Trouble::Away(error.to_string());
            return Err(PublishError { taken: batch.stored.len(), trouble });
        }
        messages.get(front).map_or(Ok(()), |message| {
            let trouble = Trouble::TooLarge { bytes: message.body.len(), bytes_max: bytes_max(message) };
            Err(PublishError { taken: front, trouble })
        })
    }
}
