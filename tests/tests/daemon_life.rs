//! The daemon's own life: it ends when nobody needs it, is replaced by another build, and is
//! stopped, while trainings go on.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, Said, alive, kill, processes_of, program, write_program};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

/// The daemon ends after a second in which nobody needs it.
const IDLE_1S: &str = "[daemon]\nidle_exit = '1s'\n";
/// What a command says when the daemon is of another build.
const NOTE: &str = "is of another build than this command";

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

fn endless_run(home: &Home) -> String {
    home.submit(&["fake", "--set", "steps=1000000", "--set", "step_ms=20"])
}

fn daemons(home: &Home) -> Vec<u32> {
    let daemons = processes_of(home.path()).into_iter().filter(|p| p.command.contains(" daemon run"));
    daemons.map(|p| p.pid).collect()
}

fn ends(home: &Home, pid: u32, what: &str) {
    home.wait_for(what, || (!alive(pid)).then_some(()));
}

/// How far the worker says it is, read where it writes it: no daemon is asked.
fn last_step(home: &Home, run: &str) -> f64 {
    let workers = home.workers(run);
    let vars = workers.iter().flat_map(|worker| worker.environment.lines());
    let path = vars.filter_map(|var| var.strip_prefix("PULSE_EVENTS=")).next();
    let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| event["payload"]["done"].as_f64()).fold(0.0, f64::max)
}

#[test]
fn a_daemon_that_nobody_needs_ends_and_the_next_command_starts_it_again() {
    let home = Home::new();
    home.configure(IDLE_1S);
    home.resus(&["ps"]).expect_code(0);
    let first = home.daemon_pid();
    ends(&home, first, "the idle daemon's end");
    assert!(!home.state().join("stopped").exists(), "nobody stopped it on purpose");
    home.resus(&["ps"]).expect_code(0);
    assert_ne!(home.daemon_pid(), first);
}

#[test]
fn results_are_told_by_the_next_daemon_as_by_the_last() {
    let home = Home::new();
    let done = home.submit(&["fake", "--set", "steps=44", "--set", "step_ms=1"]);
    home.resus(&["wait", &done]).expect_code(0);
    let failed = home.submit(&["fake", "--retries", "0", "--set", "steps=60", "--set", "crash_at=44"]);
    let _ended = home.resus(&["wait", &failed]);
    let paused = endless_run(&home);
    let _ran = home.until_done(&paused, 20.0);
    home.resus(&["pause", &paused]).expect_code(0);
    let told = |id: &str| {
        let view = home.view(id);
        ["progress", "metrics", "message", "refused_lines", "last_failure"].map(|part| view[part].clone())
    };
    let all = || [&done, &failed, &paused].map(|id| told(id));
    let before = all();
    for parts in &before {
        assert!(parts[0]["loss"].is_f64() && parts[0]["unit"] == "step", "{parts:?}");
    }
    let first = home.daemon_pid();
    home.resus(&["daemon", "restart"]).expect_code(0);
    assert_ne!(home.daemon_pid(), first);
    assert_eq!(all(), before, "after a restart");
    home.kill_daemon();
    assert_eq!(all(), before, "after a crash");
}

#[test]
fn a_live_run_keeps_the_daemon_and_its_end_lets_it_go() {
    let home = Home::new();
    home.configure(IDLE_1S);
    let id = endless_run(&home);
    let daemon = home.daemon_pid();
    // Three seconds of the worker's own steps, in which nobody asks the daemon anything.
    home.wait_for("150 steps", || (last_step(&home, &id) >= 150.0).then_some(()));
    assert!(alive(daemon), "it left a live run alone");
    home.resus(&["kill", &id]).expect_code(0);
    ends(&home, daemon, "the idle daemon's end");
    assert_eq!(home.view(&id)["phase"], "cancelled");
}

#[test]
fn in_the_foreground_and_under_a_service_manager_it_stays() {
    let [foreground, service, detached] = [Home::new(), Home::new(), Home::new()];
    let manager = UnixDatagram::bind(service.path().join("notify")).unwrap();
    for home in [&foreground, &service, &detached] {
        home.configure(IDLE_1S);
    }
    let foreground_child = foreground.start(&["daemon", "run"]);
    let service_child = service
        .command(&["daemon", "run", "--detached"])
        .env("NOTIFY_SOCKET", service.path().join("notify"))
        .spawn()
        .unwrap();
    let mut heard = [0; 64];
    let length = manager.recv(&mut heard).unwrap();
    assert!(heard[..length].starts_with(b"READY=1"), "{heard:?}");
    assert_eq!(foreground.daemon_pid(), foreground_child.id());
    // While one that a command started comes and goes twice, they have been idle for longer.
    for _ in 0..2 {
        detached.resus(&["daemon", "start"]).expect_code(0);
        ends(&detached, detached.daemon_pid(), "the idle daemon's end");
    }
    for (home, child) in [(&foreground, foreground_child), (&service, service_child)] {
        assert!(alive(child.id()), "it ended by itself");
        kill(child.id(), "TERM");
        let _ended = home.finish(child, "daemon run").expect_code(0);
    }
}

#[test]
fn a_daemon_started_within_somebodys_service_does_not_speak_for_it() {
    let home = Home::new();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let mut command = home.command(&["daemon", "start"]);
    let _said = home.run({
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
        command
    });
    // It is ready and tells so before it answers, so nothing comes any more.
    assert!(alive(home.daemon_pid()));
    assert_eq!(manager.recv(&mut [0; 64]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// A copy of the program in the home; `tail` behind its end makes it another build.
fn copy_of_program(home: &Home, tail: &[u8]) -> PathBuf {
    let folder = home.path().join(if tail.is_empty() { "copy" } else { "other" });
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("resus");
    let mut content = std::fs::read(program()).unwrap();
    content.extend_from_slice(tail);
    write_program(&path, &content);
    path
}

fn said_by(home: &Home, program: &Path, args: &[&str]) -> Said {
    home.run(home.command_of(program, args))
}

#[test]
fn another_build_is_told_and_a_restart_keeps_every_worker() {
    let home = Home::new();
    let id = endless_run(&home);
    let before = home.until_done(&id, 3.0);
    let (old, other) = (home.daemon_pid(), copy_of_program(&home, b"other"));
    assert!(!home.resus(&["ps"]).expect_code(0).stderr.contains(NOTE));
    for args in [&["ps"][..], &["status", &id], &["daemon", "status"], &["daemon", "start"]] {
        let said = said_by(&home, &other, args).expect_code(0);
        let notes: Vec<_> = said.stderr.lines().filter(|line| line.contains(NOTE)).collect();
        assert_eq!(notes.len(), 1, "{args:?}: {said:?}");
        assert!(notes[0].contains("resus daemon restart"), "{said:?}");
    }
    let quiet = said_by(&home, &other, &["ps", "--json"]).expect_code(0);
    assert_eq!(quiet.stderr, "", "programs are not told");

    let said = said_by(&home, &other, &["daemon", "restart"]).expect_code(0);
    assert!(said.stderr.contains("1 live run is taken over"), "{said:?}");
    let new = home.daemon_pid();
    assert!(new != old && !alive(old));
    assert!(!home.state().join("stopped").exists(), "it was restarted, not stopped");
    assert_eq!(daemons(&home), [new]);
    assert!(!said_by(&home, &other, &["ps"]).expect_code(0).stderr.contains(NOTE));
    let after = home.until_done(&id, before["progress"]["done"].as_f64().unwrap() + 3.0);
    assert_eq!((pid_of(&after), &after["attempt"]), (pid_of(&before), &1.into()));
    assert_eq!(home.workers(&id).len(), 1);
    said_by(&home, &other, &["stop", &id]).expect_code(0);
}

#[test]
fn a_copy_of_the_same_build_is_not_another_build() {
    let home = Home::new();
    home.resus(&["ps"]).expect_code(0);
    let said = said_by(&home, &copy_of_program(&home, b""), &["ps"]).expect_code(0);
    assert!(!said.stderr.contains(NOTE), "{said:?}");
}

#[test]
fn a_restart_where_no_daemon_runs_starts_one() {
    let home = Home::new();
    home.resus(&["daemon", "stop"]).expect_code(0);
    let said = home.resus(&["daemon", "restart", "--json"]).expect_code(0);
    let document = said.json();
    assert_eq!((&document["old_pid"], &document["pid"]), (&Value::Null, &home.daemon_pid().into()));
    assert!(!home.state().join("stopped").exists());
}

#[test]
fn a_restart_that_could_not_come_back_stops_nothing() {
    let home = Home::new();
    home.resus(&["ps"]).expect_code(0);
    let daemon = home.daemon_pid();
    home.configure("[daemon]\nidle_exit = 'soon'\n");
    home.resus(&["daemon", "restart"]).expect_code(13);
    assert!(alive(daemon));
}

/// Serves answers that no build of ours understands, where the daemon's record points to, as
/// long as the daemon lives.
fn speak_another_version(home: &Home, daemon: u32) {
    let socket = home.path().join("run/other.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let path = home.state().join("daemon.json");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    record["socket"] = socket.to_str().unwrap().into();
    std::fs::write(&path, record.to_string()).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            if !alive(daemon) {
                return;
            }
            let mut request = [0; 4096];
            let _read = stream.read(&mut request);
            let _written = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
        }
    });
}

#[test]
fn a_daemon_whose_answers_cant_be_read_is_told_and_can_be_restarted() {
    let home = Home::new();
    home.resus(&["ps"]).expect_code(0);
    let old = home.daemon_pid();
    speak_another_version(&home, old);
    let said = home.resus(&["ps"]).expect_code(18);
    assert!(said.stderr.contains("try: resus daemon restart"), "{said:?}");
    home.resus(&["daemon", "restart"]).expect_code(0);
    assert!(!alive(old));
    home.resus(&["ps"]).expect_code(0);
    assert_eq!(daemons(&home), [home.daemon_pid()]);
}

#[test]
fn a_daemon_that_is_to_replace_another_takes_its_runs_over() {
    let home = Home::new();
    let id = endless_run(&home);
    let before = home.until_done(&id, 3.0);
    let old = home.daemon_pid();
    home.resus(&["daemon", "run"]).expect_code(11);
    let child = home.start(&["daemon", "run", "--replace"]);
    ends(&home, old, "the old daemon's end");
    home.wait_for("the new daemon", || (home.daemon_pid() == child.id()).then_some(()));
    let after = home.until_done(&id, before["progress"]["done"].as_f64().unwrap() + 3.0);
    assert_eq!(pid_of(&after), pid_of(&before));
    assert_eq!(daemons(&home), [child.id()]);
    home.resus(&["kill", &id]).expect_code(0);
    kill(child.id(), "TERM");
    let _ended = home.finish(child, "daemon run").expect_code(0);
}

/// However the daemon is asked to end, its worker lives on, and no shim starts another one:
/// a shim decides within its first wait of 0.2 s, and the worker's own steps show that more
/// than a second has passed.
fn ends_alone(end: impl Fn(&Home, u32)) {
    let home = Home::new();
    let id = endless_run(&home);
    let before = home.until_done(&id, 3.0);
    end(&home, home.daemon_pid());
    let from = last_step(&home, &id);
    home.wait_for("100 more steps", || (last_step(&home, &id) >= from + 100.0).then_some(()));
    assert!(alive(pid_of(&before)), "the worker died with the daemon");
    assert!(daemons(&home).is_empty(), "a shim started another daemon");
    let after = home.until_done(&id, 103.0);
    assert_eq!((pid_of(&after), &after["attempt"]), (pid_of(&before), &1.into()));
    assert_eq!(home.workers(&id).len(), 1);
}

#[test]
fn a_stopped_daemon_leaves_its_worker_and_no_shim_starts_another() {
    ends_alone(|home, daemon| {
        let said = home.resus(&["daemon", "stop"]).expect_code(0);
        assert!(said.stderr.contains("1 run goes on under its shim"), "{said:?}");
        assert!(!alive(daemon));
    });
}

#[test]
fn a_terminated_daemon_leaves_its_worker_and_no_shim_starts_another() {
    ends_alone(|home, daemon| {
        kill(daemon, "TERM");
        ends(home, daemon, "the terminated daemon's end");
    });
}

#[test]
fn stopping_everything_stops_the_runs_of_a_dead_daemon_too() {
    let home = Home::new();
    let id = home.submit(&["fake", "--set", "steps=100000", "--set", "step_ms=20"]);
    let _running = home.until_done(&id, 2.0);
    home.resus(&["daemon", "stop"]).expect_code(0);
    assert_eq!(home.workers(&id).len(), 1, "it goes on");
    home.resus(&["daemon", "stop", "--all", "--yes"]).expect_code(0);
    assert_eq!(home.workers(&id).len(), 0);
    assert_eq!(home.view(&id)["phase"], "cancelled");
}
