//! `resus nats info` and `resus doctor`, tried on real servers and on machines that are not well.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{
    Home, NatsOptions, NatsServer, Port, Said, Version, Wire, processes_of, program, write_program,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What is about this machine rather than about Resus: no test can rely on it.
const MACHINE: [&str; 16] = [
    "space",
    "inodes",
    "fsync",
    "file-system",
    "clock",
    "cgroup",
    "logout",
    "init",
    "open-files",
    "processes",
    "inotify",
    "path",
    "completion",
    "python",
    "gpu",
    "stacks",
];
/// What is looked at whatever there is.
const ALWAYS: [&str; 9] =
    ["settings", "daemon", "bus", "state", "runtime", "socket-path", "config", "ports", "nats-server"];

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
    let is_well = |(what, mark): &(String, String)| mark == "good" || MACHINE.contains(&what.as_str());
    let is_good = |said: &Said| said.code == 0 && marks(said).iter().all(is_well);
    let said = home.wait_for("a healthy server", || Some(doctor(&home)).filter(is_good));
    assert_eq!(mark(&said, "connection"), "good");
    assert_eq!(mark(&said, "durability"), "good");
    for what in ["ports", "nats-server", "version", "quarantine"] {
        assert_eq!(mark(&said, what), "good", "{what}: {said:?}");
    }
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
    assert_eq!(mark(&said, "settings"), "bad", "the worst comes first");
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

/// The mode of a file.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn everything_is_looked_at_and_nothing_is_changed() {
    let home = Home::new();
    let said = doctor(&home).expect_code(0);
    assert!(!home.state().exists(), "it made the state folder");
    let told: BTreeSet<String> = marks(&said).into_iter().map(|(what, _)| what).collect();
    // Without a folder nothing can be measured in it.
    let looked = |what: &&str| ALWAYS.contains(what) || !["fsync", "file-system"].contains(what);
    for what in ALWAYS.into_iter().chain(MACHINE).filter(looked) {
        assert!(told.contains(what), "{what}: {told:?}");
    }
    home.resus(&["ps"]).expect_code(0);
    let files = || {
        let names = std::fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = files();
    let said = doctor(&home).expect_code(0);
    for what in ["fsync", "file-system", "version", "quarantine", "state", "runtime"] {
        assert!(marks(&said).iter().any(|(found, _)| found == what), "{what}: {said:?}");
    }
    let without_journals = |files: BTreeSet<std::ffi::OsString>| -> Vec<_> {
        files.into_iter().filter(|name| !name.to_string_lossy().starts_with("ledger.db-")).collect()
    };
    assert_eq!(without_journals(files()), without_journals(before));
    let text = home.resus(&["doctor"]).expect_code(0).stdout;
    let last = text.lines().last().unwrap();
    assert!(last == "all is well" || last.ends_with("nothing wrong"), "{text}");
    let ranks: Vec<_> = text.lines().filter_map(|line| "✗!✓".find(line.chars().next()?)).collect();
    assert!(ranks.is_sorted() && ranks.len() > 20, "{text}");
}

#[test]
fn folders_that_others_may_enter_are_told_and_left_as_they_are() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let runtime = home.socket().parent().unwrap().to_owned();
    home.resus(&["daemon", "stop"]).expect_code(0);
    set_mode(&home.state(), 0o755);
    let said = doctor(&home).expect_code(0);
    assert_eq!((mark(&said, "state").as_str(), mode(&home.state())), ("warning", 0o755));
    assert!(said.stdout.contains("chmod 700"), "{said:?}");
    set_mode(&home.state(), 0o500);
    assert_eq!(mark(&doctor(&home).expect_code(12), "state"), "bad");
    set_mode(&home.state(), 0o700);
    if !runtime.exists() {
        std::fs::create_dir(&runtime).unwrap();
    }
    set_mode(&runtime, 0o711);
    assert_eq!(mark(&doctor(&home).expect_code(12), "runtime"), "bad");
    set_mode(&runtime, 0o700);
    home.configure("");
    let config = home.path().join("config/resus/config.toml");
    set_mode(&config, 0o666);
    assert_eq!(mark(&doctor(&home).expect_code(0), "config"), "warning");
}

#[test]
fn a_state_folder_that_is_a_file_is_what_there_is_to_tell() {
    let home = Home::new();
    std::fs::write(home.state(), "").unwrap();
    let said = doctor(&home).expect_code(12);
    assert_eq!(mark(&said, "state"), "bad");
    assert!(said.stdout.contains("is not a folder"), "{said:?}");
}

#[test]
fn programs_that_hang_are_told_and_ended() {
    let home = Home::new();
    let folder = home.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    for name in ["nvidia-smi", "python3", "nats-server"] {
        write_program(&folder.join(name), b"#!/bin/sh\nsleep 1000 & sleep 1000\n");
    }
    std::os::unix::fs::symlink(program(), folder.join("resus")).unwrap();
    let mut command = home.command(&["doctor", "--json"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("SHELL", "/bin/fish");
    let said = home.run(command).expect_code(0);
    for (what, expected) in
        [("gpu", "warning"), ("python", "warning"), ("nats-server", "good"), ("path", "good")]
    {
        assert_eq!(mark(&said, what), expected, "{what}: {said:?}");
    }
    assert_eq!(said.stdout.matches("it does not answer").count(), 3, "{said:?}");
    assert!(said.stdout.contains("resus completion fish >"), "{said:?}");
    home.wait_for("the end of all that was started", || processes_of(home.path()).is_empty().then_some(()));
}

/// Mounts a file system that nobody serves at `$1`, and runs the rest.
const HANGS: &str = "exec 3<>/dev/fuse
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hang \"$1\" || exit 77
shift
exec \"$@\"";
/// Mounts one without room at `$1`, with a state folder, and runs the rest.
const FULL: &str = "mount -t tmpfs -o size=64k full \"$1\" && mkdir -m 700 \"$1/state\" || exit 77
head -c 1M /dev/zero >\"$1/fill\" 2>/dev/null
shift
exec \"$@\"";

/// What `doctor` says of a state folder on a file system of its own; `None` where that can't be.
fn doctor_on(home: &Home, script: &str) -> Option<Said> {
    let missing = [
        (!rustix::process::geteuid().is_root()).then_some("we are not root"),
        (!Path::new("/dev/fuse").exists()).then_some("/dev/fuse is missing"),
    ];
    if let Some(missing) = missing.into_iter().flatten().next() {
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        println!("SKIPPED: {missing}");
        return None;
    }
    let place = home.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let state = place.join("state");
    let doctor = home.command(&["doctor", "--json", "--state-dir", state.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"]).arg(&place);
    command.arg(doctor.get_program()).args(doctor.get_args());
    for (name, value) in doctor.get_envs() {
        command.env(name, value.unwrap());
    }
    Some(home.run(command).expect_code(12))
}

#[test]
fn a_file_system_that_hangs_is_told_and_not_waited_for() {
    let home = Home::new();
    let Some(said) = doctor_on(&home, HANGS) else { return };
    assert_eq!(mark(&said, "state"), "bad");
    assert!(said.stdout.contains("no answer within 3 s"), "{said:?}");
    assert_eq!(mark(&said, "settings"), "good", "the rest is told");
}

#[test]
fn a_full_disk_is_told() {
    let home = Home::new();
    let Some(said) = doctor_on(&home, FULL) else { return };
    assert_eq!((mark(&said, "space"), mark(&said, "fsync")), ("bad".into(), "bad".into()));
    assert!(said.stdout.contains("No space left"), "{said:?}");
}

#[test]
fn a_daemon_of_another_build_is_told() {
    let home = Home::new();
    let other = home.path().join("other");
    let mut content = std::fs::read(program()).unwrap();
    content.push(b'x');
    write_program(&other, &content);
    home.run(home.command_of(&other, &["daemon", "start"])).expect_code(0);
    let said = doctor(&home).expect_code(0);
    assert_eq!((mark(&said, "version"), mark(&said, "quarantine")), ("warning".into(), "good".into()));
    assert!(said.stdout.contains("resus daemon restart"), "{said:?}");
}

#[test]
fn a_port_that_somebody_has_is_told_with_who() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    home.configure(&format!(
        "[bus]\nurl = 'managed'\nport = {port}\nserver = '{}'\n",
        Version::Newest.program().display()
    ));
    let said = doctor(&home).expect_code(0);
    assert_eq!(mark(&said, "ports"), "warning");
    assert!(said.stdout.contains(&format!("(pid {})", std::process::id())), "{said:?}");
    home.configure("[bus]\nurl = 'managed'\nserver = '/nowhere/nats-server'\n");
    assert_eq!(mark(&doctor(&home).expect_code(13), "nats-server"), "bad");
}

#[test]
fn a_run_whose_history_is_damaged_is_named() {
    let home = Home::new();
    let id = home.submit(&["--", "true"]);
    home.resus(&["wait", &id]).expect_code(0);
    home.resus(&["daemon", "stop"]).expect_code(0);
    let ledger = rusqlite::Connection::open(home.state().join("ledger.db")).unwrap();
    let flip = "UPDATE events SET body = replace(body, 'true', 'fals') WHERE run_id = ?1 AND seq = 1";
    assert_eq!(ledger.execute(flip, [&id]).unwrap(), 1);
    drop(ledger);
    home.resus(&["daemon", "start"]).expect_code(0);
    let said = doctor(&home).expect_code(0);
    assert_eq!(mark(&said, "quarantine"), "warning");
    assert!(said.stdout.contains(&id), "{said:?}");
}
