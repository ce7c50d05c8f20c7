//! What a worker says never drives the terminal of who looks: every byte that commands write to a
//! terminal is looked at.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::Home;
use resus_tests::hostile::{assert_harmless, generated, picked};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Strings besides those that were picked.
const GENERATED: usize = 10_000;
/// So many of them in one error's text.
const JOINED: usize = 40;
/// A worker that says and prints what lies in two files, and fails.
const WORKER: &str = "cat \"$0\" >> \"$PULSE_EVENTS\"; cat \"$1\"; exit 3";

/// A line of a worker's event file.
fn event(kind: &str, payload: &Value) -> String {
    json!({"event_type": kind, "payload": payload}).to_string() + "\n"
}

/// Everything hostile in every place that a worker has for text: its events, and its output.
fn hostile_files(home: &Home) -> (PathBuf, PathBuf) {
    let mut events = event("status", &json!({"status": "running", "message": "ready"}));
    let mut output = String::new();
    let picked = picked();
    for (index, text) in picked.iter().enumerate() {
        events += &match index % 5 {
            0 => event("status", &json!({"status": "running", "message": text})),
            1 => event(
                "error",
                &json!({"error_code": text, "message": text, "target": text, "details": {text: text}}),
            ),
            2 => event("stage_change", &json!({"previous_stage": text, "new_stage": text})),
            3 => event("target_start", &json!({"target": text, "target_index": 0, "total_targets": 2})),
            _ => event(
                "checkpoint_saved",
                &json!({"checkpoint_id": text, "path": format!("/nowhere/{text}"), "step": index}),
            ),
        };
        events += &event("metric", &json!({"step": index, "metrics": {text: 1.0}}));
        let (unit, step) = (text, index);
        events += &event(
            "progress",
            &json!({"unit": unit, "step": step, "stage": text, "current_target": text, "message": text}),
        );
        writeln!(output, "{text}").unwrap();
    }
    let generated = generated(GENERATED, 1);
    for joined in generated.chunks(JOINED) {
        events += &event("error", &json!({"error_code": "X", "message": joined.join("|")}));
        writeln!(output, "{}", joined.join("|")).unwrap();
    }
    // What is refused reaches the daemon's log.
    events += "{\"event_type\": \"\\u001b]0;x\\u0007\", \"payload\": {}}\nno json \x1b[2J\u{202e}\n";
    let last = picked.join("");
    let last: String = last.chars().rev().take(900).collect();
    events += &event("error", &json!({"error_code": "LAST", "message": last, "fatal": true}));
    let files = (home.path().join("events"), home.path().join("output"));
    std::fs::write(&files.0, events).unwrap();
    std::fs::write(&files.1, output.as_bytes()).unwrap();
    files
}

fn on_terminal(home: &Home, args: &[&str]) -> Vec<u8> {
    let (_, bytes) = home.terminal(args).finish();
    assert_harmless(&args.join(" "), &bytes);
    bytes
}

#[test]
fn no_command_lets_a_worker_drive_the_terminal() {
    let home = Home::new();
    home.configure("[errors]\nmax_share = \"0%\"\n");
    let (events, output) = hostile_files(&home);
    let (events, output) = (events.to_str().unwrap(), output.to_str().unwrap());
    let worker = ["--", "sh", "-c", WORKER, events, output];
    let hostile_arg = "x\x1b]0;evil\x07\u{202e}\u{9b}2J";
    // Watched from its start, with the live line.
    let watched: Vec<&str> =
        ["run", "--retries", "1", "--backoff", "10ms"].iter().chain(&worker).copied().collect();
    let shown = on_terminal(&home, &watched);
    assert!(shown.len() > 500, "{}", String::from_utf8_lossy(&shown));
    let all: Vec<&str> = ["--retries", "0"].iter().chain(&worker).chain(&[hostile_arg]).copied().collect();
    let id = home.submit(&all);
    let id = id.as_str();
    home.resus(&["wait", id]).expect_code(20);
    let commands: Vec<Vec<&str>> = vec![
        vec!["ps"],
        vec!["ps", "--json"],
        vec!["status", id],
        vec!["status", id, "--json"],
        vec!["why", id],
        vec!["why", id, "--json"],
        vec!["events", id],
        vec!["events", id, "--json"],
        vec!["logs", id],
        vec!["logs", "-n", "50", id],
        vec!["logs", id, "--json"],
        vec!["logs", "-f", id],
        vec!["wait", id],
        vec!["checkpoints", id],
        vec!["checkpoints", id, "--json"],
        vec!["checkpoints", "verify", id],
        vec!["daemon", "logs"],
        vec!["daemon", "logs", "--json"],
        vec!["daemon", "status"],
        vec!["doctor"],
        vec!["nats", "info"],
        vec!["--color", "never", "logs", id],
        // What somebody is made to type, or to complete.
        vec!["status", hostile_arg],
        vec!["stop", hostile_arg, "--json"],
        vec![hostile_arg],
        vec!["run", hostile_arg],
        vec!["run", "fake", "--set", hostile_arg],
        vec!["ps", hostile_arg],
        vec!["run", "--name", hostile_arg, "--", "true"],
        vec!["checkpoints", "show", hostile_arg],
        vec!["restore", id, hostile_arg],
        vec!["logs", "--attempt", hostile_arg, id],
        vec!["--context", hostile_arg, "ps"],
        vec!["--state-dir", hostile_arg, "ps"],
        vec!["run", "--", hostile_arg],
        vec!["adopt", hostile_arg],
        vec!["context", "use", hostile_arg],
        vec!["--nats", hostile_arg, "ps"],
    ];
    for args in &commands {
        let bytes = on_terminal(&home, args);
        assert!(!bytes.is_empty(), "{args:?} says nothing");
    }
    // What was said is still there to be read, only harmless.
    let logs = String::from_utf8_lossy(&on_terminal(&home, &["logs", id])).into_owned();
    assert!(logs.contains("^[]52;c;ZXZpbA==^G") && logs.contains("\\u{202e}gnp.exe"), "{}", logs.len());
    let events = String::from_utf8_lossy(&on_terminal(&home, &["events", id])).into_owned();
    assert!(events.contains("\\u{1b}") && events.contains("\\u{200b}"), "{}", events.len());
    // A pipe gets every byte.
    let raw = std::process::Command::new("cat").arg(output).output().unwrap().stdout;
    let piped = home.command(&["logs", id]).output().unwrap().stdout;
    assert!(piped == raw, "a pipe gets what was printed: {} and {} bytes", piped.len(), raw.len());
}

#[test]
fn those_who_watch_while_it_happens_are_safe_too() {
    let home = Home::new();
    let short = picked().into_iter().filter(|text| text.len() < 40).step_by(4);
    let texts: Vec<String> = short.chain(["bidi:\u{202e}gnp.exe".to_owned()]).collect();
    let said = |text: &String| event("status", &json!({"status": "running", "message": text}));
    let (events, output) = (home.path().join("events"), home.path().join("output"));
    std::fs::write(&events, texts.iter().map(said).collect::<String>()).unwrap();
    std::fs::write(&output, texts.join("\n") + "\n").unwrap();
    let worker = "while :; do cat \"$0\" >> \"$PULSE_EVENTS\"; cat \"$1\"; sleep 0.5; done";
    let (events, output) = (events.to_str().unwrap(), output.to_str().unwrap());
    let id = home.submit(&["--", "sh", "-c", worker, events, output]);
    for args in [&["watch", &id][..], &["watch", &id, "--json"], &["events", "-f", &id], &["logs", "-f", &id]]
    {
        let mut terminal = home.terminal(args);
        // It has seen what came after it had begun to look.
        let before = terminal.until("gnp.exe");
        let again = terminal.until("gnp.exe");
        terminal.send(resus_tests::CTRL_C);
        let (_, bytes) = terminal.finish();
        assert_harmless(&args.join(" "), &bytes);
        assert_harmless(&args.join(" "), before.as_bytes());
        assert_harmless(&args.join(" "), again.as_bytes());
    }
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn json_on_a_terminal_is_the_same_document() {
    let home = Home::new();
    let text = "a\u{9b}2J\u{202e}b\u{7f}\u{200b}c\u{e0041}";
    let file = home.path().join("events");
    let said = event("status", &json!({"status": "running", "message": text}));
    std::fs::write(&file, said + &event("run_complete", &json!({"status": "success", "message": text})))
        .unwrap();
    let id =
        home.submit(&["--", "sh", "-c", "cat \"$0\" >> \"$PULSE_EVENTS\"", file.to_str().unwrap(), text]);
    home.resus(&["wait", &id]).expect_code(0);
    let argv = |text: &str| serde_json::from_str::<Value>(text.trim()).unwrap()["argv"].clone();
    let shown = on_terminal(&home, &["status", &id, "--json"]);
    let piped = home.resus(&["status", &id, "--json"]).stdout;
    assert_eq!(argv(&String::from_utf8(shown).unwrap()), argv(&piped));
    assert_eq!(argv(&piped)[4], text);
}
