//! NATS. No other module names the client library.

mod connect;

pub use connect::{NatsError, retry_delay};
