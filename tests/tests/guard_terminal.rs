//! What a worker says never drives the terminal of who looks: every byte that commands write to a
//! terminal is looked at.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::Home;
use resus_tests::hostile::{assert_harmless, generated, picked, without_redraws};
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

/// Commands that other tests look at, or that have nothing to say but fixed words.
const ELSEWHERE: [&str; 5] =
    ["resus watch", "resus run", "resus adopt", "resus daemon run", "resus daemon uninstall"];

/// Every command that the reference names has an entry.
fn every_command_is_among(entries: &[Vec<&str>]) {
    let page = include_str!("../../docs/COMMANDS.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")));
    let names: Vec<&str> = headings.filter(|heading| heading.starts_with("resus ")).collect();
    assert!(names.len() > 50, "{names:?}");
    for name in &names {
        let words: Vec<&str> = name.split(' ').skip(1).collect();
        let has_entry = entries.iter().any(|entry| entry.starts_with(&words));
        assert!(has_entry || ELSEWHERE.contains(name), "no terminal is shown what '{name}' says");
    }
    assert!(ELSEWHERE.iter().all(|name| names.contains(name)), "one of {ELSEWHERE:?} is no command");
}

/// Two workloads that mean ill, one of them broken, and a project's settings.
fn hostile_workload(home: &Home) {
    let evil = r"\u001b]0;evil\u0007\u202e\u009b2J";
    let good = format!(
        "name = \"evil\"\nsummary = \"x\\u202e\\u200by\"\nargv = [\"{evil}\", \"x\"]\ncwd = \"/{evil}\"\ncontract = \"opaque\"
[params]\np = {{ flag = \"--p\", type = \"text\", default = \"{evil}\", summary = \"a\\u202eb\" }}\n"
    );
    let broken = format!("name = \"{evil}\"\nsummary = 3\n\"{evil}\" = \"{evil}\"\n\u{1b}[2J\u{202e}");
    for (name, text) in [("evil", good), ("broken", broken)] {
        for above in ["config/resus/workloads", "work"] {
            let folder = home.path().join(above).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("workload.toml"), &text).unwrap();
        }
    }
    let settings = format!("[checkpoint]\nbest_metric = \"{evil}\"\n\"{evil}\" = 1\n");
    std::fs::write(home.path().join("work/evil.toml"), settings).unwrap();
}

/// What is told of a run whose worker means ill.
fn of_runs(id: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["ps"],
        vec!["ps", "--json"],
        vec!["ps", "-o", "wide"],
        vec!["ps", "-a", "-o", "names"],
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
        vec!["attach", id],
        vec!["checkpoints", id],
        vec!["checkpoints", id, "--json"],
        vec!["checkpoints", "ls", id],
        vec!["checkpoints", "verify", id],
        vec!["checkpoints", "prune", "-n", id],
        vec!["--color", "never", "logs", id],
        vec!["rm", "-n", id],
        vec!["rm", "-n", id, "--json"],
        vec!["prune", "-n"],
        vec!["prune", "-n", "--json"],
        vec!["rerun", "-n", id],
        vec!["rerun", "-n", id, "--json"],
        vec!["stop", "-n", id],
        vec!["kill", "-n", id],
        vec!["pause", "-n", id],
        vec!["resume", "-n", id],
        vec!["checkpoint", "-n", id],
        vec!["retry", "-n", id],
        vec!["restore", "-n", id, "latest"],
        vec!["configure", "-n", id, "--retries", "1"],
    ]
}

/// What is told of everything else: daemon, settings, workloads, help.
fn of_worlds(id: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["daemon"],
        vec!["daemon", "logs"],
        vec!["daemon", "logs", "--json"],
        vec!["daemon", "status"],
        vec!["daemon", "reload"],
        vec!["daemon", "start"],
        vec!["daemon", "install", "--print"],
        vec!["doctor"],
        vec!["nats"],
        vec!["nats", "info"],
        vec!["config"],
        vec!["config", "show", "--origin"],
        vec!["config", "check"],
        vec!["config", "check", "evil.toml"],
        vec!["config", "check", "evil.toml", "--json"],
        vec!["config", "schema"],
        vec!["config", "defaults"],
        vec!["config", "init", "--user"],
        vec!["workload"],
        vec!["workload", "ls"],
        vec!["workload", "ls", "--json"],
        vec!["workload", "show", "evil"],
        vec!["workload", "show", "evil", "--json"],
        vec!["workload", "show", "./evil"],
        vec!["workload", "show", "broken"],
        vec!["workload", "check", "evil"],
        vec!["workload", "check", "./broken"],
        vec!["workload", "check", "./broken", "--json"],
        vec!["run", "-n", "evil"],
        vec!["run", "-n", "./evil"],
        vec!["run", "./broken"],
        vec!["explain"],
        vec!["explain", id],
        vec!["completion", "zsh"],
        vec!["man", "run"],
        vec!["context"],
        vec!["context", "ls"],
    ]
}

/// What somebody is made to type, or to complete.
fn typed<'a>(id: &'a str, hostile_arg: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["status", hostile_arg],
        vec!["stop", hostile_arg, "--json"],
        vec![hostile_arg],
        vec!["run", hostile_arg],
        vec!["run", "fake", "--set", hostile_arg],
        vec!["ps", hostile_arg],
        vec!["ps", "--filter", hostile_arg],
        vec!["run", "--name", hostile_arg, "--", "true"],
        vec!["run", "-n", "--", hostile_arg],
        vec!["checkpoints", "show", hostile_arg],
        vec!["checkpoints", "compare", hostile_arg, hostile_arg],
        vec!["checkpoints", "convert", hostile_arg, hostile_arg],
        vec!["checkpoints", "restore", id, hostile_arg],
        vec!["checkpoints", "pin", id, hostile_arg],
        vec!["checkpoints", "unpin", id, hostile_arg],
        vec!["restore", id, hostile_arg],
        vec!["rerun", id, "--set", hostile_arg],
        vec!["rerun", "-n", id, "--env", "A=b", "--env", hostile_arg],
        vec!["logs", "--attempt", hostile_arg, id],
        vec!["--context", hostile_arg, "ps"],
        vec!["--state-dir", hostile_arg, "ps"],
        vec!["run", "--", hostile_arg],
        vec!["adopt", hostile_arg],
        vec!["explain", hostile_arg],
        vec!["explain", hostile_arg, "--json"],
        vec!["man", hostile_arg],
        vec!["completion", hostile_arg],
        vec!["prune", hostile_arg],
        vec!["rm", hostile_arg],
        vec!["config", "show", hostile_arg],
        vec!["config", "show", "--set", hostile_arg],
        vec!["config", "check", hostile_arg],
        vec!["workload", "show", hostile_arg],
        vec!["workload", "check", hostile_arg],
        vec!["workload", "new", hostile_arg],
        vec!["context", "add", hostile_arg],
        vec!["context", "use", hostile_arg],
        vec!["context", "rm", hostile_arg],
        vec!["context", "show", hostile_arg],
        vec!["--nats", hostile_arg, "ps"],
    ]
}

/// What changes something, last of all.
fn changing<'a>(id: &'a str, hostile_arg: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["retry", hostile_arg],
        vec!["daemon", "restart"],
        vec!["logs", "-n", "5", id],
        vec!["daemon", "stop", "--json"],
    ]
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
    hostile_workload(&home);
    let commands = [of_runs(id), of_worlds(id), typed(id, hostile_arg), changing(id, hostile_arg)].concat();
    every_command_is_among(&commands);
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
    // One draw of what goes on and on.
    let mut terminal = home.terminal(&["ps", "-w"]);
    let drawn = terminal.until(id.get(id.len() - 8..).unwrap());
    terminal.send(resus_tests::CTRL_C);
    assert_harmless("ps -w", &without_redraws(&[drawn.as_bytes(), &terminal.finish().1].concat()));
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn no_candidate_of_a_shell_drives_the_terminal() {
    let home = Home::new();
    hostile_workload(&home);
    std::fs::write(home.path().join("work/a\u{1b}[2Jb\u{202e}c"), "").unwrap();
    for shell in ["zsh", "fish", "elvish", "bash"] {
        for line in ["run ", "workload show ", "checkpoints show ./", "--state-dir "] {
            let mut command = home.command(&["--"]);
            let line = format!("resus {line}");
            let words: Vec<&str> = line.split(' ').collect();
            command.args(&words).env("RESUS_COMPLETE", shell).env("_CLAP_IFS", "\n");
            command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
            command.env("COMP_LINE", &line).env("COMP_POINT", line.len().to_string());
            let said = home.run(command).expect_code(0);
            let is_of_workloads = line.starts_with("resus run") || line.contains("workload");
            assert!(!is_of_workloads || said.stdout.contains("evil"), "{said:?}");
            assert_harmless(&format!("{shell}: {line}"), said.stdout.as_bytes());
        }
    }
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
