//! The HTTP API of the daemon, on a Unix socket.
//!
//! [`router()`] is the API itself: documents of [`resus_core::api`] in and out, every error an
//! RFC 9457 problem document. It asks a [`Desk`] and knows nothing of actors; the daemon's desk
//! is [`Front`], before the actors' `Door`; the tests' is a fake. [`serve()`] puts it on a socket, with a limit
//! on everything that a client can use up, and an end within a deadline.
//!
//! Architecture invariant: nothing here decides anything about a run, or touches a file.

mod answer;
mod checkpoints;
mod control;
mod daemon;
mod desk;
mod document;
mod door;
mod events;
pub mod limits;
mod output;
mod query;
mod removing;
mod router;
mod runs;
mod serve;
mod story;
mod stream;
mod wait;
mod workloads;

pub use control::{Control, Grounds};
pub use desk::{Desk, Heard, Listen};
pub use door::{Front, Tuner};
pub use router::{Panel, router};
pub use serve::serve;

/// Response header with the version of what was answered; the value to wait from next.
pub const VERSION_HEADER: &str = "resus-version";
/// Response header that describes a piece of output: an
/// [`OutputChunk`](resus_core::api::OutputChunk) as JSON.
pub const OUTPUT_HEADER: &str = "resus-output";
