//! What is on the wire, as JSON Schemas (draft 2020-12): one document per type of event, one for
//! the envelope, for the snapshots, and for what is asked of a daemon and answered.
//!
//! The schemas are kept in `docs/schemas/`, where a test holds them to these tables. Payloads
//! are made by hand (`pulse::payload`), so the tables are, too; tests hold the two together in
//! both directions: every event of random histories fits, and every field of the tables is said
//! by some event. A reader's view: fields that are not listed may come, and are to be ignored.

mod control;
mod events;
mod remove;
mod shape;
mod state;
mod view;
mod workloads;

pub use control::{EXCHANGES, Exchange};

use serde_json::Value;

/// A schema in a file of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file's name, e.g. `event_status.json`; others refer to it by this name.
    pub file: String,
    /// The schema.
    pub schema: Value,
}

/// Every schema.
#[must_use]
pub fn documents() -> Vec<Document> {
    let mut documents = events::documents();
    documents.extend(state::documents());
    documents.extend(view::documents());
    documents.extend(control::documents());
    documents.extend(remove::documents());
    documents.extend(workloads::documents());
    documents
}

/// The file of the schema of an event type.
#[must_use]
pub fn file_of_event(event_type: crate::pulse::v2::EventType) -> String {
    format!("event_{}.json", event_type.as_str())
}

/// The file of the schema of one of our types, e.g. `run_view.json` of `RunView`.
#[must_use]
pub fn file_of_type(name: &str) -> String {
    let mut file = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !file.is_empty() {
            file.push('_');
        }
        file.push(letter.to_ascii_lowercase());
    }
    file + ".json"
}
