//! The hands: actors that do what `core` decided.
//!
//! A star: everyone speaks to the Supervisor, and only it changes runs. `tree.rs` is the list
//! of actors, the order in which they start and what happens when one dies. Actors are
//! *restarted*; users' attempts are *retried*: two supervisions, two words.
//!
//! Architecture invariant: no decision about a run is made here. What an actor does follows
//! from an effect that core decided, and what it sees goes back as an observation.

#[cfg(not(target_os = "linux"))]
compile_error!("Resus runs on Linux only: it relies on pidfd, inotify, flock and /proc.");

mod adopted;
mod board;
pub mod broker;
mod checkpoint;
mod clock;
mod curves;
mod directory;
mod disposal;
mod doing;
pub mod door;
mod evidence;
mod gateway;
mod idle;
mod ingest;
pub mod intensity;
pub mod limits;
mod monitor;
mod newest;
pub mod notify;
mod outbox;
mod outgoing;
mod output;
mod problem;
mod publisher;
mod readiness;
mod recent;
mod rerun;
mod root;
mod run_files;
mod silences;
mod slots;
mod status_files;
mod store;
mod summary;
mod supervisor;
pub mod system;
mod telemetry;
pub mod tree;
mod vigil;
mod watch;
mod watchdog;
mod worker;
mod workers;
pub mod workload;
