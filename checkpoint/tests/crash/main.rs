//! Crash consistency by construction: every workload on checkpoints, with every operation failing, and
//! with the power going after every operation, in every state that the disk may then be found in.
//!
//! What must hold afterwards is in [`oracle`]; that it would be noticed if it did not, in [`bugs`].

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

mod bugs;
mod failures;
mod flips;
mod keeper;
mod large;
mod oracle;
mod power;
mod restoring;
mod rot;
mod workloads;
