//! The verbs for daily work with runs: listing, waiting, coming back, running again, and asking
//! what a command would do.

use resus_tests::{CTRL_BACKSLASH, CTRL_C, Home, NatsServer};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// Steps that nobody waits for.
const MANY: &str = "steps=1000000";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A run that goes on for ever, in its training.
fn endless(home: &Home, more: &[&str]) -> String {
    let id = home.submit(&[&["fake", "--set", MANY, "--set", "step_ms=10"], more].concat());
    let _running = home.until_done(&id, 2.0);
    id
}

/// A command that has printed `text` and ended with `code`.
fn ended(home: &Home, name: &str, script: &str) -> String {
    let id = home.submit(&["--name", name, "--retries", "0", "--", "sh", "-c", script]);
    let _said = home.resus(&["wait", &id]);
    id
}

#[test]
fn runs_are_listed_by_filter_order_and_column() {
    let home = Home::new();
    let first = ended(&home, "nightly", "true");
    let second = ended(&home, "nightly", "exit 3");
    let other = ended(&home, "other", "true");
    let ps = |args: &[&str]| home.resus(&[&["ps"], args].concat());
    let ids = |args: &[&str]| {
        let said = ps(&[&["-q"], args].concat()).expect_code(0);
        said.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]), [other.clone(), second.clone(), first.clone()]);
    assert_eq!(ids(&["--sort", "-age"]), [first.clone(), second.clone(), other.clone()]);
    assert_eq!(ids(&["--filter", "name=nightly", "--filter", "phase=done"]), std::slice::from_ref(&first));
    assert_eq!(ids(&["--filter", "phase=done,failed", "-n", "2"]).len(), 2);
    assert_eq!(ps(&["-o", "names"]).stdout, "other\nnightly@2\nnightly@1\n");
    let table = ps(&["-o", "name,status,command", "--sort", "name"]).expect_code(0).stdout;
    assert!(table.starts_with("NAME") && table.contains("sh -c exit 3"), "{table}");
    let document = ps(&["--json", "--filter", "phase=failed"]).expect_code(0).json();
    assert_eq!(document["runs"].as_array().unwrap().len(), 1);
    let wrong = ps(&["--filter", "phase=runing"]).expect_code(2);
    assert!(wrong.stderr.contains("did you mean running?"), "{wrong:?}");
    // The names of a list can be typed, and so can any part of an id.
    let found = |name: &str| home.resus(&["status", name, "--json"]).expect_code(0).json()["run_id"].clone();
    assert_eq!(found("nightly@1"), Value::from(first.clone()));
    assert_eq!(found("nightly@2"), Value::from(second.clone()));
    assert_eq!(found("nightly@latest"), Value::from(second.clone()));
    assert_eq!(found("@latest"), Value::from(other));
    assert_eq!(found(&first[first.len() - 8..]), Value::from(first.clone()));
    assert_eq!(found(&first[..first.len() - 1]), Value::from(first.clone()));
    let several = home.resus(&["status", "nightly"]).expect_code(10).stderr;
    assert!(several.contains("(nightly, failed, ") && several.contains("(nightly, done, "), "{several}");
    let too_few = home.resus(&["status", "nightly@3"]).expect_code(10).stderr;
    assert!(too_few.contains("nightly@1 (the oldest) to nightly@2"), "{too_few}");
}

#[test]
fn a_watched_list_tells_every_change_across_a_killed_daemon() {
    let home = Home::new();
    let id = home.submit(&["--name", "held", "--", "sleep", "1000"]);
    let _running = home.until_phase(&id, "running");
    let mut watcher = home.start(&["ps", "-w", "--json"]);
    let mut told = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let mut next = |what: &str, phase: &str| {
        let line = told.find(|line| {
            let document: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            document["runs"][0]["phase"] == phase
        });
        assert!(line.is_some(), "{what}");
    };
    next("as it is", "running");
    home.kill_daemon();
    home.resus(&["pause", &id]).expect_code(0);
    next("what came after the daemon's death", "paused");
    watcher.kill().unwrap();
    let _status = watcher.wait().unwrap();
}

#[test]
fn a_terminal_shows_the_list_in_place_and_says_that_it_reconnects() {
    let home = Home::new();
    let id = home.submit(&["--name", "held", "--", "sleep", "1000"]);
    let _running = home.until_phase(&id, "running");
    let mut terminal = home.terminal(&["ps", "-w"]);
    let before = terminal.settings();
    terminal.until("running");
    home.resus(&["daemon", "stop"]).expect_code(0);
    terminal.until("reconnecting…");
    home.resus(&["daemon", "start"]).expect_code(0);
    home.resus(&["pause", &id]).expect_code(0);
    let drawn = terminal.until("paused");
    assert!(drawn.contains("\u{1b}[J"), "drawn in place: {drawn:?}");
    let (is_line, echoes) = (before.local_modes, terminal.settings().local_modes);
    assert_eq!(is_line, echoes, "no mode was changed");
    terminal.send(CTRL_C);
    assert_eq!(terminal.finish().0, 130);
}

#[test]
fn a_worker_hands_its_exit_code_on() {
    let home = Home::new();
    let code = |args: &[&str]| home.resus(args).code;
    let run = |script: &str| code(&["run", "--passthrough", "--retries", "0", "--", "sh", "-c", script]);
    assert_eq!(run("exit 0"), 0);
    assert_eq!(run("exit 7"), 7);
    assert_eq!(run("kill -KILL $$"), 137);
    let id = ended(&home, "seven", "exit 7");
    assert_eq!(code(&["wait", &id]), 20);
    assert_eq!(code(&["wait", "--passthrough", &id]), 7);
    assert_eq!(code(&["attach", &id]), 20);
    assert_eq!(code(&["attach", "--passthrough", &id]), 7);
}

#[test]
fn runs_are_waited_for_until_they_are_where_they_should_be() {
    let home = Home::new();
    let wait = |args: &[&str]| home.resus(&[&["wait"], args].concat());
    let id = home.submit(&["fake", "--set", MANY, "--set", "step_ms=10", "--set", "checkpoint_every=5"]);
    let said = wait(&[&id, "--for", "running"]).expect_code(0);
    assert!(said.stdout.is_empty() && said.stderr.contains("is running"), "{said:?}");
    wait(&[&id, "--for", "checkpoint"]).expect_code(0);
    wait(&[&id, "--for", "paused", "--timeout", "10ms"]).expect_code(14);
    let done = ended(&home, "done", "true");
    wait(&["--any", &id, &done]).expect_code(0);
    let waiting = home.start(&["wait", &id, &done, "--for", "done", "--json"]);
    home.resus(&["stop", &id]).expect_code(0);
    let said = home.finish(waiting, "wait").expect_code(21);
    assert!(lines(&said.stdout).iter().any(|view| view["phase"] == "cancelled"), "{said:?}");
    let never = wait(&[&done, "--for", "running"]).expect_code(11);
    assert!(never.stderr.contains("has ended (done): it is not running"), "{never:?}");
    assert!(wait(&[&id, "--for", "runing"]).expect_code(2).stderr.contains("did you mean running?"));
}

#[test]
fn who_left_a_run_comes_back_with_the_same_keys() {
    let home = Home::new();
    let id = endless(&home, &[]);
    let mut terminal = home.terminal(&["attach", &id]);
    terminal.until("Ctrl-C: stop with a checkpoint");
    terminal.until("● running");
    terminal.send(CTRL_BACKSLASH);
    terminal.until("Come back with: resus attach");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(home.view(&id)["phase"], "running");
    let mut terminal = home.terminal(&["attach", &id]);
    terminal.until("● running");
    terminal.send(CTRL_C);
    terminal.until("cancelled");
    assert_eq!(terminal.finish().0, 21);
    let said = home.resus(&["attach", &id, "--json"]).expect_code(21);
    assert_eq!(lines(&said.stdout).last().unwrap()["phase"], "cancelled");
}

#[test]
fn output_is_shown_of_any_attempt_and_of_all() {
    let home = Home::new();
    let script = "echo attempt $PULSE_ATTEMPT; test $PULSE_ATTEMPT = 3 || exit 75";
    let id = home.submit(&["--retries", "5", "--backoff", "10ms", "--", "sh", "-c", script]);
    home.resus(&["wait", &id]).expect_code(0);
    let logs = |args: &[&str]| home.resus(&[&["logs", &id], args].concat());
    assert_eq!(logs(&[]).stdout, "attempt 3\n");
    assert_eq!(logs(&["--previous"]).stdout, "attempt 2\n");
    let all = logs(&["--all"]).expect_code(0);
    assert_eq!(all.stdout, "attempt 1\nattempt 2\nattempt 3\n");
    assert_eq!(all.stderr.matches("── attempt").count(), 3, "{all:?}");
    let followed = logs(&["--all", "-f"]).expect_code(0);
    assert_eq!(followed.stdout, all.stdout);
    let json = lines(&logs(&["--all", "--json"]).stdout);
    assert_eq!(
        json.iter().map(|piece| piece["attempt"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    let single = ended(&home, "single", "printf '\\033[2Jx'");
    home.resus(&["logs", &single, "-p"]).expect_code(10);
    let raw = home.terminal(&["logs", &single, "--raw"]).finish().1;
    assert!(String::from_utf8_lossy(&raw).contains("\u{1b}[2Jx"), "{raw:?}");
    let shown = home.terminal(&["logs", &single]).finish().1;
    assert!(!String::from_utf8_lossy(&shown).contains("\u{1b}[2J"), "{shown:?}");
}

#[test]
fn a_run_is_run_once_more_with_its_recorded_environment_or_another() {
    let home = Home::new();
    let mut first =
        home.command(&["run", "-d", "--name", "once", "--", "sh", "-c", "echo [$LR] [$TOKEN] ${#TOKEN}"]);
    first.env("LR", "1").env("TOKEN", "s3cret");
    let first = home.run(first).expect_code(0).stdout.trim().to_owned();
    home.resus(&["wait", &first]).expect_code(0);
    let rerun = |args: &[&str]| {
        let said = home.resus(&[&["rerun", &first, "-d"], args].concat()).expect_code(0);
        assert!(!said.stderr.contains("s3cret"), "{said:?}");
        let id = said.stdout.trim().to_owned();
        home.resus(&["wait", &id]).expect_code(0);
        (home.resus(&["logs", &id]).stdout, said.stderr, id)
    };
    let (output, told, id) = rerun(&[]);
    assert_eq!(output, "[1] [******] 6\n", "this command knows neither");
    assert!(told.contains("environment: as recorded") && id != first, "{told}");
    assert_eq!(home.view(&id)["name"], "once");
    let (output, told, _) = rerun(&["--env", "LR=2", "--unset", "TOKEN"]);
    assert_eq!(output, "[2] [] 0\n");
    assert!(told.contains("removed TOKEN; changed LR"), "{told}");
    let (output, told, _) = rerun(&["--fresh-env", "--env", "LR=3"]);
    assert_eq!(output, "[3] [] 0\n");
    assert!(told.contains("TOKEN"), "{told}");
    let before = home.resus(&["ps", "-aq"]).stdout;
    let dry = home.resus(&["rerun", &first, "--dry-run", "--json", "--env", "TOKEN=other"]).expect_code(0);
    assert!(!dry.stdout.contains("s3cret"), "{dry:?}");
    let dry = dry.json();
    assert_eq!((&dry["dry_run"], &dry["env"]["changed"][0]), (&Value::from(true), &Value::from("TOKEN")));
    assert!(dry["run"].is_null(), "{dry}");
    assert_eq!(home.resus(&["ps", "-aq"]).stdout, before, "nothing was started");
    let (status, _) =
        home.http("POST", &format!("/v2/runs/{first}/rerun"), Some(&serde_json::json!({"x": 1})));
    assert_eq!(status, 422, "strictly read");
}

#[test]
fn a_workload_is_run_once_more_with_other_parameters() {
    let home = Home::new();
    let id = home.submit(&["fake", "--set", "steps=2", "--set", "step_ms=1"]);
    home.resus(&["wait", &id]).expect_code(0);
    let again = home.resus(&["rerun", &id, "-d", "--json", "--set", "steps=3", "--name", "longer"]);
    let again = again.expect_code(0).json();
    let new = again["run"]["run_id"].as_str().unwrap();
    home.resus(&["wait", new]).expect_code(0);
    let view = home.view(new);
    assert_eq!((&view["name"], &view["progress"]["total"]), (&Value::from("longer"), &Value::from(3.0)));
    assert_eq!((&again["of"], view["workload"].as_str()), (&Value::from(id.clone()), Some("fake")));
    home.resus(&["rerun", &id, "--set", "stepz=3"]).expect_code(2);
    home.resus(&["rerun", "nobody"]).expect_code(10);
}

#[test]
fn what_a_command_would_do_is_told_and_not_done() {
    let home = Home::new();
    let id = endless(&home, &["--set", "checkpoint_every=5"]);
    let done = ended(&home, "done", "true");
    let calm =
        |id: &str| (home.view(id)["phase"].clone(), home.events(id).iter().filter(|e| commands(e)).count());
    let (live, over) = (calm(&id), calm(&done));
    for (args, phase) in [
        (&["stop", &id][..], "stopping"),
        (&["kill", &id], "stopping"),
        (&["pause", &id], "pausing"),
        (&["pause", &id, "--release"], "pausing"),
        (&["checkpoint", &id], "running"),
        (&["configure", &id, "--retries", "9"], "running"),
    ] {
        let dry = [args, &["-n", "--json"]].concat();
        let told = home.resus(&dry).expect_code(0).json();
        assert_eq!((&told["changed"], &told["dry_run"]), (&Value::from(true), &Value::from(true)), "{told}");
        assert_eq!(told["would"]["phase"], phase, "{args:?}: {told}");
        assert!(told["would"]["events"][0]["sentence"].is_string(), "{told}");
        let told = home.resus(&[args, &["--dry-run"]].concat()).expect_code(0).stdout;
        assert!(told.contains("nothing was done"), "{told}");
        assert_eq!(calm(&id), live, "{args:?}");
    }
    // What is refused is refused alike, and what changes nothing is told as such.
    for args in [&["retry", &id][..], &["restore", &id, "latest"], &["retry", &done], &["checkpoint", &done]]
    {
        let dry = home.resus(&[args, &["--dry-run"]].concat());
        let real = home.resus(args);
        assert_eq!((dry.code, dry.stderr), (real.code, real.stderr), "{args:?}");
        assert!(real.code != 0, "{args:?}");
    }
    let told = home.resus(&["stop", &done, "-n"]).expect_code(0).stdout;
    assert!(told.contains("nothing would be recorded"), "{told}");
    assert_eq!(calm(&done), over);
}

/// Whether an event is the beginning of what somebody asked for.
fn commands(event: &Value) -> bool {
    let asked = ["status", "control", "worker"].contains(&event["event_type"].as_str().unwrap_or_default());
    asked && event["payload"]["requested_by"].is_string()
}

#[test]
fn another_machine_tells_what_it_would_do_and_runs_again_what_it_may() {
    let server = NatsServer::with_jetstream();
    let home = Home::new();
    home.configure(&format!("[daemon]\nnode = \"gpu-a1\"\n[bus]\nurl = \"{}\"\n", server.url()));
    let workload = home.submit(&["fake", "--set", MANY, "--set", "step_ms=10"]);
    let command = ended(&home, "command", "true");
    let (elsewhere, url) = (Home::new(), server.url());
    let resus = |args: &[&str]| elsewhere.resus(&[&["--nats", &url][..], args].concat());
    elsewhere.wait_for("the daemon on the bus", || (resus(&["daemon", "status"]).code == 0).then_some(()));
    let _running = home.until_phase(&workload, "running");
    let told = resus(&["stop", &workload, "-n", "--json"]).expect_code(0).json();
    assert_eq!(told["would"]["phase"], "stopping");
    assert_eq!(home.view(&workload)["phase"], "running");
    let again = resus(&["rerun", &workload, "-d", "--json", "--set", "steps=1"]).expect_code(0).json();
    home.resus(&["wait", again["run"]["run_id"].as_str().unwrap()]).expect_code(0);
    for args in [&["rerun", &command, "-d"][..], &["rerun", &workload, "-d", "--env", "LD_PRELOAD=/x"]] {
        let refused = resus(args).expect_code(11);
        assert!(refused.stderr.contains("bus.allow_commands"), "{refused:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_changes_no_exit_code() {
    let home = Home::new();
    let id = ended(&home, "failed", "exit 3");
    let done = ended(&home, "done", "true");
    for (args, code) in [
        (&["wait", &id, "--json"][..], 20),
        (&["wait", &done], 0),
        (&["attach", &id, "--json"], 20),
        (&["ps"], 0),
        (&["status", &id], 0),
        (&["logs", &done], 0),
        (&["events", &id, "--json"], 0),
    ] {
        let mut child = home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}: {told}");
        assert!(!told.contains("standard output"), "{args:?}: {told}");
    }
}
