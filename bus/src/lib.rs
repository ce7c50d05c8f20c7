//! The voice: how events leave the daemon.
//!
//! A [`transport::Transport`] takes a subject and a body. Which transports exist is decided
//! here; which events go out and when is decided by the Publisher, which reads them from the
//! ledger. Every subject is made by a function of [`subject`]; no other code spells one.

pub mod client;
pub mod control;
pub mod file;
pub mod link;
pub mod local;
pub mod nats;
pub mod null;
pub mod roles;
pub mod setup;
pub mod subject;
pub mod transport;
