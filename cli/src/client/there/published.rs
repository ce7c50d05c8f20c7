//! What is published about runs, heard from another machine.

use crate::client::ClientError;
use crate::client::far::FarError;
use crate::client::stream::Said;
use crate::client::there::There;
use resus_bus::nats::{Heard, RequestError, Subscription};
use serde_json::Value;
use std::time::Duration;
#[cfg(test)]
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

/// A daemon that has said nothing for so long is asked whether it is there. It also learns so
/// that somebody listens, and does not end for want of work.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

/// Where it comes from.
pub(super) enum Source {
    Nats {
        subscription: Subscription,
        link: String,
    },
    #[cfg(test)]
    Fake(broadcast::Receiver<std::sync::Arc<str>>),
}

/// What is published, as a stream.
pub(crate) struct Published {
    there: There,
    source: Source,
    node: String,
    next_look: Instant,
}

impl Published {
    pub(super) fn new(there: There, source: Source, node: String) -> Self {
        Self { there, source, node, next_look: Instant::now() + LOOK_INTERVAL }
    }

    /// Waits for the next thing said. May be dropped and called again: nothing is lost.
    pub(in crate::client) async fn next(&mut self) -> Result<Said, ClientError> {
        loop {
            let heard = tokio::select! {
                heard = self.source.next(&self.node) => heard?,
                () = sleep_until(self.next_look) => {
                    self.there.health().await?;
                    self.next_look = Instant::now() + LOOK_INTERVAL;
                    continue;
                }
            };
            match heard {
                Heard::Missed(missed) => return Ok(Said::Missed(missed)),
                Heard::Message(body) => {
                    if let Some(event) = event(&body, &self.node) {
                        return Ok(Said::Event(event));
                    }
                }
            }
        }
    }
}

impl Source {
    async fn next(&mut self, node: &str) -> Result<Heard, FarError> {
        match self {
            Self::Nats { subscription, link } => subscription
                .next()
                .await
                .map_err(|error: RequestError| FarError::of_request(error, node, link)),
            #[cfg(test)]
            Self::Fake(bus) => match bus.recv().await {
                Ok(event) => Ok(Heard::Message(event.as_bytes().to_vec().into())),
                Err(broadcast::error::RecvError::Lagged(missed)) => Ok(Heard::Missed(missed)),
                Err(broadcast::error::RecvError::Closed) => {
                    Err(FarError::Absent { node: node.to_owned(), link: "fake".to_owned() })
                }
            },
        }
    }
}

/// An envelope of `node`. Others publish under the same addresses, and may publish anything.
fn event(body: &[u8], node: &str) -> Option<Value> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let is_ours = event.get("training_id").is_some_and(Value::is_string)
        && event.get("node").and_then(Value::as_str).is_none_or(|other| other == node);
    is_ours.then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_publish_is_not_told() {
        let ours = r#"{"v":2,"training_id":"r1","node":"gpu-a1"}"#;
        assert!(event(ours.as_bytes(), "gpu-a1").is_some());
        for other in ["", "nonsense", "[]", r#"{"node":"gpu-a1"}"#, r#"{"training_id":7}"#] {
            assert_eq!(event(other.as_bytes(), "gpu-a1"), None, "{other}");
        }
        assert_eq!(event(ours.as_bytes(), "gpu-a2"), None);
    }
}
