//! A daemon asked from another machine: another home, and a NATS server between the two.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_bus::link::Secret;
use resus_bus::roles::{Role, User, authorization};
use resus_core::ids::Slug;
use resus_tests::{Home, NatsOptions, NatsServer, Said, Version, kill};
use serde_json::Value;
use std::process::Stdio;

/// Games that nobody waits for.
const MANY: &str = "games=100000000";

/// A machine with a daemon that speaks on `server`.
fn machine(server: &NatsServer, node: &str, more: &str) -> Home {
    let home = Home::new();
    let url = server.url();
    home.configure(&format!("[daemon]\nnode = \"{node}\"\n[bus]\nurl = \"{url}\"\n{more}"));
    home.resus(&["daemon", "start"]).expect_code(0);
    home
}

/// Somebody elsewhere, who knows the server and nothing else.
struct Elsewhere {
    home: Home,
    url: String,
}

impl Elsewhere {
    /// Somebody whom the daemon of `node` answers already.
    fn of(server: &NatsServer, node: &str) -> Self {
        let elsewhere = Self { home: Home::new(), url: server.url() };
        elsewhere.home.wait_for("the daemon on the bus", || {
            (elsewhere.resus(&["daemon", "status", "--node", node]).code == 0).then_some(())
        });
        elsewhere
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        ["--nats", &self.url].into_iter().chain(args.iter().copied()).collect()
    }

    fn resus(&self, args: &[&str]) -> Said {
        self.home.resus(&self.args(args))
    }
}

/// A view without what grows by itself.
fn still(mut view: Value) -> Value {
    view.as_object_mut().unwrap().remove("age_s");
    view
}

#[test]
fn the_same_is_said_of_a_run_as_on_its_own_machine() {
    let server = NatsServer::with_jetstream();
    let machine = machine(&server, "gpu-a1", "");
    let elsewhere = Elsewhere::of(&server, "gpu-a1");
    let run =
        elsewhere.resus(&["run", "othello", "-d", "--set", "games=300", "--name", "far"]).expect_code(0);
    let run = run.stdout.trim();
    elsewhere.resus(&["wait", run]).expect_code(0);
    for command in ["why", "events", "logs", "wait"] {
        let (here, there) = (machine.resus(&[command, run]), elsewhere.resus(&[command, run]));
        assert_eq!(
            (here.code, &here.stdout, &here.stderr),
            (there.code, &there.stdout, &there.stderr),
            "{command}"
        );
    }
    let (here, there) = (
        machine.resus(&["status", run, "--json"]).json(),
        elsewhere.resus(&["status", run, "--json"]).json(),
    );
    assert_eq!(still(here), still(there));
    let list = |said: Said| {
        let runs = said.json()["runs"].as_array().unwrap().clone();
        runs.into_iter().map(still).collect::<Vec<_>>()
    };
    assert_eq!(list(machine.resus(&["ps", "-a", "--json"])), list(elsewhere.resus(&["ps", "-a", "--json"])));
    for args in [["status", "nobody"], ["stop", "nobody"], ["pause", run], ["logs", "no.body"]] {
        let (here, there) = (machine.resus(&args), elsewhere.resus(&args));
        assert_eq!((here.code, &here.stderr), (there.code, &there.stderr), "{args:?}");
    }
    assert!(!elsewhere.home.state().exists(), "nothing is kept elsewhere");
}

#[test]
fn a_run_is_led_from_elsewhere() {
    let server = NatsServer::with_jetstream();
    let machine = machine(&server, "gpu-a1", "");
    let elsewhere = Elsewhere::of(&server, "gpu-a1");
    let run = elsewhere.resus(&["run", "fake", "-d", "--set", "steps=100000"]).expect_code(0);
    let run = run.stdout.trim();
    let _ = machine.until_done(run, 3.0);
    for (command, phase) in [
        (&["checkpoint", run][..], "running"),
        (&["configure", run, "--retries", "9"], "running"),
        (&["pause", "--release", run], "paused"),
        (&["resume", run], "running"),
        (&["pause", run], "paused"),
        (&["resume", run], "running"),
        (&["stop", run], "cancelled"),
        (&["retry", run], "running"),
        (&["kill", run], "cancelled"),
    ] {
        elsewhere.resus(command).expect_code(0);
        let _ = machine.until_phase(run, phase);
    }
    elsewhere.resus(&["wait", run]).expect_code(21);
    // A second may pass between the two, and ages are shown.
    machine.wait_for("the same list", || {
        let (here, there) = (machine.resus(&["checkpoints", run]), elsewhere.resus(&["checkpoints", run]));
        (here.code == 0 && (here.code, here.stdout) == (there.code, there.stdout)).then_some(())
    });
    assert_eq!(machine.view(run)["retries_max"], 9);
}

#[test]
fn programs_are_started_where_the_operator_allows_it_and_end_as_they_do_there() {
    let server = NatsServer::with_jetstream();
    let closed = machine(&server, "closed", "");
    let open = machine(&server, "open", "allow_commands = true\n");
    let (to_closed, to_open) = (Elsewhere::of(&server, "closed"), Elsewhere::of(&server, "open"));
    let refused = to_closed.resus(&["run", "--node", "closed", "--", "true"]).expect_code(11);
    assert!(refused.stderr.contains("bus.allow_commands"), "{refused:?}");
    assert!(closed.resus(&["ps", "-a", "--json"]).json()["runs"].as_array().unwrap().is_empty());

    let mut secret =
        to_open.home.command(&to_open.args(&["run", "--node", "open", "--", "sh", "-c", "pwd; env"]));
    secret.env("SECRET", "s3cret");
    to_open.home.run(secret).expect_code(0);
    let printed = to_open.resus(&["logs", "--node", "open", "@latest"]).expect_code(0).stdout;
    let home = open.path().join("home");
    assert_eq!(printed.lines().next(), home.to_str(), "the daemon's own");
    assert!(!printed.contains("s3cret"));
    let failing = ["run", "--node", "open", "--retries", "0", "--", "sh", "-c", "exit 3"];
    to_open.resus(&failing).expect_code(20);
}

#[test]
fn of_several_daemons_one_has_to_be_chosen() {
    let server = NatsServer::with_jetstream();
    let _machines = (machine(&server, "a", ""), machine(&server, "b", ""));
    let (elsewhere, _) = (Elsewhere::of(&server, "a"), Elsewhere::of(&server, "b"));
    let several = elsewhere.resus(&["ps"]).expect_code(2);
    assert!(several.stderr.contains("a, b") && several.stderr.contains("--node"), "{several:?}");
    elsewhere.resus(&["ps", "--node", "b"]).expect_code(0);
    let absent = elsewhere.resus(&["ps", "--node", "c"]).expect_code(12);
    assert!(absent.stderr.contains("node c"), "{absent:?}");
    let empty = elsewhere.resus(&["ps", "--namespace", "other"]).expect_code(12);
    assert!(empty.stderr.contains("bus.namespace other"), "{empty:?}");

    elsewhere.home.resus(&["context", "add", "b", "--nats", &elsewhere.url, "--node", "b"]).expect_code(0);
    elsewhere.home.resus(&["context", "use", "b"]).expect_code(0);
    let status = elsewhere.home.resus(&["daemon", "status", "--json"]).expect_code(0).json();
    assert_eq!(status["node"], "b");
    let both = elsewhere.home.resus(&["daemon", "status", "--json", "--node", "a"]).expect_code(0).json();
    assert_eq!(both["node"], "a", "what is typed comes first");
}

#[test]
fn who_watches_hears_every_event_once_though_server_and_daemon_go_and_come_back() {
    let mut server = NatsServer::with_jetstream();
    let machine = machine(&server, "gpu-a1", "");
    let elsewhere = Elsewhere::of(&server, "gpu-a1");
    let run = elsewhere.resus(&["run", "othello", "-d", "--set", MANY, "--set", "threads=1"]).expect_code(0);
    let run = run.stdout.trim();
    let _ = machine.until_phase(run, "running");
    let before = machine.events(run).len();
    let watch = elsewhere.home.start(&elsewhere.args(&["watch", run, "--json"]));
    let wait = elsewhere.home.start(&elsewhere.args(&["wait", run]));
    elsewhere.resus(&["pause", run]).expect_code(0);
    server.kill();
    machine.resus(&["resume", run]).expect_code(0);
    server.restart();
    machine.resus(&["daemon", "restart"]).expect_code(0);
    machine.resus(&["stop", run]).expect_code(0);
    elsewhere.home.finish(wait, "wait").expect_code(21);
    let told = elsewhere.home.finish(watch, "watch").expect_code(0).stdout;
    let told: Vec<u64> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64())
        .collect();
    let first = told.first().copied().unwrap();
    let all: Vec<u64> = (first..=machine.events(run).len() as u64).collect();
    assert!(told == all && first <= before as u64 + 2, "{told:?}");
}

#[test]
fn no_server_no_daemon_and_a_daemon_that_hangs_are_three_answers() {
    let server = NatsServer::with_jetstream();
    let machine = machine(&server, "gpu-a1", "");
    let elsewhere = Elsewhere::of(&server, "gpu-a1");
    let run = machine.submit(&["fake", "--set", "steps=1"]);
    machine.resus(&["wait", &run]).expect_code(0);
    let asked = |code: i32, words: &str, args: &[&str]| {
        let said = elsewhere.resus(args).expect_code(code);
        assert!(said.stderr.contains(words) && said.stderr.contains("try: "), "{said:?}");
    };
    let daemon = machine.daemon_pid();
    kill(daemon, "STOP");
    for _ in 0..4 {
        asked(17, "a daemon in namespace default", &["ps"]);
        asked(17, "the daemon of gpu-a1 does not answer", &["ps", "--node", "gpu-a1"]);
        asked(17, "the daemon of gpu-a1 does not answer", &["stop", &run, "--node", "gpu-a1"]);
        asked(17, "the daemon of gpu-a1 does not answer", &["run", "-d", "fake", "--node", "gpu-a1"]);
        asked(12, "no daemon answers in namespace other", &["ps", "--namespace", "other"]);
    }
    kill(daemon, "CONT");
    machine.resus(&["daemon", "stop"]).expect_code(0);
    for _ in 0..10 {
        asked(12, "no daemon answers in namespace default", &["ps"]);
        asked(12, "no daemon answers for node gpu-a1", &["ps", "--node", "gpu-a1"]);
    }
    server.stop();
    for _ in 0..4 {
        asked(12, "can't be reached", &["ps"]);
    }
    server.cont();
    drop(server);
    for _ in 0..20 {
        asked(12, "can't be reached", &["ps"]);
    }
}

#[test]
fn ctrl_c_stops_a_run_on_another_machine() {
    let server = NatsServer::with_jetstream();
    let machine = machine(&server, "gpu-a1", "");
    let elsewhere = Elsewhere::of(&server, "gpu-a1");
    let watched = elsewhere.home.start(&elsewhere.args(&["run", "othello", "--set", MANY, "--name", "far"]));
    machine.wait_for("the run", || {
        let said = machine.resus(&["status", "far@latest", "--json"]);
        (said.code == 0 && said.json()["phase"] == "running").then_some(())
    });
    kill(watched.id(), "INT");
    elsewhere.home.finish(watched, "run").expect_code(21);
}

/// The password of `role` on the servers here.
fn password(role: Role) -> String {
    format!("{}-s3cret", role.as_str())
}

#[test]
fn a_viewer_may_look_and_an_operator_may_command_and_nobody_without_a_password() {
    let [namespace, node] = ["default", "gpu-a1"].map(|text| Slug::new(text).unwrap());
    let users = Role::ALL.map(|role| User {
        name: role.as_str().to_owned(),
        password: Secret::new(password(role)),
        role,
        owns_server: false,
    });
    let config = authorization(&users, &namespace, &node);
    let server = NatsServer::start(Version::Newest, NatsOptions { jetstream: true, config });
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), password(Role::Node)).unwrap();
    let identity = format!("user = \"node\"\npassword_file = \"{}\"\n", secret.path().display());
    let machine = machine(&server, "gpu-a1", &identity);
    let elsewhere = Home::new();
    let url = server.url();
    let by = |role: Role, args: &[&str]| {
        let who = ["--nats", &url, "--nats-user", role.as_str()];
        let mut command = elsewhere.command(&[&who[..], args].concat());
        command.env("RESUS_NATS_PASSWORD", password(role));
        elsewhere.run(command)
    };
    elsewhere.wait_for("the daemon on the bus", || (by(Role::Viewer, &["ps"]).code == 0).then_some(()));

    let fake = ["run", "fake", "-d", "--set", "steps=100000"];
    let denied = by(Role::Viewer, &fake).expect_code(11);
    assert!(denied.stderr.contains("does not allow it") && denied.stderr.contains("operator"), "{denied:?}");
    let run = by(Role::Operator, &fake).expect_code(0);
    let run = run.stdout.trim();
    let _ = machine.until_done(run, 3.0);
    for look in ["status", "why", "events", "logs"] {
        by(Role::Viewer, &[look, run]).expect_code(0);
    }
    by(Role::Viewer, &["kill", run]).expect_code(11);
    let who = ["--nats", &url, "--nats-user", "viewer", "watch", run, "--json"];
    let watch = elsewhere
        .command(&who)
        .env("RESUS_NATS_PASSWORD", password(Role::Viewer))
        .stdout(Stdio::piped())
        .spawn();
    by(Role::Operator, &["kill", run]).expect_code(0);
    elsewhere.finish(watch.unwrap(), "watch").expect_code(0);

    elsewhere.resus(&["ps", "--nats", &url]).expect_code(12);
    let wrong = url.replace("nats://", "nats://operator:wr0ng@");
    let refused = elsewhere.resus(&["ps", "--nats", &wrong]).expect_code(12);
    assert!(
        refused.stderr.contains("refuses our credentials") && !refused.stderr.contains("wr0ng"),
        "{refused:?}"
    );
}
