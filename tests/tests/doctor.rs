//! `resus nats info` and `resus doctor`, tried on real servers.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, NatsOptions, NatsServer, Port, Said, Version, Wire};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// What `doctor` says of each thing: `good`, `warning` or `bad`.
fn marks(said: &Said) -> Vec<(String, String)> {
    let checks = said.json()["checks"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks.iter().map(|check| (text(&check["what"]), text(&check["mark"]))).collect()
}

fn mark(said: &Said, what: &str) -> String {
    let found = marks(said).into_iter().find(|(found, _)| found == what);
    found.unwrap_or_else(|| panic!("no {what}: {said:?}")).1
}

fn doctor(home: &Home) -> Said {
    let said = home.resus(&["doctor", "--json"]);
    assert!(!format!("{said:?}").contains("s3cret"), "{said:?}");
    said
}

#[test]
fn a_managed_server_is_found_healthy_and_what_is_told_of_it_lets_one_in() {
    let home = Home::new();
    let (port, websocket) = (Port::free(), Port::free());
    home.configure(&format!(
        "[bus]\nurl = 'managed'\nport = {}\nwebsocket_port = {}\nserver = '{}'\n",
        port.number(),
        websocket.number(),
        Version::Newest.program().display()
    ));
    let said = doctor(&home).expect_code(0);
    assert_eq!((mark(&said, "daemon"), mark(&said, "bus")), ("warning".into(), "warning".into()));
    assert!(said.stdout.contains("resus daemon start"), "{said:?}");
    home.resus(&["daemon", "start"]).expect_code(0);
    let is_good = |said: &Said| said.code == 0 && marks(said).iter().all(|(_, mark)| mark == "good");
    let said = home.wait_for("a healthy server", || Some(doctor(&home)).filter(is_good));
    assert_eq!(mark(&said, "connection"), "good");
    assert_eq!(mark(&said, "durability"), "good");
    let info = home.resus(&["nats", "info", "--json"]).expect_code(0).json();
    assert_eq!((&info["kind"], &info["running"]), (&"managed".into(), &true.into()));
    for access in info["access"].as_array().unwrap() {
        let password = std::fs::read_to_string(access["password_file"].as_str().unwrap()).unwrap();
        let user = access["user"].as_str().unwrap();
        let _in = Wire::connect(port.number(), Some((user, password.trim_end()))).unwrap();
        assert!(!info.to_string().contains(password.trim_end()), "{info}");
    }
    assert!(info["websocket_url"].as_str().unwrap().ends_with(&websocket.number().to_string()));
    let text = home.resus(&["nats", "info"]).expect_code(0).stdout;
    assert!(text.contains("nats --server nats://127.0.0.1:"), "{text}");
    home.resus(&["daemon", "stop"]).expect_code(0);
    let info = home.resus(&["nats", "info", "--json"]).expect_code(0).json();
    assert_eq!(info["running"], false);
}

#[test]
fn what_a_server_lacks_is_said_and_is_no_failure() {
    let home = Home::new();
    let of = |server: &NatsServer, more: &str| {
        home.configure(&format!("[bus]\nurl = '{}'\n{more}", server.url()));
        doctor(&home).expect_code(0)
    };
    let plain = NatsServer::start(Version::Newest, NatsOptions::default());
    let said = of(&plain, "");
    for what in ["streams", "access", "durability"] {
        assert_eq!(mark(&said, what), "warning", "{what}: {said:?}");
    }
    assert!(said.stdout.contains("unknown: the server's monitoring address is not set"), "{said:?}");
    let with_streams = NatsServer::with_jetstream();
    let said = of(&with_streams, &format!("monitor_url = '{}'\n", with_streams.monitor_url()));
    assert_eq!(mark(&said, "streams"), "good");
    assert!(said.stdout.contains("sync_interval: 120 s"), "{said:?}");
    let old = NatsServer::start(Version::V2_9, NatsOptions { jetstream: true, ..NatsOptions::default() });
    let said = of(&old, "");
    assert_eq!(mark(&said, "server"), "warning");
    assert!(said.stdout.contains("older than 2.11"), "{said:?}");
}

#[test]
fn a_server_that_refuses_us_or_is_not_there_is_a_failure_and_no_secret_is_told() {
    let home = Home::new();
    let config = "authorization { token: s3cret }\n".to_owned();
    let server = NatsServer::start(Version::Newest, NatsOptions { config, ..NatsOptions::default() });
    let token = home.path().join("token");
    std::fs::write(&token, "s3cret-too\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.configure(&format!("[bus]\nurl = '{}'\ntoken_file = '{}'\n", server.url(), token.display()));
    let said = doctor(&home).expect_code(13);
    assert_eq!(mark(&said, "server"), "bad");
    assert!(said.stdout.contains("refuses our credentials"), "{said:?}");
    std::fs::write(&token, "s3cret\n").unwrap();
    assert_eq!(mark(&doctor(&home).expect_code(0), "access"), "good");
    drop(server);
    assert_eq!(mark(&doctor(&home).expect_code(13), "server"), "bad");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = doctor(&home).expect_code(13);
    assert_eq!(mark(&said, "settings"), "good", "the first, of the file");
    assert!(said.stdout.contains("chmod 600"), "{said:?}");
}

#[test]
fn a_daemon_that_is_refused_with_what_it_read_at_its_start_has_to_be_restarted() {
    let home = Home::new();
    let config = "authorization { token: s3cret }\n".to_owned();
    let server = NatsServer::start(Version::Newest, NatsOptions { config, ..NatsOptions::default() });
    let token = home.path().join("token");
    std::fs::write(&token, "s3cret-too\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.configure(&format!("[bus]\nurl = '{}'\ntoken_file = '{}'\n", server.url(), token.display()));
    home.resus(&["daemon", "start"]).expect_code(0);
    let refused = |said: &Said| said.stdout.contains("BUS_UNAVAILABLE");
    let said = home.wait_for("an alarm", || Some(doctor(&home)).filter(refused)).expect_code(13);
    assert_eq!((mark(&said, "server"), mark(&said, "alarm")), ("bad".into(), "warning".into()));
    std::fs::write(&token, "s3cret\n").unwrap();
    let said = doctor(&home).expect_code(13);
    assert_eq!((mark(&said, "access"), mark(&said, "connection")), ("good".into(), "bad".into()));
    assert!(said.stdout.contains("resus daemon restart"), "{said:?}");
    let text = home.resus(&["daemon", "status"]).expect_code(0).stdout;
    assert!(
        text.contains("\n  bus         refused (") && text.contains("alarm       BUS_UNAVAILABLE"),
        "{text}"
    );
    home.resus(&["daemon", "restart"]).expect_code(0);
    let connected = |said: &Said| said.code == 0 && mark(said, "connection") == "good";
    home.wait_for("a connection", || Some(doctor(&home)).filter(connected));
    let text = home.resus(&["daemon", "status"]).expect_code(0).stdout;
    assert!(text.contains("\n  bus         connected to nats://") && !text.contains("alarm"), "{text}");
}

#[test]
fn a_daemon_whose_environment_names_another_server_is_told() {
    let home = Home::new();
    let server = NatsServer::start(Version::Newest, NatsOptions::default());
    let mut start = home.command(&["daemon", "start"]);
    start.env("NATS_URL", server.url());
    home.run(start).expect_code(0);
    let said = doctor(&home).expect_code(0);
    assert_eq!((mark(&said, "bus"), mark(&said, "connection")), ("good".into(), "warning".into()));
    assert!(said.stdout.contains("NATS_URL of its start; the one here names no server"), "{said:?}");
    let mut same = home.command(&["doctor", "--json"]);
    same.env("NATS_URL", server.url());
    assert!(!home.run(same).expect_code(0).stdout.contains("the one here names"));
}

#[test]
fn without_a_server_nothing_is_wrong() {
    let home = Home::new();
    let said = doctor(&home).expect_code(0);
    assert_eq!(mark(&said, "bus"), "good");
    let text = home.resus(&["nats", "info"]).expect_code(0).stdout;
    assert!(text.contains("events stay on this machine"), "{text}");
    assert_eq!(home.resus(&["nats", "info", "--json"]).expect_code(0).json()["kind"], "local");
    // What a daemon is told by its environment, a command is told too.
    let server = NatsServer::start(Version::Newest, NatsOptions::default());
    let mut command = home.command(&["nats", "info", "--json"]);
    command.env("NATS_URL", server.url());
    let info = home.run(command).expect_code(0).json();
    assert_eq!((&info["kind"], &info["url"]), (&"external".into(), &server.url().into()));
}
