//! The decisions of Resus, and the PULSE types.
//!
//! Everything here is a total function of its arguments: there is no clock, no file, no
//! process and no randomness in this crate. [`decide::decide`] looks at a [`run::Run`]
//! and an [`input::Input`] and says which [`event::Event`]s are now facts and which
//! [`effect::Effect`]s follow; [`apply::apply`] folds an event into the run. The shells
//! around it persist the events first, then act, then tell the world.

pub mod api;
pub mod apply;
mod catalogue;
pub mod checkpoint;
pub mod codes;
pub mod decide;
pub mod effect;
pub mod errors;
pub mod event;
pub mod exit;
pub mod explain;
pub mod failure;
pub mod fault;
pub mod fleet;
pub mod fold;
mod hash;
pub mod ids;
pub mod input;
pub mod lexicon;
pub mod moment;
pub mod nearest;
pub mod outbox;
mod overrides;
pub mod pause;
pub mod phase;

pub mod policy;
pub mod prune;
pub mod pulse;
pub mod release;
pub mod retention;
pub mod retry;
pub mod run;
pub mod schema;
pub mod sd_notify;
pub mod secret;
pub mod selector;
pub mod slot;
pub mod spec;
pub mod telemetry;
pub mod text;
pub mod view;
pub mod watch;
