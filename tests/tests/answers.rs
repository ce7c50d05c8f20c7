//! Commands against a daemon that is dead, hangs, or is of another version: an exit code for
//! each cause. How soon the answer comes is measured by bench `silence`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, PATIENCE, Said, alive, kill, processes_of};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often it is tried.
const TRIES: usize = 20;
/// Exit code: the daemon can't be reached or started.
const UNREACHABLE: i32 = 12;
/// Exit code: it does not answer.
const SILENT: i32 = 17;
/// Exit code: it is of another version.
const FOREIGN: i32 = 18;
/// A run that nobody knows.
const RUN: &str = "8c1d9e77";
/// Every command that asks the daemon, apart from those that end it.
const COMMANDS: [&[&str]; 27] = [
    &["ps"],
    &["ps", "-a", "--json"],
    &["status", RUN],
    &["logs", RUN],
    &["logs", "-f", RUN],
    &["why", RUN],
    &["events", RUN],
    &["events", "-f", RUN],
    &["watch"],
    &["watch", RUN],
    &["wait", RUN],
    &["run", "fake"],
    &["run", "-d", "--", "true"],
    &["run", "--json", "othello"],
    &["pause", RUN],
    &["resume", RUN],
    &["checkpoint", RUN],
    &["checkpoints", RUN],
    &["checkpoints", "pin", RUN, "ck-1"],
    &["checkpoints", "prune", RUN],
    &["restore", RUN, "ck-1"],
    &["configure", RUN, "--retries", "1"],
    &["stop", RUN],
    &["kill", RUN],
    &["retry", RUN],
    &["daemon", "start"],
    &["daemon", "status"],
];

/// The three parts of a failure.
fn is_told(said: &Said, what: &str, next: &str) {
    let text = &said.stderr;
    assert!(text.contains(what) && text.contains(next), "{what:?}, {next:?}: {said:?}");
}

fn daemons(home: &Home) -> Vec<u32> {
    let daemons = processes_of(home.path()).into_iter().filter(|p| p.command.contains(" daemon run"));
    daemons.map(|p| p.pid).collect()
}

/// A home whose daemon runs, without runs.
fn home() -> Home {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    home
}

#[test]
fn every_command_says_that_the_daemon_hangs_and_starts_no_other() {
    let home = home();
    let daemon = home.daemon_pid();
    kill(daemon, "STOP");
    let answers: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = COMMANDS.iter().map(|args| scope.spawn(|| home.resus(args))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    for (args, said) in COMMANDS.iter().zip(&answers) {
        assert_eq!(said.code, SILENT, "{args:?}: {said:?}");
        is_told(said, "does not answer", &format!("kill -9 {daemon}"));
    }
    for args in [&["daemon", "stop"][..], &["daemon", "restart"], &["doctor"]] {
        let said = home.resus(args);
        assert_eq!(said.code, SILENT, "{args:?}: {said:?}");
    }
    assert_eq!(daemons(&home), [daemon], "another daemon was started");
    assert!(!home.state().join("stopped").exists(), "it was not stopped");
    kill(daemon, "CONT");
    home.resus(&["ps"]).expect_code(0);
    assert_eq!(home.daemon_pid(), daemon);
}

#[test]
fn time_and_again_a_daemon_that_hangs_is_told() {
    let home = home();
    let daemon = home.daemon_pid();
    kill(daemon, "STOP");
    let ask = || home.resus(&["ps", "--json"]);
    let answers: Vec<_> =
        (0..TRIES).map(|_| thread::scope(|scope| scope.spawn(ask).join().unwrap())).collect();
    for said in &answers {
        assert_eq!((said.code, said.stdout.as_str()), (SILENT, ""), "{said:?}");
        let problem: Value = serde_json::from_str(&said.stderr).unwrap();
        assert_eq!(
            (&problem["type"], &problem["exit_code"]),
            (&"urn:resus:daemon-silent".into(), &SILENT.into())
        );
    }
    kill(daemon, "KILL");
}

#[test]
fn a_daemon_that_was_killed_is_replaced_and_where_none_may_be_started_it_is_told() {
    let home = home();
    for _ in 0..TRIES {
        let dead = home.kill_daemon();
        let socket = home.socket();
        // Its last thread may still be on its way out.
        home.wait_for("nobody behind the socket", || UnixStream::connect(&socket).is_err().then_some(()));
        let said = home.resus(&["daemon", "status"]);
        is_told(&said.expect_code(UNREACHABLE), "no daemon runs", "resus daemon start");
        home.resus(&["ps"]).expect_code(0);
        assert_ne!(home.daemon_pid(), dead);
        assert_eq!(daemons(&home), [home.daemon_pid()]);
    }
}

#[test]
fn a_daemon_that_is_stopped_before_it_listens_is_not_started_over_and_over() {
    let home = home();
    let daemon = home.daemon_pid();
    // Its lock is held, and nobody is where it listened: as in the middle of its start.
    kill(daemon, "STOP");
    std::fs::remove_file(home.socket()).unwrap();
    for args in [&["ps"][..], &["run", "-d", "fake"], &["daemon", "start"]] {
        let said = home.resus(args);
        assert_eq!(said.code, SILENT, "{args:?}: {said:?}");
        is_told(&said, "does not answer", &format!("kill -9 {daemon}"));
        assert!(alive(daemon));
    }
    assert_eq!(daemons(&home), [daemon]);
}

/// What the false daemon answers: it is given the request and a stream.
type Answer = Arc<dyn Fn(&str, UnixStream) + Send + Sync>;

/// Puts a false daemon in the place of the true one, which lives on and holds the lock.
fn false_daemon(answer: impl Fn(&str, UnixStream) + Send + Sync + 'static) -> (Home, u32) {
    let home = home();
    let daemon = home.daemon_pid();
    let socket = home.path().join("run/false.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let path = home.state().join("daemon.json");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    record["socket"] = socket.to_str().unwrap().into();
    std::fs::write(&path, record.to_string()).unwrap();
    let answer: Answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let request = read_request(&stream);
                answer(&request, stream);
            });
        }
    });
    (home, daemon)
}

/// A request up to the end of its head.
fn read_request(mut stream: &UnixStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        request.extend(byte);
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// The head of an answer of so many bytes.
fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
}

fn good(mut stream: UnixStream, body: &str) {
    let _gone = stream.write_all((head(body.len()) + body).as_bytes());
}

/// Asks a false daemon `TRIES` times in three ways each.
fn asked_of(home: &Home, code: i32, what: &str, next: &str) {
    let ways = [&["ps"][..], &["status", RUN], &["run", "-d", "fake"], &["daemon", "status"]];
    for _ in 0..TRIES / ways.len() {
        let answers: Vec<_> = thread::scope(|scope| {
            let asked: Vec<_> = ways.iter().map(|args| scope.spawn(|| home.resus(args))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        for (args, said) in ways.iter().zip(answers) {
            assert_eq!(said.code, code, "{args:?}: {said:?}");
            is_told(&said, what, next);
        }
    }
    assert_eq!(daemons(home), [home.daemon_pid()], "another daemon was started");
}

#[test]
fn who_takes_questions_and_never_answers_hangs() {
    let (home, daemon) = false_daemon(|_, stream| {
        thread::sleep(PATIENCE);
        drop(stream);
    });
    asked_of(&home, SILENT, "does not answer", &format!("kill -9 {daemon}"));
}

#[test]
fn who_answers_a_byte_a_second_hangs() {
    let (home, daemon) = false_daemon(|_, mut stream| {
        for byte in (head(9) + "{}       ").bytes() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
    });
    asked_of(&home, SILENT, "does not answer", &format!("kill -9 {daemon}"));
}

#[test]
fn who_lives_and_leaves_a_question_unanswered_is_not_waited_for() {
    let (home, daemon) = false_daemon(|request, stream| {
        if request.starts_with("GET /healthz") {
            return good(stream, "{}");
        }
        thread::sleep(PATIENCE);
    });
    for args in [&["ps"][..], &["status", RUN], &["checkpoints", RUN], &["daemon", "status"], &["watch"]] {
        let said = home.resus(args);
        assert_eq!(said.code, SILENT, "{args:?}: {said:?}");
        is_told(&said, "does not answer", &format!("kill -9 {daemon}"));
    }
}

#[test]
fn who_hangs_in_the_middle_of_a_command_is_not_waited_for() {
    let hung = Arc::new(AtomicBool::new(false));
    let is_hung = hung.clone();
    let (home, _) = false_daemon(move |request, stream| {
        if request.starts_with("GET /healthz") && !is_hung.load(Ordering::SeqCst) {
            return good(stream, "{}");
        }
        is_hung.store(true, Ordering::SeqCst);
        thread::sleep(PATIENCE);
    });
    let said = home.resus(&["run", "-d", "fake"]);
    is_told(&said.expect_code(SILENT), "does not answer", "kill -9");
    assert!(hung.load(Ordering::SeqCst));
}

#[test]
fn endless_bytes_are_not_read_to_their_end() {
    let endless = |start: String| {
        move |_: &str, mut stream: UnixStream| {
            let piece = [b'x'; 65536];
            let _gone = stream.write_all(start.as_bytes());
            while stream.write_all(&piece).is_ok() {}
        }
    };
    let (no_http, _) = false_daemon(endless(String::new()));
    asked_of(&no_http, FOREIGN, "another version", "resus daemon restart");
    let (header, _) = false_daemon(endless("HTTP/1.1 200 OK\r\nx: ".to_owned()));
    asked_of(&header, FOREIGN, "another version", "resus daemon restart");
    let (body, _) = false_daemon(endless(head(usize::MAX >> 1)));
    asked_of(&body, FOREIGN, "another version", "resus daemon restart");
}

/// Answers as the API does, apart from `changed`: a document for one address.
fn of_another_version(request: &str, stream: UnixStream, changed: &Value) {
    if request.starts_with("GET /healthz") {
        return good(stream, "{}");
    }
    good(stream, &changed.to_string());
}

fn a_run(more: &Value) -> Value {
    let home = home();
    let id = home.submit(&["fake", "--set", "steps=1"]);
    home.resus(&["wait", &id]).expect_code(0);
    let mut run = home.view(&id);
    for (key, value) in more.as_object().unwrap() {
        run[key] = value.clone();
    }
    run
}

#[test]
fn what_a_newer_daemon_adds_is_no_obstacle_and_what_it_changes_is_told() {
    let newer = json!({"phase": "dreaming", "mood": {"deep": [1, 2]}, "message": "zzz"});
    let list = json!({"runs": [a_run(&newer)], "quarantined": {}, "next_page": 7});
    let (home, _) = false_daemon(move |request, stream| of_another_version(request, stream, &list));
    for _ in 0..TRIES {
        let said = home.resus(&["ps", "-a"]).expect_code(0);
        assert!(said.stdout.contains("unknown"), "{said:?}");
    }
    let changed = json!({"runs": [{"run_id": 5}], "quarantined": []});
    let (home, _) = false_daemon(move |request, stream| of_another_version(request, stream, &changed));
    for _ in 0..TRIES {
        let said = home.resus(&["ps"]).expect_code(FOREIGN);
        is_told(&said, "another version", "resus daemon restart");
    }
}

#[test]
fn what_an_older_daemon_lacks_is_told() {
    let lacking = |status: &'static str, kind: &'static str, detail: &'static str| {
        let body = json!({
            "type": format!("urn:resus:{kind}"), "title": "no", "status": 404, "detail": detail, "exit_code": 10,
        });
        let body = body.to_string();
        let (home, _) = false_daemon(move |request, mut stream| {
            if request.starts_with("GET /healthz") {
                return good(stream, "{}");
            }
            let head = head(body.len()).replace("200 OK", status);
            let _gone = stream.write_all((head + &body).as_bytes());
        });
        home
    };
    for (status, kind, detail) in [
        ("404 Not Found", "no-such-route", "there is nothing at /v2/x"),
        ("405 Method Not Allowed", "method-not-allowed", "/v2/x does not understand GET"),
        ("422 Unprocessable", "unfit-document", "unknown field `resume`, expected `name`"),
    ] {
        let home = lacking(status, kind, detail);
        asked_of(&home, FOREIGN, detail, "resus daemon restart");
    }
    // A run that is not there is something else.
    let home = lacking("404 Not Found", "not-found", "no run is called \"x\"");
    home.resus(&["status", "x"]).expect_code(10);
}
