//! What every command shows, as files in `cli/testdata`: for people and as JSON, with a daemon that
//! always says the same.

use super::*;
use crate::console::capture;
use crate::fake_daemon::FakeDaemon;
use crate::golden;
use crate::help::{self, tree};
use crate::text::paint::Paint;
use serde_json::json;
use std::collections::BTreeSet;

/// A command line and the file that holds what it shows. `RUN` is the run of the daemon.
const LINES: &[(&str, &str)] = &[
    ("run", "run -d othello"),
    ("attach", "attach RUN"),
    ("ps", "ps"),
    ("ps-all", "ps -a"),
    ("ps-quiet", "ps -q"),
    ("status", "status RUN"),
    ("status-unknown", "status nobody"),
    ("logs", "logs RUN"),
    ("logs-lines", "logs -n 1 RUN"),
    ("why", "why RUN"),
    ("events", "events RUN"),
    ("events-type", "events --type error RUN"),
    ("wait", "wait RUN"),
    ("pause", "pause --no-wait RUN"),
    ("resume", "resume --no-wait RUN"),
    ("checkpoint", "checkpoint --no-wait RUN"),
    ("checkpoints", "checkpoints RUN"),
    ("checkpoints-ls", "checkpoints ls RUN"),
    ("checkpoints-pin", "checkpoints pin RUN ck-000150"),
    ("checkpoints-unpin", "checkpoints unpin RUN ck-000150"),
    ("checkpoints-prune", "checkpoints prune --dry-run RUN"),
    ("checkpoints-show-nothing", "checkpoints show /nowhere/a.prsm"),
    ("checkpoints-compare-nothing", "checkpoints compare /nowhere/a.prsm /nowhere/b.prsm"),
    ("checkpoints-convert-nothing", "checkpoints convert /nowhere/a.prsm /nowhere/b.prsm"),
    ("checkpoints-verify-nothing", "checkpoints verify /nowhere/a.prsm"),
    ("checkpoints-restore", "checkpoints restore --no-wait RUN ck-000150"),
    ("restore", "restore --no-wait RUN ck-000150"),
    ("configure", "configure RUN --retries 20"),
    ("configure-nothing", "configure RUN"),
    ("stop", "stop --no-wait RUN"),
    ("stop-dry-run", "stop --dry-run RUN"),
    ("retry", "retry RUN"),
    ("rerun", "rerun -d RUN"),
    ("rerun-dry-run", "rerun --dry-run RUN"),
    ("rm", "rm --yes RUN"),
    ("rm-dry-run", "rm --dry-run RUN"),
    ("rm-without-consent", "rm RUN"),
    ("prune", "prune --keep 0 --yes"),
    ("prune-dry-run", "prune runs checkpoints --older-than 30d --dry-run"),
    ("prune-partly", "prune logs --keep 0 --yes"),
    ("prune-what", "prune"),
    ("workload-ls", "workload ls"),
    ("workload-show", "workload show mine"),
    ("workload-show-unknown", "workload show min"),
    ("daemon-reload", "daemon reload"),
    ("config-show-unknown", "config show retry.mx"),
    ("config-check-gone", "config check /nowhere/resus.toml"),
    ("config-defaults", "config defaults"),
    ("explain", "explain"),
    ("explain-code", "explain CUDA_OOM"),
    ("explain-two", "explain HUNG"),
    ("explain-exit", "explain exit 11"),
    ("explain-workload", "explain APP_TOKENIZER"),
    ("explain-problem", "explain urn:resus:removed"),
    ("explain-unknown", "explain CUDA_OM"),
    ("man", "man wait"),
    ("man-unknown", "man nonsense"),
];

/// Commands that are not here, and where what they show is tested instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("watch", "it ends with the run: tests/tests/hearing_cli.rs"),
    ("kill", "it waits for the end: tests/tests/killing.rs"),
    ("adopt", "the file of a training: tests/tests/adopted.rs"),
    ("daemon start", "a daemon of one's own: tests/tests/daemon_life.rs"),
    ("daemon stop", "a daemon of one's own: tests/tests/daemon_life.rs"),
    ("daemon restart", "a daemon of one's own: tests/tests/daemon_life.rs"),
    ("daemon status", "a daemon of one's own: tests/tests/daemon_life.rs"),
    ("daemon logs", "a daemon of one's own: tests/tests/daemon_life.rs"),
    ("daemon run", "it is the daemon"),
    ("daemon install", "systemd: tests/tests/service.rs"),
    ("daemon uninstall", "systemd: tests/tests/service.rs"),
    ("workload check", "the user's files: tests/tests/workloads.rs"),
    ("workload new", "it makes a folder: tests/tests/workloads.rs"),
    ("config schema", "for editors: tests/tests/settings_schema.rs"),
    ("config init", "it makes a file: tests/tests/settings_schema.rs"),
    ("context add", "the user's files: tests/tests/contexts.rs"),
    ("context ls", "the user's files: tests/tests/contexts.rs"),
    ("context use", "the user's files: tests/tests/contexts.rs"),
    ("context rm", "the user's files: tests/tests/contexts.rs"),
    ("context show", "the user's files: tests/tests/contexts.rs"),
    ("nats info", "the user's settings: tests/tests/managed.rs"),
    ("doctor", "this machine: tests/tests/doctor.rs"),
    ("completion", "tests/tests/completion.rs"),
];

fn daemon() -> FakeDaemon {
    let daemon = FakeDaemon::start();
    *daemon.desk.output.lock().unwrap() = b"epoch 1\nepoch 2 \x1b[31mred\x1b[0m\n".to_vec();
    let events = [
        ("accepted", json!({})),
        ("ready", json!({})),
        ("said", json!({"error_code": "CUDA_OOM", "message": "out of memory\u{1b}[2J"})),
    ];
    let failure = json!({"code": "CUDA_OOM", "message": "out of memory", "retried": false});
    let changes = json!({
        "phase": "failed", "status": "error", "ended_at": "2026-11-22T04:16:58.123Z", "pid": null,
        "ended_why": "NOT_RETRYABLE", "last_failure": failure,
    });
    daemon.desk.tell(changes, &events);
    let checkpoint = |id: &str, step: f64| {
        json!({
            "checkpoint": {"checkpoint_id": id, "path": format!("/ck/{id}.prsm"), "step": step, "size_bytes": 1_048_576},
            "state": "verified", "is_resume_point": step > 100.0,
        })
    };
    let list = json!({"checkpoints": [checkpoint("ck-000150", 150.0), checkpoint("ck-000100", 100.0)], "rules": null});
    *daemon.desk.checkpoints.lock().unwrap() = serde_json::from_value(list).unwrap();
    daemon
}

/// What `line` writes and how it ends.
async fn shown(line: &str, daemon: &FakeDaemon, is_json: bool, colour: bool) -> String {
    let words = line.replace("RUN", "@latest");
    let words = ["resus"].into_iter().chain(words.split(' ')).map(Into::into);
    let cli = help::parse(words).unwrap();
    let paint = Paint(colour);
    let console = Console {
        json: is_json,
        out_is_terminal: false,
        out_is_live: false,
        err_is_terminal: false,
        err_is_live: false,
        out_paint: paint,
        err_paint: paint,
    };
    let around = Around { console, ..Around::of_test(&daemon.state) };
    capture::begin();
    let done = Box::pin(dispatch(cli.command, &cli.global, &around)).await;
    let code = match done {
        Ok(code) => code,
        Err(error) => {
            crate::tell(&error, console);
            error.exit().code()
        }
    };
    let (out, err) = capture::end();
    let state = daemon.state.path().display().to_string();
    let json = if is_json { " --json" } else { "" };
    let text = format!("$ resus {line}{json}\n{out}--- stderr\n{err}--- exit {}\n", code);
    text.replace(&state, "/state")
}

#[tokio::test]
async fn what_commands_show_is_as_it_was() {
    for (name, line) in LINES {
        // A daemon of its own: what one command asks must not show in another.
        let daemon = daemon();
        let mut text = shown(line, &daemon, false, false).await;
        text.push_str(&shown(line, &daemon, true, false).await);
        golden::check(&format!("commands/{name}.txt"), &text);
        assert!(!text.contains('\u{1b}') || *name == "logs" || *name == "logs-lines", "{name}: {text}");
    }
}

#[tokio::test]
async fn colours_are_as_they_were() {
    golden::check("commands/status-colour.txt", &shown("status RUN", &daemon(), false, true).await);
}

#[test]
fn every_command_is_shown_here_or_tested_elsewhere() {
    let here: BTreeSet<String> = LINES.iter().map(|(_, line)| (*line).to_owned()).collect();
    for node in tree::nodes().iter().filter(|node| node.is_leaf()) {
        let is_here =
            here.iter().any(|line| *line == node.path || line.starts_with(&format!("{} ", node.path)));
        let is_elsewhere = ELSEWHERE.iter().any(|(path, why)| *path == node.path && !why.is_empty());
        assert!(is_here || is_elsewhere, "resus {}: a line in cli/src/command/golden.rs", node.path);
    }
}
