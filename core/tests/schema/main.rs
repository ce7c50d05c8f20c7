//! The schemas of the wire say what is on the wire: no more, no less.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod events;
mod files;
mod requests;
#[expect(dead_code, reason = "shared with the tests of the decider, which use all of it")]
#[path = "../decider/support.rs"]
mod support;
mod validate;
mod views;
mod walk;
