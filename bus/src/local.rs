//! The bus within the process: every subscriber of this daemon hears every message.

use crate::transport::{Message, PublishError, Transport};
use tokio::sync::broadcast;

/// Messages kept for a slow subscriber. One that falls further behind is told how many it
/// missed and reads them from the ledger; the publisher never waits for it.
pub const KEPT_MESSAGES: usize = 1024;

/// An in-process transport. Cheap to clone; all clones are the same bus.
#[derive(Debug, Clone)]
pub struct Local {
    sender: broadcast::Sender<Message>,
}

impl Default for Local {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(KEPT_MESSAGES) }
    }
}

impl Local {
    /// Hears every message from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.sender.subscribe()
    }
}

impl Transport for Local {
    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        for message in messages {
            // An error here only says that nobody listens, which is fine.
            let _nobody = self.sender.send(message.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: usize) -> Message {
        Message { subject: "s".into(), id: None, body: n.to_string().into() }
    }

    #[tokio::test]
    async fn every_subscriber_hears_everything_in_order() {
        let bus = Local::default();
        bus.publish(&[message(0)]).await.unwrap();
        let (mut one, mut two) = (bus.subscribe(), bus.subscribe());
        bus.publish(&[message(1), message(2), message(3)]).await.unwrap();
        for subscriber in [&mut one, &mut two] {
            for n in 1..=3 {
                assert_eq!(subscriber.recv().await.unwrap(), message(n));
            }
        }
    }

    #[tokio::test]
    async fn a_subscriber_that_sleeps_is_told_what_it_missed_and_holds_nobody_up() {
        let bus = Local::default();
        let mut sleeper = bus.subscribe();
        for n in 0..KEPT_MESSAGES + 10 {
            bus.publish(&[message(n)]).await.unwrap();
        }
        assert_eq!(sleeper.recv().await, Err(broadcast::error::RecvError::Lagged(10)));
        assert_eq!(sleeper.recv().await.unwrap(), message(10));
    }
}
