//! What is said of the machine itself.

use resus_bus::subject;
use resus_bus::transport::Message;
use resus_core::ids::Slug;
use resus_core::moment::rfc3339;
use serde_json::{Value, json};

/// The machine on the bus.
pub(super) struct Node {
    namespace: Slug,
    node: Slug,
    /// Durable number of this daemon's life.
    generation: u32,
    said: u64,
}

impl Node {
    pub(super) fn new(namespace: Slug, node: Slug, generation: u32) -> Self {
        Self { namespace, node, generation, said: 0 }
    }

    /// A message about the machine: `what` has happened, or `heartbeat`.
    pub(super) fn message(&mut self, what: &str, unix_ms: u64, mut payload: Value) -> Message {
        self.said += 1;
        // Sessions count anew, so the time has to tell them apart.
        let event_id = format!("{}.{}.{unix_ms}-{}", self.node, self.generation, self.said);
        if let Some(payload) = payload.as_object_mut() {
            payload.insert("action".to_owned(), what.into());
        }
        let body = json!({
            "v": 2,
            "event_type": "node",
            "event_id": event_id,
            "timestamp": rfc3339(unix_ms),
            "node": self.node,
            "source": "supervisor",
            "payload": payload,
        });
        Message {
            subject: subject::node(&self.namespace, &self.node, what).into(),
            id: Some(event_id.into()),
            body: body.to_string().into(),
        }
    }
}
