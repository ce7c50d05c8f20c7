//! Many clients at once with one key, against one daemon and against none: one run, one answer,
//! one daemon.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, processes_of};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::thread;

/// So many clients press the button together, by turns.
const CROWDS: [usize; 6] = [2, 3, 5, 8, 20, 50];
/// Trials against a daemon that runs.
const TRIALS: usize = 84;
/// Trials against none. Each client is a process there.
const RACES: [usize; 16] = [2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 8, 8, 10, 12, 20, 50];

fn submission(key: &str) -> Value {
    json!({"command": ["true"], "cwd": "/", "env": [["PATH", "/usr/bin:/bin"]], "command_id": key})
}

/// What every client is answered to `key`: status and run.
fn answers(home: &Home, key: &str, clients: usize, before: impl Fn() + Sync) -> Vec<(u16, String)> {
    let (body, start) = (submission(key), Barrier::new(clients));
    let client = || {
        start.wait();
        before();
        let (status, text) = home.http("POST", "/v2/runs", Some(&body));
        let run: Value = serde_json::from_str(&text).unwrap();
        (status, run["run_id"].as_str().unwrap_or_else(|| panic!("no run: {text}")).to_owned())
    };
    thread::scope(|scope| {
        let asked: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

/// All answers are the same, and the runs there are now.
fn one_run_more(home: &Home, answers: &[(u16, String)], runs_before: usize) {
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 201), "{answers:?}");
    let list = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    assert_eq!(list["runs"].as_array().unwrap().len(), runs_before + 1, "{answers:?}");
}

fn daemons(home: &Home) -> Vec<u32> {
    let daemons = processes_of(home.path()).into_iter().filter(|p| p.command.contains(" daemon run"));
    daemons.map(|p| p.pid).collect()
}

#[test]
fn one_key_is_one_run_however_many_clients_have_it() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    for trial in 0..TRIALS {
        let clients = CROWDS[trial % CROWDS.len()];
        let answers = answers(&home, &format!("key-{trial}"), clients, || ());
        one_run_more(&home, &answers, trial);
        // Each was started once, too.
        let events = home.events(&answers[0].1);
        assert_eq!(events[0]["seq"], 1);
    }
}

#[test]
fn clients_that_find_no_daemon_start_one_between_them() {
    for clients in RACES {
        let home = Home::new();
        let start = || drop(home.resus(&["daemon", "start"]).expect_code(0));
        let answers = answers(&home, "key", clients, start);
        one_run_more(&home, &answers, 0);
        home.wait_for("one daemon", || (daemons(&home) == [home.daemon_pid()]).then_some(()));
    }
}

#[test]
fn commands_that_find_no_daemon_all_get_their_runs() {
    let home = Home::new();
    let ids: Vec<String> = thread::scope(|scope| {
        let asked: Vec<_> = (0..10).map(|_| scope.spawn(|| home.submit(&["--", "true"]))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    for id in &ids {
        home.resus(&["wait", id]).expect_code(0);
    }
    let list = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    assert_eq!(list["runs"].as_array().unwrap().len(), ids.len());
    home.wait_for("one daemon", || (daemons(&home) == [home.daemon_pid()]).then_some(()));
}
