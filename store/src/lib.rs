//! The memory of Resus: the ledger of events, and the folder everything durable lives in.
//!
//! The ledger is one SQLite file. Every event is a row, every row carries a CRC-32 chained
//! to the row before it in the same run, and rows are only ever added. Replaying it rebuilds
//! every run; a run whose rows do not verify is reported as damaged and costs no other run
//! anything. `FORMAT.md` draws the file.
//!
//! * [`state::StateDir`] names and guards the folder, [`lock::StateLock`] admits one daemon.
//! * [`ledger::Ledger`] is the one writing connection, [`reader::Reader`] a reading one.
//! * [`writer::Writer`] owns a ledger on a thread of its own and commits in groups.
//!
//! Architecture invariant: nothing here decides what an event means, publishes it, or deletes
//! or rewrites a row. There is no async runtime in this crate.

mod append;
pub mod chain;
pub mod discard;
pub mod file;
pub mod identity;
pub mod ledger;
pub mod lock;
mod open;
pub mod reader;
pub mod record;
pub mod replay;
pub mod row;
pub mod run_id;
pub mod schema;
mod sqlite;
pub mod state;
pub mod writer;

pub use append::BatchResult;
pub use chain::Damage;
pub use ledger::{AppendError, CommitError, Ledger, OpenInError};
pub use lock::{LockError, StateLock};
pub use open::{LostHistory, OpenError};
pub use reader::{DamagedRow, Entry, ReadError, Reader};
pub use replay::{ReplayError, ReplaySummary, Replayed};
pub use row::{Batch, Cursor, Refusal, Row};
pub use run_id::BadRunId;
pub use state::{StateDir, StateError};
pub use writer::{CloseError, Limits, Outcome, Sink, SubmitError, TicketError, Writer};
