//! `bus.url = "managed"`: the daemon runs a NATS server, and there is never more than one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, Port, Version, Wire, alive, kill, processes_of};
use serde_json::Value;
use std::net::TcpListener;

/// A home whose daemon runs a server that wants this port.
fn home_with(port: u16) -> Home {
    let home = Home::new();
    let server = Version::Newest.program();
    home.configure(&format!("[bus]\nurl = 'managed'\nport = {port}\nserver = '{}'\n", server.display()));
    home
}

/// The servers that live in a home.
fn servers(home: &Home) -> Vec<u32> {
    let conf = home.state().join("nats/nats.conf").display().to_string();
    processes_of(home.path()).into_iter().filter(|p| p.command.ends_with(&conf)).map(|p| p.pid).collect()
}

fn record(home: &Home) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(home.state().join("nats/server.json")).ok()?).ok()
}

/// A connection to the home's server with the password of a role. `None` while it is not there.
fn connect(home: &Home, role: &str) -> Option<Wire> {
    let record = record(home)?;
    let pid = u32::try_from(record["process"]["pid"].as_u64()?).ok()?;
    let port = u16::try_from(record["port"].as_u64()?).ok()?;
    let password = std::fs::read_to_string(home.state().join(format!("nats/{role}.password"))).ok()?;
    // One that is just being ended may still take the connection, and hang up.
    alive(pid).then(|| Wire::connect(port, Some((role, password.trim_end()))).ok())?
}

/// Waits for the server and returns its process and port.
fn up(home: &Home) -> (u32, u16) {
    home.wait_for("the server", || connect(home, "node").map(drop));
    let record = record(home).unwrap();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    (number(&record["process"]["pid"]), u16::try_from(number(&record["port"])).unwrap())
}

#[test]
fn it_is_there_with_the_daemon_and_gone_with_it() {
    let port = Port::free();
    let home = home_with(port.number());
    home.resus(&["daemon", "start"]).expect_code(0);
    let (pid, on) = up(&home);
    assert_eq!((servers(&home), on), (vec![pid], port.number()));
    let mut node = connect(&home, "node").unwrap();
    assert_eq!((&node.info["jetstream"], &node.info["auth_required"]), (&true.into(), &true.into()));
    let info = node.request("$JS.API.INFO", "").unwrap();
    assert!(info.body.contains("\"api\""), "{info:?}");
    let refused = Wire::connect(on, Some(("node", "guess"))).err().unwrap();
    assert!(refused.contains("Authorization Violation"), "{refused}");
    home.resus(&["daemon", "stop"]).expect_code(0);
    home.wait_for("the server's end", || servers(&home).is_empty().then_some(()));
}

#[test]
fn a_server_that_is_killed_comes_back_on_its_port_with_its_passwords() {
    let port = Port::free();
    let home = home_with(port.number());
    home.resus(&["daemon", "start"]).expect_code(0);
    let (first, on) = up(&home);
    kill(first, "KILL");
    home.wait_for("its death", || (!alive(first)).then_some(()));
    let second = home.wait_for("another server", || {
        let (pid, _) = up(&home);
        (pid != first).then_some(pid)
    });
    assert_eq!((servers(&home), up(&home)), (vec![second], (second, on)));
    home.resus(&["daemon", "stop"]).expect_code(0);
}

#[test]
fn a_server_outlives_a_killed_daemon_and_the_next_one_takes_it_over() {
    let port = Port::free();
    let home = home_with(port.number());
    home.resus(&["daemon", "start"]).expect_code(0);
    let (first, _) = up(&home);
    home.kill_daemon();
    assert_eq!(servers(&home), [first]);
    home.resus(&["daemon", "start"]).expect_code(0);
    assert_eq!(up(&home).0, first, "the very same");
    home.resus(&["daemon", "stop"]).expect_code(0);
    home.wait_for("the server's end", || servers(&home).is_empty().then_some(()));
}

#[test]
fn a_left_over_server_without_a_record_or_of_other_settings_makes_room() {
    let port = Port::free();
    let home = home_with(port.number());
    for forget in [true, false] {
        home.resus(&["daemon", "start"]).expect_code(0);
        let (first, _) = up(&home);
        home.kill_daemon();
        if forget {
            std::fs::remove_file(home.state().join("nats/server.json")).unwrap();
        } else {
            let config = home.path().join("config/resus/config.toml");
            let text = std::fs::read_to_string(&config).unwrap() + "ledger_size = '2GiB'\n";
            std::fs::write(config, text).unwrap();
        }
        home.resus(&["daemon", "start"]).expect_code(0);
        let second = home.wait_for("another server", || {
            record(&home)?;
            let (pid, _) = up(&home);
            (pid != first).then_some(pid)
        });
        assert_eq!(servers(&home), [second], "never two on one store");
        home.kill_daemon();
    }
}

#[test]
fn a_port_that_is_taken_is_passed_over_and_the_chosen_one_kept() {
    let wanted = Port::free();
    let taken = TcpListener::bind(("127.0.0.1", wanted.number())).unwrap();
    let home = home_with(wanted.number());
    home.resus(&["daemon", "start"]).expect_code(0);
    let (_, chosen) = up(&home);
    assert_ne!(chosen, wanted.number());
    home.wait_for("a word of it in the log", || {
        let log = std::fs::read_to_string(home.state().join("daemon.log")).ok()?;
        log.contains("the wanted port is taken").then_some(())
    });
    home.resus(&["daemon", "stop"]).expect_code(0);
    drop(taken);
    home.resus(&["daemon", "start"]).expect_code(0);
    assert_eq!(up(&home).1, chosen, "addresses that people wrote down stay true");
    home.resus(&["daemon", "stop"]).expect_code(0);
}

#[test]
fn without_a_program_or_with_an_old_one_the_daemon_lives_and_says_so() {
    for (server, why) in [
        (Version::V2_9.program().display().to_string(), "2.11 or newer is needed"),
        ("/no/such/nats-server".to_owned(), "failed to start /no/such/nats-server"),
    ] {
        let home = Home::new();
        home.configure(&format!("[bus]\nurl = 'managed'\nport = 0\nserver = '{server}'\n"));
        home.resus(&["daemon", "start"]).expect_code(0);
        home.wait_for("the reason in the log", || {
            let log = std::fs::read_to_string(home.state().join("daemon.log")).ok()?;
            log.contains(why).then_some(())
        });
        home.resus(&["ps"]).expect_code(0);
    }
}

#[test]
fn bad_settings_keep_the_daemon_from_starting_and_tell_what_to_type() {
    let home = Home::new();
    let token = home.path().join("token");
    std::fs::write(&token, "s3cret").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    home.configure(&format!("[bus]\nurl = 'nats://127.0.0.1:1'\ntoken_file = '{}'\n", token.display()));
    let said = home.resus(&["daemon", "run"]).expect_code(13);
    assert!(said.stderr.contains(&format!("chmod 600 {}", token.display())), "{said:?}");
    assert!(said.stderr.contains("bus.token_file"), "{said:?}");
    assert!(!format!("{said:?}").contains("s3cret"), "{said:?}");
}
