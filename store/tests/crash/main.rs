//! Power cuts, at every system call of a real workload: whatever was told to be committed is there
//! afterwards, and its chain verifies.
//!
//! SQLite does not go through our [`Disk`](resus_disk::Disk), so what it does is recorded with `strace`
//! and done again on the faulty disk, which says what may be found.

mod injected;
mod ledger;
mod recording;
mod replaying;
mod small_files;
