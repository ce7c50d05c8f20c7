//! Servers for these tests, and how they are reached.

use resus_bus::link::Link;
use resus_tests::{NatsOptions, NatsServer, Version};

/// The newest server, with more configuration than where it listens.
pub fn server(config: &str) -> NatsServer {
    NatsServer::start(Version::Newest, NatsOptions { config: config.to_owned(), ..NatsOptions::default() })
}

/// How it is reached by `user` (as `USER:PASSWORD@`, or nobody).
pub fn link(server: &NatsServer, user: &str) -> Link {
    Link::parse(&server.url().replace("nats://", &format!("nats://{user}"))).unwrap()
}
