//! Tests of the decider: the whole table, every reachable state, random histories, and
//! scenarios as text.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic, and looks only at the events it is about"
)]

mod announced;
mod checkpoints;
mod exit_codes;
mod going_back;
mod ledger;
mod properties;
mod reach;
mod removing;
mod restore;
mod scenarios;
mod settings;
mod state;
mod state_events;
mod support;
mod table;
mod world;
