//! Killing again and again, at whatever moment it hits: workers, daemons, both.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill};
use serde_json::Value;
use std::os::unix::net::UnixStream;

/// So many kills at least; each hits another moment of the worker's life, saves among them.
const KILLS: usize = 40;

fn pid_of(run: &Value) -> Option<u32> {
    run["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

fn contiguous(events: &[Value]) {
    let seqs: Vec<_> = events.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
}

/// The digest over every step in order of a training that nobody disturbed.
fn undisturbed(home: &Home, script: &[&str]) -> Value {
    let id = home.submit(script);
    home.resus(&["wait", &id]).expect_code(0);
    home.view(&id)["metrics"]["digest"].clone()
}

#[test]
fn a_worker_killed_forty_times_ends_with_every_step_made_once() {
    let home = Home::new();
    let script = [
        "fake",
        "--backoff",
        "0s",
        "--retries",
        "100000",
        "--set",
        "steps=1600",
        "--set",
        "step_ms=3",
        "--set",
        "checkpoint_every=2",
    ];
    let whole = undisturbed(&home, &script);
    let id = home.submit(&script);
    let mut killed = Vec::new();
    while killed.len() < KILLS {
        let run = home.until(&id, "a new worker or the end", |run| {
            run["ended_at"].is_string() || pid_of(run).is_some_and(|pid| killed.last() != Some(&pid))
        });
        let Some(pid) = pid_of(&run).filter(|_| run["ended_at"].is_null()) else { break };
        assert!(home.workers(&id).len() <= 1, "doubled");
        kill(pid, "KILL");
        killed.push(pid);
    }
    assert_eq!(killed.len(), KILLS, "it ended too soon to be killed often enough");
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!(run["metrics"]["digest"], whole, "a step was lost or made twice: {run}");
    assert!(run["attempt"].as_u64().unwrap() > KILLS as u64);
}

#[test]
fn daemons_killed_twenty_times_cost_nothing_and_double_nothing() {
    let home = Home::new();
    let script = ["fake", "--set", "steps=700", "--set", "step_ms=10", "--set", "checkpoint_every=7"];
    let runs: Vec<_> = (0..3).map(|_| home.submit(&script)).collect();
    let pids: Vec<_> = runs
        .iter()
        .map(|id| pid_of(&home.until(id, "a worker", |run| pid_of(run).is_some())).unwrap())
        .collect();
    for _ in 0..20 {
        home.kill_daemon();
        let list = home.resus(&["ps", "--json"]).expect_code(0).json();
        assert_eq!(list["runs"].as_array().unwrap().len(), 3);
    }
    for (id, pid) in runs.iter().zip(pids) {
        assert!(home.workers(id).iter().all(|worker| worker.pid == pid), "doubled");
        home.resus(&["wait", id]).expect_code(0);
        let run = home.view(id);
        assert_eq!((&run["attempt"], &run["failures"]), (&1.into(), &0.into()), "{run}");
        contiguous(&home.events(id));
        let saved = home.events(id).iter().filter(|e| e["payload"]["action"] == "saved").count();
        assert_eq!(saved, 100, "a checkpoint's word was lost or heard twice");
    }
}

#[test]
fn a_daemon_without_descriptors_harms_no_worker_and_recovers() {
    let home = Home::new();
    let mut daemon = home.command(&["daemon", "run"]);
    let program = daemon.get_program().to_owned();
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" daemon run 2>/dev/null"])
        .arg(program)
        .env_clear()
        .envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(home.path());
    daemon.stdin(std::process::Stdio::null());
    let mut daemon = limited.spawn().unwrap();
    let id =
        home.submit(&["fake", "--set", "steps=300", "--set", "step_ms=20", "--set", "checkpoint_every=10"]);
    let before = home.until_done(&id, 3.0);
    let socket = home.socket();
    let held: Vec<_> = (0..200).map_while(|_| UnixStream::connect(&socket).ok()).collect();
    assert!(held.len() > 32, "too few connections to exhaust anything: {}", held.len());
    // Whatever is answered now, nothing may happen to the worker.
    let _answer = home.resus(&["ps"]);
    assert!(alive(pid_of(&before).unwrap()));
    drop(held);
    let after = home.until(&id, "an answer again", |run| run["pid"] == before["pid"]);
    assert_eq!(after["attempt"], 1);
    home.resus(&["wait", &id]).expect_code(0);
    contiguous(&home.events(&id));
    home.resus(&["daemon", "stop"]).expect_code(0);
    assert!(daemon.wait().is_ok());
}
