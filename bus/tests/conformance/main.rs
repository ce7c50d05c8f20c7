//! Every transport keeps the promises of `Transport`. A new one gets a file here that says how
//! it is listened to, and a line `conformance!` (with `fallible` if something can happen to it).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod file;
mod local;
mod nats;
mod null;
#[macro_use]
mod suite;

conformance!(in_process, local::Hearing::default());
conformance!(files, file::Hearing::default(), fallible file::Hearing::default());
conformance!(nobody, null::Hearing);
conformance!(nats_server, nats::Hearing::default(), fallible nats::Hearing::default());
