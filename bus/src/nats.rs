//! NATS. No other module names the client library.

mod connect;
mod ledger;
pub mod probe;
mod remote;
mod service;
mod session;
mod streams;
mod transport;

pub use connect::{NatsError, retry_delay, salt_of};
pub use ledger::{Batch, LedgerError, Sent, Stored};
pub use remote::{Answer, Heard, NodeInfo, Remote, RequestError, Subscription};
pub use service::serve;
pub use session::{Server, Session};
