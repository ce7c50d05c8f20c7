//! The life of a run, from the command line to its end.

use resus_tests::{Home, alive, kill};

/// A fake training of 40 quick steps, unless `more` says how many.
fn fake<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["fake", "--backoff", "100ms", "--set", "step_ms=20"];
    if !more.iter().any(|arg| arg.starts_with("steps=")) {
        args.extend(["--set", "steps=40"]);
    }
    [&args[..], more].concat()
}

#[test]
fn a_workload_runs_to_its_end_and_says_so() {
    let home = Home::new();
    let said = home.resus(&["run", "fake", "--set", "steps=5", "--set", "step_ms=1"]).expect_code(0);
    assert!(said.stdout.contains("done") || said.stderr.contains("done"), "{said:?}");
    let runs = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    assert_eq!(runs["runs"][0]["phase"], "done");
    assert_eq!(runs["runs"][0]["progress"]["done"], 5.0);
}

#[test]
fn any_command_runs_and_its_code_decides() {
    let home = Home::new();
    home.resus(&["run", "--", "true"]).expect_code(0);
    let id = home.submit(&["--retries", "0", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    home.resus(&["wait", &id]).expect_code(20);
    let run = home.view(&id);
    assert_eq!(run["last_exit"]["code"], 7);
    let logs = home.resus(&["logs", &id]).expect_code(0).stdout;
    assert!(logs.contains("out\n") && logs.contains("err\n"), "{logs}");
}

#[test]
fn a_command_that_does_not_exist_is_not_tried_again() {
    let home = Home::new();
    home.resus(&["run", "--", "/no/such/program"]).expect_code(20);
    let run = &home.resus(&["ps", "-a", "--json"]).json()["runs"][0];
    assert_eq!((&run["last_failure"]["code"], &run["attempt"]), (&"COMMAND_NOT_FOUND".into(), &1.into()));
}

#[test]
fn a_killed_worker_comes_back_from_its_checkpoint_and_no_step_is_lost_or_doubled() {
    let home = Home::new();
    let whole = home.submit(&fake(&["--set", "checkpoint_every=5"]));
    home.resus(&["wait", &whole]).expect_code(0);
    let id = home.submit(&fake(&["--set", "checkpoint_every=5"]));
    let run = home.until_done(&id, 12.0);
    kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
    home.resus(&["wait", &id, "--timeout", "60s"]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["failures"]), (&2.into(), &1.into()));
    assert_eq!(run["last_failure"]["code"], "WORKER_CRASHED");
    assert!(run["resumed_from"]["step"].as_f64().unwrap() >= 10.0, "{run}");
    // The digest is over every step in order: equal only if none was left out or made twice.
    assert_eq!(run["metrics"]["digest"], home.view(&whole)["metrics"]["digest"]);
}

#[test]
fn the_budget_of_retries_is_kept_and_the_last_failure_told() {
    let home = Home::new();
    let id = home.submit(&fake(&["--retries", "1", "--set", "crash_at=3"]));
    home.resus(&["wait", &id]).expect_code(20);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["ended_why"]), (&2.into(), &"BUDGET_SPENT".into()));
    let events = home.events(&id);
    let ends = events.iter().filter(|e| e["payload"]["status"] == "error").count();
    assert_eq!(ends, 1);
    // A retry by hand reopens it with a higher attempt and a fresh budget.
    home.resus(&["retry", &id]).expect_code(0);
    home.resus(&["wait", &id]).expect_code(20);
    assert_eq!(home.view(&id)["attempt"], 4);
}

#[test]
fn exit_zero_without_a_word_of_completion_is_a_failure() {
    let home = Home::new();
    let id = home.submit(&fake(&["--retries", "0", "--set", "no_done=true", "--set", "steps=3"]));
    home.resus(&["wait", &id]).expect_code(20);
    assert_eq!(home.view(&id)["last_failure"]["code"], "EXIT_WITHOUT_DONE");
}

#[test]
fn exit_code_125_is_final() {
    let home = Home::new();
    let id = home.submit(&["--", "sh", "-c", "exit 125"]);
    home.resus(&["wait", &id]).expect_code(20);
    let run = home.view(&id);
    assert_eq!((&run["last_failure"]["code"], &run["attempt"]), (&"EXIT_PERMANENT".into(), &1.into()));
}

#[test]
fn stop_saves_a_checkpoint_and_ends_as_cancelled() {
    let home = Home::new();
    let id = home.submit(&fake(&["--set", "steps=100000", "--set", "checkpoint_every=1000"]));
    let run = home.until_done(&id, 3.0);
    home.resus(&["stop", &id]).expect_code(0);
    let ended = home.until_phase(&id, "cancelled");
    assert!(!alive(u32::try_from(run["pid"].as_u64().unwrap()).unwrap()));
    assert!(
        ended["checkpoint"].is_object()
            || home.until(&id, "the checkpoint", |r| r["checkpoint"].is_object()).is_object()
    );
    home.resus(&["wait", &id]).expect_code(21);
    // Asking again changes nothing and is no error, however the run ended; a run that is
    // done can't be retried.
    home.resus(&["stop", &id]).expect_code(0);
    let done = home.submit(&["--", "true"]);
    home.resus(&["wait", &done]).expect_code(0);
    home.resus(&["stop", &done]).expect_code(0);
    home.resus(&["retry", &done]).expect_code(11);
}

#[test]
fn a_worker_that_ignores_everything_is_killed_after_its_grace() {
    let home = Home::new();
    let script = ["--set", "steps=100000", "--set", "ignore_term=true", "--set", "ignore_stop=true"];
    let id = home.submit(&[&fake(&script)[..], &["--grace", "1s"]].concat());
    let _running = home.until_done(&id, 2.0);
    home.resus(&["stop", &id]).expect_code(0);
    let run = home.until_phase(&id, "cancelled");
    assert_eq!(run["last_exit"]["signal"], 9);
    let rungs: Vec<_> = home
        .events(&id)
        .iter()
        .filter_map(|e| e["payload"]["signal_sent"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(rungs, ["SIGTERM", "SIGKILL"]);
}

#[test]
fn no_process_of_a_run_outlives_its_stop() {
    let home = Home::new();
    let id = home.submit(&fake(&["--set", "steps=100000", "--set", "fork_tree=2"]));
    let _running = home.until_done(&id, 2.0);
    let tree = home.workers(&id);
    assert!(tree.len() > 3, "a tree was expected: {tree:?}");
    home.resus(&["kill", &id]).expect_code(0);
    let run = home.until_phase(&id, "cancelled");
    assert_eq!(home.workers(&id).len(), 0);
    assert!(run["last_exit"]["strays_killed"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn the_newest_checkpoint_is_refused_when_it_is_damaged_and_the_older_one_is_used() {
    let home = Home::new();
    let script = ["--set", "checkpoint_every=5", "--set", "crash_at=12", "--set", "crash_times=1"];
    let id = home.submit(&[&fake(&script)[..], &["--set", "corrupt_last=true"]].concat());
    home.resus(&["wait", &id]).expect_code(0);
    let events = home.events(&id);
    let corrupt: Vec<_> = events.iter().filter(|e| e["payload"]["action"] == "corrupt").collect();
    assert_eq!(corrupt.len(), 1, "{events:?}");
    assert!(corrupt[0]["payload"]["reason"].as_str().unwrap().contains("checksum"), "{corrupt:?}");
    let retried = events.iter().find(|e| e["payload"]["action"] == "retried").unwrap();
    assert_eq!(retried["payload"]["from_checkpoint"], "step-000005");
}

#[test]
fn old_checkpoints_are_deleted_and_the_newest_kept() {
    let home = Home::new();
    let id = home.submit(&fake(&["--keep", "2", "--set", "checkpoint_every=5"]));
    home.resus(&["wait", &id]).expect_code(0);
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(home.run_dir(&id).join("checkpoints"))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    home.wait_for("retention", || (names().len() == 2).then_some(()));
    assert_eq!(names(), ["step-000035.prsm", "step-000040.prsm"]);
}

#[test]
fn a_worker_stopped_from_outside_comes_back() {
    let home = Home::new();
    let id = home.submit(&fake(&["--set", "checkpoint_every=5"]));
    let run = home.until_done(&id, 6.0);
    kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "TERM");
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["last_failure"]["code"]), (&2.into(), &"PREEMPTED".into()));
}

#[test]
fn a_program_that_leaves_with_zero_when_asked_to_was_stopped_not_finished() {
    let home = Home::new();
    let id = home.submit(&["--", "sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"]);
    home.wait_for("its first output", || home.resus(&["logs", &id]).stdout.contains("up").then_some(()));
    home.resus(&["stop", &id]).expect_code(0);
    assert_eq!(home.until(&id, "the end", |run| run["ended_at"].is_string())["phase"], "cancelled");
    home.resus(&["wait", &id]).expect_code(21);
}
