//! The servers that other tests run against do what those tests rely on.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{NatsOptions, NatsServer, Version, alive};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;

/// What a server says of itself to whoever connects.
fn greeting(server: &NatsServer) -> serde_json::Value {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap()
}

#[test]
fn every_version_is_what_it_says_and_ends_with_its_value() {
    for version in [Version::Newest, Version::V2_11, Version::V2_9] {
        let server = NatsServer::start(version, NatsOptions { jetstream: true, ..NatsOptions::default() });
        let info = greeting(&server);
        assert_eq!(info["version"], version.number());
        assert_eq!(info["jetstream"], true);
        assert_eq!(server.monitor("/varz")["version"], version.number());
        let pid = server.pid();
        drop(server);
        assert!(!alive(pid));
    }
}

#[test]
fn a_killed_server_comes_back_on_its_port_and_takes_new_configuration() {
    let mut server = NatsServer::start(Version::Newest, NatsOptions::default());
    let (port, first) = (server.port(), server.pid());
    assert_eq!(greeting(&server)["auth_required"], serde_json::Value::Null);
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    server.restart();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), first);
    server.reload("authorization { token: t }\n");
    assert_eq!(greeting(&server)["auth_required"], true);
}
