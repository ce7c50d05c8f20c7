//! NATS. No other module names the client library.

mod connect;
mod ledger;
mod service;
mod session;
mod streams;

pub use connect::{NatsError, retry_delay};
pub use ledger::{Batch, LedgerError, Stored};
pub use session::{Server, Session};
