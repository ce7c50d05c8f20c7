//! The commands on a real terminal: its keys, its size, its end, and its settings, which are
//! afterwards as they were before.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{CTRL_BACKSLASH, CTRL_C, Home, PATIENCE, Terminal, kill, program};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The header of an attached run: it was accepted.
const ACCEPTED: &str = "Ctrl-C: stop with a checkpoint";
/// How often each key is pressed at each moment.
const TRIES: usize = 5;

/// The moments at which keys are pressed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// The command has just begun, and minds no keys yet.
    Begun,
    /// It minds them, and no daemon has heard of the run yet, or one just hears of it.
    HandedIn,
    Accepted,
    Running,
    /// A checkpoint is being written.
    Saving,
    /// The last steps are done or about to be.
    Ending,
}

const MOMENTS: [Moment; 6] =
    [Moment::Begun, Moment::HandedIn, Moment::Accepted, Moment::Running, Moment::Saving, Moment::Ending];

/// What the workers of these tests are told: many steps, unless they are to end soon.
fn flags(moment: Moment) -> Vec<&'static str> {
    let steps = if moment == Moment::Ending { "steps=12" } else { "steps=100000" };
    let mut flags = vec!["run", "fake", "--name", "keys", "--set", "step_ms=20", "--set", steps];
    if moment == Moment::Saving {
        flags.extend([
            "--set",
            "checkpoint_every=5",
            "--set",
            "checkpoint_as=folder",
            "--set",
            "save_ms=300",
        ]);
    }
    flags
}

fn newest(home: &Home) -> Value {
    let said = home.resus(&["ps", "-a", "--json"]).expect_code(0);
    said.json()["runs"][0].clone()
}

/// Whether a process is the program already, and not what starts it on its terminal.
fn executes(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == *program())
}

/// Whether a process has a handler for SIGINT.
fn minds_keys(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    executes(pid) && caught.is_some_and(|mask| mask & 0b10 != 0)
}

/// Waits for what lasts a few milliseconds only.
fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// An attached run that has come to `moment`.
fn at(home: &Home, moment: Moment) -> Terminal {
    let mut terminal = home.terminal(&flags(moment));
    match moment {
        Moment::Begun => until(|| executes(terminal.pid())),
        Moment::HandedIn => until(|| minds_keys(terminal.pid())),
        Moment::Accepted => drop(terminal.until(ACCEPTED)),
        Moment::Running => drop(terminal.until("● running")),
        Moment::Saving => {
            terminal.until("● running");
            home.wait_for("a save", || {
                (newest(home)["progress"]["done"].as_f64() >= Some(5.0)).then_some(())
            });
        }
        Moment::Ending => {
            terminal.until("● running");
            home.wait_for("the end", || {
                (newest(home)["progress"]["done"].as_f64() >= Some(11.0)).then_some(())
            });
        }
    }
    terminal
}

/// Nothing of the terminal's settings has changed, and no cursor or screen is left in a mode.
fn is_restored(before: &rustix::termios::Termios, after: &rustix::termios::Termios, written: &[u8]) {
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let text = String::from_utf8_lossy(written);
    for mode in ["\x1b[?25l", "\x1b[?1049h", "\x1b[?1000h", "\x1b[?2004h"] {
        assert!(!text.contains(mode), "{mode:?}: {text}");
    }
}

/// Whether a key may come before anybody has heard of the run.
fn is_early(moment: Moment) -> bool {
    [Moment::Begun, Moment::HandedIn].contains(&moment)
}

/// No worker of the run is left, and what the command said is what came of it.
fn ended_as(home: &Home, code: i32, moment: Moment) {
    let runs = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    let runs = runs["runs"].as_array().unwrap();
    if runs.is_empty() {
        // Pressed before anybody had heard of a run: nothing was started.
        assert!(is_early(moment) && code == 130, "{moment:?}: {code}");
        return;
    }
    assert_eq!(runs.len(), 1, "{runs:?}");
    let id = runs[0]["run_id"].as_str().unwrap();
    let phase = match code {
        0 => "done",
        21 => "cancelled",
        other => panic!("{moment:?}: exit code {other}: {}", runs[0]),
    };
    assert_eq!(runs[0]["phase"], phase, "{moment:?}");
    home.wait_for("no worker left", || home.workers(id).is_empty().then_some(()));
}

#[test]
fn ctrl_c_stops_the_run_at_whatever_moment_it_is_pressed() {
    for moment in MOMENTS {
        for _ in 0..TRIES {
            let home = Home::new();
            let terminal = at(&home, moment);
            let before = terminal.settings();
            terminal.send(CTRL_C);
            let after = terminal.settings();
            let (code, written) = terminal.finish();
            is_restored(&before, &after, &written);
            ended_as(&home, code, moment);
        }
    }
}

#[test]
fn a_run_that_is_stopped_by_a_key_leaves_a_checkpoint() {
    let home = Home::new();
    let mut terminal = at(&home, Moment::Running);
    home.wait_for("steps", || (newest(&home)["progress"]["done"].as_f64() >= Some(3.0)).then_some(()));
    terminal.send(CTRL_C);
    terminal.until("Ctrl-C again kills at once");
    assert_eq!(terminal.finish().0, 21);
    let run = newest(&home);
    assert!(run["checkpoint"]["step"].as_f64().unwrap() >= 3.0, "{run}");
}

#[test]
fn ctrl_c_twice_kills_a_run_that_does_not_stop() {
    for moment in [Moment::Accepted, Moment::Running, Moment::Saving] {
        for _ in 0..TRIES {
            let home = Home::new();
            let mut flags = flags(moment);
            flags.extend(["--set", "ignore_term=true", "--set", "ignore_stop=true"]);
            let mut terminal = home.terminal(&flags);
            terminal.until(if moment == Moment::Accepted { ACCEPTED } else { "● running" });
            terminal.send(CTRL_C);
            terminal.until("Ctrl-C again kills at once");
            terminal.send(CTRL_C);
            let (code, _) = terminal.finish();
            assert_eq!(code, 21);
            ended_as(&home, code, moment);
        }
    }
}

#[test]
fn ctrl_c_three_times_leaves_a_run_whose_daemon_hangs() {
    for _ in 0..TRIES {
        let home = Home::new();
        let mut terminal = at(&home, Moment::Running);
        let daemon = home.daemon_pid();
        kill(daemon, "STOP");
        for notice in ["Ctrl-C again kills at once", "being killed, Ctrl-C again leaves"] {
            terminal.send(CTRL_C);
            terminal.until(notice);
        }
        terminal.send(CTRL_C);
        let (code, written) = terminal.finish();
        let written = String::from_utf8_lossy(&written).into_owned();
        assert_eq!(code, 130, "{written}");
        assert!(written.contains("has not ended yet"), "{written}");
        kill(daemon, "CONT");
    }
}

#[test]
fn ctrl_backslash_leaves_the_run_to_itself() {
    for moment in MOMENTS.into_iter().filter(|moment| *moment != Moment::Ending) {
        for _ in 0..TRIES {
            let home = Home::new();
            let terminal = at(&home, moment);
            let before = terminal.settings();
            terminal.send(CTRL_BACKSLASH);
            let after = terminal.settings();
            let (code, written) = terminal.finish();
            is_restored(&before, &after, &written);
            let runs = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
            let Some(run) = runs["runs"].as_array().unwrap().first() else {
                assert!(is_early(moment) && [130, 131].contains(&code), "{moment:?}: {code}");
                continue;
            };
            assert_eq!(code, 0, "{moment:?}: {}", String::from_utf8_lossy(&written));
            let id = run["run_id"].as_str().unwrap();
            let _live = home.until_done(id, 6.0);
            home.resus(&["kill", id]).expect_code(0);
        }
    }
}

#[test]
fn who_stops_a_run_and_leaves_at_once_is_obeyed() {
    for _ in 0..TRIES {
        let home = Home::new();
        let terminal = at(&home, Moment::Running);
        terminal.send(CTRL_C);
        terminal.send(CTRL_BACKSLASH);
        let (code, written) = terminal.finish();
        let written = String::from_utf8_lossy(&written).into_owned();
        assert_eq!(code, 0, "{written}");
        let id = newest(&home)["run_id"].as_str().unwrap().to_owned();
        home.resus(&["wait", &id]).expect_code(21);
    }
}
