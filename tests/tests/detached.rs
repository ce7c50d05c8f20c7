//! A run and whoever looks at it live apart: terminals close, daemons and shims die, and what is
//! followed is neither lost nor told twice.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, Terminal, alive, kill, processes_of};
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// How often a terminal is closed at each moment.
const TRIES: usize = 4;
/// What a closed terminal ends its programs with: SIGHUP.
const HUNG_UP: i32 = 129;

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

/// What an attempt has printed, as its file has it.
fn printed(home: &Home, id: &str, attempt: u32) -> Vec<u8> {
    std::fs::read(home.run_dir(id).join(format!("attempts/{attempt:04}/output.log"))).unwrap()
}

/// Follows a run's output into a file.
fn follow(home: &Home, id: &str, more: &[&str]) -> Child {
    let out = std::fs::File::create(home.path().join("followed")).unwrap();
    let mut command: Command = home.command(&[&["logs", "-f", id], more].concat());
    command.stdout(out).stderr(Stdio::piped()).spawn().unwrap()
}

fn followed(home: &Home) -> Vec<u8> {
    std::fs::read(home.path().join("followed")).unwrap()
}

/// Waits until the follower has written what the run says now.
fn keeps_up(home: &Home, lines: usize) {
    home.wait_for("the follower", || {
        (followed(home).iter().filter(|byte| **byte == b'\n').count() >= lines).then_some(())
    });
}

fn shim_of(home: &Home, id: &str) -> u32 {
    home.wait_for("a shim", || {
        let mut shims = processes_of(home.path()).into_iter();
        shims.find(|p| p.command.contains(" shim --run-id") && p.command.contains(id)).map(|p| p.pid)
    })
}

#[test]
fn what_is_followed_is_neither_lost_nor_told_twice_whatever_dies_meanwhile() {
    let home = Home::new();
    let id = home.submit(&[
        "fake",
        "--backoff",
        "300ms",
        "--set",
        "steps=250",
        "--set",
        "step_ms=20",
        "--set",
        "print=3",
        "--set",
        "checkpoint_every=10",
        "--set",
        "crash_at=120",
        "--set",
        "crash_times=1",
    ]);
    let follower = follow(&home, &id, &[]);
    keeps_up(&home, 30);
    home.kill_daemon();
    keeps_up(&home, 90);
    home.resus(&["daemon", "restart"]).expect_code(0);
    keeps_up(&home, 150);
    kill(home.daemon_pid(), "STOP");
    let hung = home.daemon_pid();
    // It prints on while nobody can be asked.
    let length = || printed(&home, &id, 1).len();
    let from = length();
    home.wait_for("the worker's own lines", || (length() > from + 60 * 20).then_some(()));
    kill(hung, "CONT");
    home.wait_for("the second attempt", || (home.view(&id)["attempt"] == 2).then_some(()));
    let _running = home.until_phase(&id, "running");
    kill(shim_of(&home, &id), "KILL");
    home.kill_daemon();
    let said = home.finish(follower, "logs -f").expect_code(0);
    assert!(said.stderr.contains("── attempt 2 ──"), "{said:?}");
    let all = [printed(&home, &id, 1), printed(&home, &id, 2)].concat();
    let told = followed(&home);
    assert_eq!(told.len(), all.len());
    assert!(told == all, "the same length, and not the same");
}

#[test]
fn who_follows_is_told_that_the_daemon_is_gone_and_starts_none_that_was_stopped() {
    let home = Home::new();
    let id = home.submit(&["fake", "--set", "steps=100", "--set", "step_ms=20", "--set", "print=1"]);
    let run = home.until_done(&id, 3.0);
    let follower = follow(&home, &id, &[]);
    keeps_up(&home, 5);
    home.resus(&["daemon", "stop"]).expect_code(0);
    home.wait_for("the worker's end", || (!alive(pid_of(&run))).then_some(()));
    assert!(home.state().join("stopped").exists(), "the follower has started a daemon");
    home.resus(&["daemon", "start"]).expect_code(0);
    let said = home.finish(follower, "logs -f").expect_code(0);
    assert!(said.stderr.contains("reconnecting") && said.stderr.contains("the daemon is back"), "{said:?}");
    assert!(followed(&home) == printed(&home, &id, 1));
}

#[test]
fn a_follower_waits_through_a_long_silence() {
    let home = Home::new();
    // Longer than a follower's question waits for its answer.
    let id = home.submit(&["--", "sh", "-c", "echo before; sleep 12; echo after"]);
    let follower = follow(&home, &id, &[]);
    let said = home.finish(follower, "logs -f").expect_code(0);
    assert!(!said.stderr.contains("reconnecting"), "{said:?}");
    assert_eq!(followed(&home), b"before\nafter\n");
}

#[test]
fn a_follower_that_came_before_the_first_attempt_outlives_the_daemon() {
    let home = Home::new();
    let id = home.submit(&["--", "sh", "-c", "seq 1 50; sleep 1; seq 51 99"]);
    let follower = follow(&home, &id, &[]);
    for _ in 0..3 {
        home.kill_daemon();
        home.resus(&["ps"]).expect_code(0);
    }
    home.finish(follower, "logs -f").expect_code(0);
    assert_eq!(followed(&home), printed(&home, &id, 1));
}

#[test]
fn a_follower_reads_every_byte_that_is_kept_and_tells_what_is_not() {
    let home = Home::new();
    // 78 MB, of which 64 MiB are kept: the head is freed while it is being read.
    let id = home.submit(&["--", "seq", "1", "10000000"]);
    let follower = follow(&home, &id, &["--json"]);
    home.finish(follower, "logs -f").expect_code(0);
    let mut all = Vec::new();
    for number in 1..=10_000_000 {
        use std::io::Write;
        writeln!(all, "{number}").unwrap();
    }
    let mut next = 0;
    for line in String::from_utf8(followed(&home)).unwrap().lines() {
        let piece: Value = serde_json::from_str(line).unwrap();
        let offset = usize::try_from(piece["offset"].as_u64().unwrap()).unwrap();
        let text = piece["text"].as_str().unwrap().as_bytes();
        assert!(offset >= next, "byte {offset} is told twice");
        assert!(&all[offset..offset + text.len()] == text, "at byte {offset}");
        next = offset + text.len();
    }
    assert_eq!(next, all.len(), "up to the end");
}

/// A run that is watched on a terminal.
fn watched(home: &Home) -> Terminal {
    home.terminal(&["run", "fake", "--set", "steps=100000", "--set", "step_ms=20"])
}

#[test]
fn a_closed_terminal_takes_neither_the_run_nor_its_daemon_along() {
    for until in ["Ctrl-C: stop with a checkpoint", "● running"] {
        for _ in 0..TRIES {
            let home = Home::new();
            let mut terminal = watched(&home);
            terminal.until(until);
            let daemon = home.daemon_pid();
            terminal.close();
            assert_eq!(terminal.ended(), HUNG_UP);
            let runs = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
            let id = runs["runs"][0]["run_id"].as_str().unwrap().to_owned();
            let run = home.until_done(&id, 10.0);
            assert_eq!((&run["attempt"], home.daemon_pid()), (&1.into(), daemon), "{run}");
            home.resus(&["kill", &id]).expect_code(0);
        }
    }
}

#[test]
fn closing_the_terminal_of_a_follower_or_of_a_shell_harms_nothing() {
    let home = Home::new();
    let mut shell = home.shell();
    shell.send(b"$RESUS run -d --name apart fake --set steps=100000 --set step_ms=20 --set print=1\n");
    home.wait_for("the run", || (home.resus(&["status", "apart"]).code == 0).then_some(()));
    shell.send(b"$RESUS logs -f apart\n");
    shell.until("step 3 line 1 of 1");
    let before = home.until_done("apart", 3.0);
    shell.close();
    let _code = shell.ended();
    let done = before["progress"]["done"].as_f64().unwrap();
    let after = home.until_done("apart", done + 20.0);
    assert_eq!((pid_of(&after), &after["attempt"]), (pid_of(&before), &1.into()));
    let left = || processes_of(home.path()).into_iter().any(|p| p.command.contains("logs -f"));
    home.wait_for("the end of the follower", || (!left()).then_some(()));
    home.resus(&["kill", "apart"]).expect_code(0);
}
