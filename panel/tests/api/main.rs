//! The API as its clients meet it: requests in, answers out, over a real socket where the
//! socket is the point.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod control;
mod daemon;
mod refusals;
mod removing;
mod rig;
mod runs;
mod socket;
mod stream;
mod waits;
mod workloads;
