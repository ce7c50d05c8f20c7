//! The doors: refusals, exit codes, one daemon, one command, private files.

use resus_tests::{Home, alive, kill, processes_of};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_does_not_fit_is_refused_with_its_documented_code_and_a_way_on() {
    let home = Home::new();
    for (args, code, words) in [
        (&["run", "othelo"][..], 10, "othello"),
        (&["run", "othello", "--set", "games=0"], 2, "games=0"),
        (&["run", "othello", "--set", "sed=1"], 2, "seed"),
        (&["run", "othello", "--set", "games"], 2, "games"),
        (&["run"], 2, "run"),
        (&["run", "--", ""], 2, "command"),
        (&["sttaus"], 2, "status"),
        (&["status", "nobody"], 10, "nobody"),
        (&["stop", "nobody"], 10, "resus ps"),
        (&["status", "..%2f..%2fetc"], 10, "no run"),
        (&["wait", "nobody", "--timeout", "soon"], 2, "soon"),
        (&["run", "--grace=-5s", "--", "true"], 2, "grace"),
    ] {
        let said = home.resus(args).expect_code(code);
        assert!(said.stderr.contains(words), "{args:?}: {said:?}");
        assert!(said.stdout.is_empty(), "{args:?} wrote to stdout: {said:?}");
    }
}

#[test]
fn a_wait_that_runs_out_of_time_says_so() {
    let home = Home::new();
    let id = home.submit(&["--", "sleep", "600"]);
    home.resus(&["wait", &id, "--timeout", "200ms"]).expect_code(14);
    home.resus(&["kill", &id]).expect_code(0);
    let _ended = home.until_phase(&id, "cancelled");
}

#[test]
fn many_first_commands_at_once_start_one_daemon() {
    let home = Home::new();
    let children: Vec<_> = (0..8).map(|_| home.start(&["ps", "--json"])).collect();
    for child in children {
        assert_eq!(home.finish(child, "ps").expect_code(0).json()["runs"], json!([]));
    }
    let daemons = || processes_of(home.path()).into_iter().filter(|p| p.command.contains(" daemon ")).count();
    // Those that found the place taken may be about to leave.
    home.wait_for("one daemon", || (daemons() == 1).then_some(()));
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_there() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let pid = home.daemon_pid();
    let said = home.resus(&["daemon", "run"]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains(&pid.to_string()), "{said:?}");
    assert!(alive(pid));
}

#[test]
fn the_same_command_twice_creates_one_run() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let body = json!({"command": ["sleep", "600"], "cwd": "/", "env": [["PATH", "/usr/bin:/bin"]], "command_id": "same-1"});
    let answers: Vec<_> = (0..5).map(|_| home.http("POST", "/v2/runs", Some(&body))).collect();
    let id = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["run_id"].clone();
    let first = id(&answers[0].1);
    assert!(answers.iter().all(|(status, text)| *status == 201 && id(text) == first), "{answers:?}");
    // The ledger remembers it too.
    home.kill_daemon();
    home.resus(&["daemon", "start"]).expect_code(0);
    assert_eq!(id(&home.http("POST", "/v2/runs", Some(&body)).1), first);
    assert_eq!(home.resus(&["ps", "-a", "--json"]).json()["runs"].as_array().unwrap().len(), 1);
    home.resus(&["kill", first.as_str().unwrap()]).expect_code(0);
}

#[test]
fn http_errors_are_problems_and_nothing_panics() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    for (method, target, body, status) in [
        ("GET", "/nowhere", None, 404),
        ("GET", "/v2/runs/%00%ff", None, 404),
        ("GET", "/v2/runs/nobody", None, 404),
        ("DELETE", "/v2/runs", None, 405),
        ("POST", "/v2/runs", Some(json!({"cwd": "/"})), 422),
        ("POST", "/v2/runs", Some(json!([1])), 422),
        ("POST", "/v2/runs", Some(json!({"command": ["true"], "cwd": "relative", "env": []})), 422),
        ("POST", "/v2/runs", Some(json!({"command": ["a\u{0}b"], "cwd": "/", "env": []})), 422),
    ] {
        let (got, text) = home.http(method, target, body.as_ref());
        assert_eq!(got, status, "{method} {target}: {text}");
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(problem["status"], status, "{problem}");
    }
    home.resus(&["ps"]).expect_code(0);
}

#[test]
fn a_daemon_that_hangs_is_reported_not_waited_for() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let pid = home.daemon_pid();
    kill(pid, "STOP");
    let said = home.resus(&["ps"]);
    kill(pid, "CONT");
    assert_eq!(said.code, 17, "{said:?}");
}

#[test]
fn everything_is_private_whatever_the_umask() {
    let home = Home::new();
    let mut shell = home.command(&[]);
    let program = shell.get_program().to_owned();
    let mut wrapped = std::process::Command::new("sh");
    wrapped
        .args([
            "-c",
            "umask 000; exec \"$0\" run fake --set steps=2 --set step_ms=1 --set checkpoint_every=1",
        ])
        .arg(program);
    wrapped
        .env_clear()
        .envs(shell.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .current_dir(home.path().join("work"));
    shell.stdin(std::process::Stdio::null());
    assert!(wrapped.output().unwrap().status.success());
    let mut folders = vec![home.state(), home.path().join("run")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let data = entry.metadata().unwrap();
            let mode = data.permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
            seen += 1;
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    assert!(seen > 10, "only {seen} files");
}

#[test]
fn a_damaged_run_is_set_aside_and_the_others_go_on() {
    let home = Home::new();
    let damaged = home.submit(&["--", "true"]);
    home.resus(&["wait", &damaged]).expect_code(0);
    let sound = home.submit(&["fake", "--set", "steps=100", "--set", "step_ms=20"]);
    let _running = home.until_done(&sound, 2.0);
    home.resus(&["daemon", "stop"]).expect_code(0);
    let ledger = rusqlite::Connection::open(home.state().join("ledger.db")).unwrap();
    let flip = "UPDATE events SET body = replace(body, 'true', 'fals') WHERE run_id = ?1 AND seq = 1";
    let changed = ledger.execute(flip, [&damaged]);
    assert_eq!(changed.unwrap(), 1);
    drop(ledger);
    let list = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    assert!(list["quarantined"][&damaged].is_string(), "{list}");
    home.resus(&["wait", &sound]).expect_code(0);
}

#[test]
fn a_ledger_that_is_gone_is_not_silently_begun_anew() {
    let home = Home::new();
    let id = home.submit(&["--", "true"]);
    home.resus(&["wait", &id]).expect_code(0);
    home.resus(&["daemon", "stop"]).expect_code(0);
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _may_not_exist = std::fs::remove_file(home.state().join(file));
    }
    let said = home.resus(&["ps"]);
    assert_eq!(said.code, 12, "{said:?}");
    assert!(said.stderr.contains("ledger"), "{said:?}");
    assert!(!home.state().join("ledger.db").exists());
}

#[test]
fn interrupting_an_attached_run_stops_it_with_a_checkpoint_and_quit_detaches() {
    let home = Home::new();
    let args = ["run", "fake", "--set", "steps=100000", "--set", "step_ms=20", "--set", "checkpoint_every=5"];
    let attached = home.start(&args);
    let id = home.wait_for("the run", || {
        let runs = home.resus(&["ps", "--json"]).json();
        runs["runs"][0]["run_id"].as_str().map(str::to_owned)
    });
    let _running = home.until_done(&id, 3.0);
    kill(attached.id(), "QUIT");
    home.finish(attached, "run, detached").expect_code(0);
    assert_eq!(home.view(&id)["phase"], "running");
    home.resus(&["stop", &id]).expect_code(0);
    let _ended = home.until_phase(&id, "cancelled");

    let attached = home.start(&args);
    let id = home.wait_for("the second run", || {
        let runs = home.resus(&["ps", "--json"]).json();
        let live = runs["runs"].as_array()?.iter().find(|run| run["phase"] == "running")?;
        live["run_id"].as_str().map(str::to_owned)
    });
    let _running = home.until_done(&id, 3.0);
    kill(attached.id(), "INT");
    home.finish(attached, "run, interrupted").expect_code(21);
    let run = home.view(&id);
    assert_eq!(run["phase"], "cancelled");
    assert_eq!(run["last_exit"]["code"], 0, "it left by itself: {run}");
}
