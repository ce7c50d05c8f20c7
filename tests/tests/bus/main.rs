//! The daemon on a real NATS server: what arrives there, and what becomes of it when the server,
//! the network or the daemon fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_network;
mod delivery;
mod joiner;
mod lost_streams;
mod plain;
mod refused;
mod rig;
