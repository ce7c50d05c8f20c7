//! The daemon dies, the shim dies; the training goes on and nothing is lost or doubled.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill, processes_of};

fn pid_of(run: &serde_json::Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

fn long_run(home: &Home) -> String {
    home.submit(&["fake", "--set", "steps=150", "--set", "step_ms=20", "--set", "checkpoint_every=10"])
}

/// Sequence numbers are contiguous and every event has its own id.
fn nothing_lost_or_doubled(home: &Home, id: &str) {
    let events = home.events(id);
    let seqs: Vec<_> = events.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let saved: Vec<_> = events
        .iter()
        .filter(|e| e["payload"]["action"] == "saved")
        .map(|e| e["payload"]["step"].as_f64().unwrap())
        .collect();
    let mut once = saved.clone();
    once.dedup();
    assert_eq!(saved, once, "a word was heard twice");
}

#[test]
fn a_killed_daemon_costs_no_training() {
    let home = Home::new();
    let id = long_run(&home);
    let before = home.until_done(&id, 5.0);
    for _ in 0..3 {
        home.kill_daemon();
        assert!(alive(pid_of(&before)), "the worker died with the daemon");
        // The next command (or the shim) starts a new daemon, which finds the worker.
        let after = home.until(&id, "the worker again", |run| run["pid"] == before["pid"]);
        assert_eq!(after["attempt"], 1);
        assert_eq!(home.workers(&id).len(), 1, "doubled");
    }
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["failures"]), (&1.into(), &0.into()));
    nothing_lost_or_doubled(&home, &id);
}

#[test]
fn what_the_worker_does_while_no_daemon_is_there_is_known_afterwards() {
    let home = Home::new();
    let id =
        home.submit(&["fake", "--set", "steps=30", "--set", "step_ms=20", "--set", "checkpoint_every=10"]);
    let run = home.until_done(&id, 3.0);
    // On purpose, so that no shim starts it again.
    home.resus(&["daemon", "stop"]).expect_code(0);
    home.wait_for("the worker's end", || (!alive(pid_of(&run))).then_some(()));
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["phase"], &run["attempt"]), (&"done".into(), &1.into()));
    assert_eq!(run["last_exit"]["code"], 0, "the exit code was kept: {run}");
    nothing_lost_or_doubled(&home, &id);
}

#[test]
fn a_lost_daemon_is_started_again_by_the_shims() {
    let home = Home::new();
    let id = long_run(&home);
    let _running = home.until_done(&id, 3.0);
    let dead = home.kill_daemon();
    let new = home.daemon_pid();
    assert_ne!(dead, new);
    home.resus(&["wait", &id]).expect_code(0);
}

#[test]
fn a_killed_shim_does_not_take_its_worker_along() {
    let home = Home::new();
    let id = long_run(&home);
    let before = home.until_done(&id, 5.0);
    let shim = processes_of(home.path())
        .into_iter()
        .find(|p| p.command.contains(" shim ") && p.command.contains(&id))
        .unwrap();
    kill(shim.pid, "KILL");
    home.wait_for("the shim's death", || (!alive(shim.pid)).then_some(()));
    assert!(alive(pid_of(&before)));
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["phase"]), (&1.into(), &"done".into()));
    nothing_lost_or_doubled(&home, &id);
}

#[test]
fn shim_and_daemon_killed_together_leave_one_worker_that_can_still_be_stopped() {
    let home = Home::new();
    let id = home.submit(&["fake", "--set", "steps=100000", "--set", "step_ms=20"]);
    let before = home.until_done(&id, 3.0);
    for process in processes_of(home.path()) {
        if process.command.contains(" shim ") || process.command.contains(" daemon ") {
            kill(process.pid, "KILL");
        }
    }
    let after = home.until(&id, "the worker again", |run| run["pid"] == before["pid"]);
    assert_eq!((home.workers(&id).len(), &after["attempt"]), (1, &1.into()));
    home.resus(&["stop", &id]).expect_code(0);
    let _ended = home.until_phase(&id, "cancelled");
    assert_eq!(home.workers(&id).len(), 0);
}

#[test]
fn a_wait_for_a_retry_outlives_the_daemon() {
    let home = Home::new();
    let id = home.submit(&[
        "fake",
        "--backoff",
        "1s",
        "--set",
        "steps=20",
        "--set",
        "step_ms=5",
        "--set",
        "crash_at=5",
        "--set",
        "crash_times=1",
    ]);
    let _waiting = home.until_phase(&id, "waiting");
    home.kill_daemon();
    home.resus(&["wait", &id]).expect_code(0);
    assert_eq!(home.view(&id)["attempt"], 2);
    nothing_lost_or_doubled(&home, &id);
}

#[test]
fn the_shim_is_the_small_program_and_where_none_can_be_the_large_one_does_its_work() {
    let program_of_shim = |home: &Home, id: &str| {
        let run = home.until(id, "a worker", |run| run["pid"].is_u64());
        assert!(alive(pid_of(&run)));
        let shims = processes_of(home.path()).into_iter().filter(|p| p.command.contains(" shim --run-id"));
        let programs: Vec<_> =
            shims.map(|shim| std::fs::read_link(format!("/proc/{}/exe", shim.pid)).unwrap()).collect();
        assert_eq!(programs.len(), 1, "{programs:?}");
        programs[0].clone()
    };
    let home = Home::new();
    let id = long_run(&home);
    assert!(program_of_shim(&home, &id).starts_with(home.state().join("bin")));
    home.resus(&["kill", &id]).expect_code(0);

    let home = Home::new();
    std::fs::create_dir_all(home.state()).unwrap();
    std::fs::write(home.state().join("bin"), "no folder").unwrap();
    let id = long_run(&home);
    assert!(!program_of_shim(&home, &id).starts_with(home.state()));
    home.resus(&["kill", &id]).expect_code(0);
}
