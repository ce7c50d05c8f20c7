//! Checkpoints on disks that fail: full, read-only, slow, lying, torn by a power cut, and processes
//! that are killed while they write.
//!
//! Most of it needs root, in a mount namespace of its own. Where a right is missing a test is skipped
//! and says so; in the CI (`CI` is set) that is a failure.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

mod fuse;
mod image;
mod injected;
mod inside;
mod keeper;
mod killed;
mod kinds;
mod moods;
mod mounts;
mod power;
mod room;
mod trainer;
