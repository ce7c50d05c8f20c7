//! The shim with real processes. Each test has a state folder, a shim and workers of its
//! own; whatever is left of them at a test's end, failed or not, is killed by its cookie.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod adopted;
mod attempts;
mod crashes;
mod freezing;
mod isolation;
mod notify;
mod output;
mod reconnect;
mod revival;
mod rig;
mod starting;
mod strays;
mod talk;
