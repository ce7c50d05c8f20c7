//! `resus rm` and `resus prune` with real processes: what goes, what stays, and what a daemon that is
//! killed in between leaves undone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "removing/promises.rs"]
mod promises;

use resus_bus::subject;
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_tests::{Home, NatsClient, NatsServer};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A fake worker that is done at once, with two checkpoints and some output.
const SHORT: [&str; 8] =
    ["fake", "--set", "steps=4", "--set", "step_ms=1", "--set", "checkpoint_every=1", "--keep=9"];
/// One that works for longer than any test takes.
const LONG: [&str; 5] = ["fake", "--set", "steps=1000000", "--set", "step_ms=20"];

fn done(home: &Home, name: &str) -> String {
    let id = home.submit(&[&SHORT[..], &["--name", name]].concat());
    let _ = home.until_phase(&id, "done");
    id
}

fn names(home: &Home) -> Vec<String> {
    let list = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    let name = |run: &Value| run["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = list["runs"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

/// Where what is to be deleted waits.
fn aside(home: &Home, id: &str) -> PathBuf {
    home.state().join("removed").join(id)
}

fn until_gone(home: &Home, id: &str) {
    let is_gone = || !home.run_dir(id).exists() && !aside(home, id).exists();
    home.wait_for("the files to be gone", || is_gone().then_some(()));
}

#[test]
fn a_removed_run_is_gone_and_stays_known_and_nothing_else_is_touched() {
    let home = Home::new();
    let (gone, stays) = (done(&home, "gone"), done(&home, "stays"));
    let outside = home.path().join("precious");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "x").unwrap();
    symlink(&outside, home.run_dir(&gone).join("out")).unwrap();
    symlink(home.run_dir(&stays), home.run_dir(&gone).join("checkpoints/other")).unwrap();

    let refused = home.resus(&["rm", "gone"]).expect_code(11);
    // By its id: by the time it is typed, the name may be another run's.
    let next = format!("resus rm {} --yes", &gone[gone.len() - 8..]);
    assert!(refused.stderr.contains(&next), "{refused:?}");
    let dry = home.resus(&["rm", "gone", "-n"]).expect_code(0);
    assert!(dry.stdout.contains("gone") && dry.stdout.contains("1 run, "), "{dry:?}");
    assert_eq!(names(&home), ["gone", "stays"]);
    let reply = home.resus(&["rm", "gone", "--yes", "--json"]).expect_code(0).json();
    assert!(reply["removed"] == true && reply["size"]["bytes"].as_u64().unwrap() > 4096, "{reply}");
    until_gone(&home, &gone);
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "x");
    assert!(home.run_dir(&stays).join("attempts/0001/output.log").exists());
    assert!(fs::read_dir(home.run_dir(&stays).join("checkpoints")).unwrap().next().is_some());

    // Across a restart, too.
    for _ in 0..2 {
        assert_eq!(names(&home), ["stays"]);
        for command in [&["status", &gone][..], &["logs", &gone], &["retry", &gone], &["rm", &gone, "-y"]] {
            let said = home.resus(command).expect_code(10);
            assert!(said.stderr.contains("was removed on"), "{said:?}");
        }
        home.kill_daemon();
        home.resus(&["daemon", "start"]).expect_code(0);
    }
    assert!(!home.run_dir(&gone).exists());
}

#[test]
fn a_command_id_of_a_removed_run_creates_no_new_one() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let submission = json!({
        "workload": "fake", "params": {"steps": "2", "step_ms": "1"}, "cwd": "/", "env": [], "overrides": {},
        "command_id": "once",
    });
    let (status, body) = home.http("POST", "/v2/runs", Some(&submission));
    assert!(status < 300, "{body}");
    let id = serde_json::from_str::<Value>(&body).unwrap()["run_id"].as_str().unwrap().to_owned();
    let _ = home.until_phase(&id, "done");
    let (status, body) = home.http("DELETE", &format!("/v2/runs/{id}?by=test"), None);
    assert_eq!(status, 200, "{body}");
    for _ in 0..2 {
        let (status, body) = home.http("POST", "/v2/runs", Some(&submission));
        assert_eq!(status, 404, "{body}");
        assert!(body.contains("urn:resus:removed") && body.contains("was removed on"), "{body}");
        home.kill_daemon();
        home.resus(&["daemon", "start"]).expect_code(0);
    }
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn a_run_that_lives_is_refused_and_killed_first_with_force() {
    let home = Home::new();
    let id = home.submit(&[&LONG[..], &["--name", "lives"]].concat());
    let _ = home.until_done(&id, 2.0);
    let ended = done(&home, "ended");
    let refused = home.resus(&["rm", "lives", "ended", "--yes"]).expect_code(11);
    assert!(refused.stderr.contains("resus stop") && refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(names(&home), ["ended", "lives"], "all are checked before any is removed");
    let (status, body) = home.http("DELETE", &format!("/v2/runs/{id}"), None);
    assert_eq!(status, 409, "{body}");
    home.resus(&["rm", "lives", "ended", "--yes", "--force"]).expect_code(0);
    until_gone(&home, &id);
    until_gone(&home, &ended);
    assert!(home.workers(&id).is_empty());
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn pinned_checkpoints_go_only_with_force() {
    let home = Home::new();
    let id = done(&home, "pinned");
    home.resus(&["checkpoints", "pin", &id, "latest"]).expect_code(0);
    let refused = home.resus(&["rm", &id, "--yes"]).expect_code(11);
    assert!(refused.stderr.contains("pinned"), "{refused:?}");
    home.resus(&["prune", "--keep", "0", "--yes"]).expect_code(0);
    assert_eq!(names(&home), ["pinned"]);
    home.resus(&["rm", &id, "--yes", "--force"]).expect_code(0);
    until_gone(&home, &id);
}

#[test]
fn two_who_remove_the_same_at_once_both_succeed_and_no_file_is_left() {
    let home = Home::new();
    let ids: Vec<_> = (0..3).map(|n| done(&home, &format!("run-{n}"))).collect();
    let args = ["rm", "run-0", "run-1", "run-2", "--yes"];
    let both = [home.start(&args), home.start(&args)];
    for child in both {
        let said = home.finish(child, "resus rm");
        // Who comes when all are gone already is told so.
        assert!(said.code == 0 || (said.code == 10 && said.stderr.contains("was removed on")), "{said:?}");
    }
    ids.iter().for_each(|id| until_gone(&home, id));
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn a_daemon_that_is_killed_while_it_deletes_finishes_at_its_next_start() {
    let home = Home::new();
    let (id, stays) = (done(&home, "large"), done(&home, "stays"));
    let many = home.run_dir(&id).join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..20_000 {
        fs::write(many.join(n.to_string()), "").unwrap();
    }
    home.resus(&["rm", "large", "--yes"]).expect_code(0);
    home.kill_daemon();
    let was_left = home.run_dir(&id).exists() || aside(&home, &id).exists();
    println!("something was left by the daemon that was killed: {was_left}");
    home.resus(&["daemon", "start"]).expect_code(0);
    until_gone(&home, &id);
    assert_eq!(names(&home), ["stays"]);
    assert!(home.run_dir(&stays).join("attempts/0001/output.log").exists());
}

#[test]
fn what_is_left_of_any_step_of_a_deletion_goes_at_the_next_start() {
    let home = Home::new();
    let (id, stays) = (done(&home, "large"), done(&home, "stays"));
    home.resus(&["rm", "large", "--yes"]).expect_code(0);
    until_gone(&home, &id);
    for folders in [&["runs"][..], &["removed"], &["runs", "removed"]] {
        home.kill_daemon();
        for folder in folders {
            let folder = home.state().join(folder).join(&id).join("attempts/0001");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("output.log"), "x").unwrap();
        }
        // One that the ledger does not call removed is nobody's to delete.
        fs::create_dir_all(home.state().join("removed/stranger")).unwrap();
        home.resus(&["daemon", "start"]).expect_code(0);
        until_gone(&home, &id);
        assert!(home.state().join("removed/stranger").exists() && home.run_dir(&stays).exists());
    }
}

#[test]
fn runs_are_pruned_by_name_and_number_and_size_after_a_dry_run() {
    let home = Home::new();
    let ids: Vec<_> = ["a", "a", "b", "a"].iter().map(|name| done(&home, name)).collect();
    let alive = home.submit(&[&LONG[..], &["--name", "a"]].concat());
    let _ = home.until_done(&alive, 1.0);
    let vague = home.resus(&["prune", "--yes"]).expect_code(2);
    assert!(vague.stderr.contains("resus prune --older-than"), "{vague:?}");
    let none = home.resus(&["prune", "--older-than", "30d"]).expect_code(0);
    assert!(none.stderr.contains("nothing to prune"), "{none:?}");

    let dry = home.resus(&["prune", "--keep", "1", "-n"]).expect_code(0);
    assert!(dry.stdout.contains("2 items, ") && dry.stderr.contains("resus prune --keep 1 --yes"), "{dry:?}");
    let plan = home.resus(&["prune", "--keep", "1", "-n", "--json"]).expect_code(0).json();
    let goes: Vec<_> = plan["items"].as_array().unwrap().iter().map(|item| item["run_id"].clone()).collect();
    assert_eq!(goes, [ids[0].as_str(), ids[1].as_str()], "the oldest first");
    home.resus(&["prune", "--keep", "1"]).expect_code(11);
    assert_eq!(names(&home).len(), 5);
    home.resus(&["prune", "--keep", "1", "--yes"]).expect_code(0);
    assert_eq!(names(&home), ["a", "a", "b"]);

    home.resus(&["prune", "--max-size", "1GiB", "--yes"]).expect_code(0);
    assert_eq!(names(&home), ["a", "a", "b"]);
    home.resus(&["prune", "--max-size", "0B", "--status", "done", "--yes"]).expect_code(0);
    assert_eq!(names(&home), ["a"], "what lives stays");
    ids.iter().for_each(|id| until_gone(&home, id));
    let _ = home.until_phase(&alive, "running");
}

#[test]
fn output_is_pruned_and_said_to_be_and_comes_back_with_a_retry() {
    let home = Home::new();
    let id = home.submit(&["--name", "talks", "--", "sh", "-c", "echo hello; exec sleep 1000"]);
    let output = home.run_dir(&id).join("attempts/0001/output.log");
    let has_some = |path: &Path| path.metadata().is_ok_and(|meta| meta.len() > 0);
    home.wait_for("output", || has_some(&output).then_some(()));
    home.resus(&["kill", &id]).expect_code(0);
    home.resus(&["prune", "logs", "--name", "talks", "--yes"]).expect_code(0);
    home.wait_for("the output to be gone", || (!output.exists()).then_some(()));
    let said = home.resus(&["logs", &id]).expect_code(0);
    assert!(said.stderr.contains("its output was pruned on"), "{said:?}");
    assert!(home.view(&id)["output_pruned_at"].is_string());
    assert!(home.resus(&["ps", "-a"]).stdout.contains("(no output)"));
    let events = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(events.contains("pruned by cli: pruned: called talks"), "{events}");
    home.resus(&["retry", &id]).expect_code(0);
    let _ = home.until_phase(&id, "running");
    let second = home.run_dir(&id).join("attempts/0002/output.log");
    home.wait_for("new output", || has_some(&second).then_some(()));
    home.resus(&["kill", &id]).expect_code(0);
    home.kill_daemon();
    home.resus(&["daemon", "start"]).expect_code(0);
    let said = home.resus(&["logs", &id]).expect_code(0);
    assert!(!said.stdout.is_empty() && !said.stderr.contains("pruned"), "{said:?}");
}

#[test]
fn of_checkpoints_the_newest_and_pinned_ones_stay() {
    let home = Home::new();
    let id = done(&home, "saves");
    let list = || {
        let list = home.resus(&["checkpoints", "ls", &id, "--json"]).expect_code(0).json();
        list["checkpoints"].as_array().unwrap().clone()
    };
    let verified = |list: &[Value]| list.iter().all(|checkpoint| checkpoint["state"] == "verified");
    home.wait_for("checkpoints", || (list().len() >= 3 && verified(&list())).then_some(()));
    let all = list();
    let name = |checkpoint: &Value| checkpoint["checkpoint"]["checkpoint_id"].as_str().unwrap().to_owned();
    home.resus(&["checkpoints", "pin", &id, &name(&all[0])]).expect_code(0);
    home.resus(&["prune", "checkpoints", "--keep", "0", "--yes"]).expect_code(0);
    home.wait_for("the pruning", || (list().len() == 2).then_some(()));
    let left: Vec<_> = list().iter().map(name).collect();
    assert_eq!(left, [name(&all[0]), name(all.last().unwrap())]);
    let again = home.resus(&["prune", "checkpoints", "--keep", "0", "--yes"]).expect_code(0);
    assert!(again.stderr.contains("nothing to prune"), "{again:?}");
}

#[test]
fn a_run_that_another_is_to_begin_from_is_not_removed() {
    let home = Home::new();
    let id = done(&home, "parent");
    home.wait_for("a checkpoint", || home.view(&id)["checkpoint"].is_object().then_some(()));
    let from = format!("{id}/latest");
    let heir = [&LONG[..], &["--name", "heir", "--resume", &from]].concat();
    let heir = home.submit(&heir);
    let _ = home.until_phase(&heir, "running");
    let refused = home.resus(&["rm", "parent", "--yes"]).expect_code(11);
    assert!(refused.stderr.contains("heir"), "{refused:?}");
    home.resus(&["prune", "--name", "parent", "--yes"]).expect_code(0);
    assert!(home.run_dir(&id).exists());
    home.resus(&["kill", &heir]).expect_code(0);
    // It could be retried, and has no checkpoint of its own.
    let refused = home.resus(&["rm", "parent", "--yes", "--force"]).expect_code(11);
    assert!(refused.stderr.contains("heir") && home.run_dir(&id).exists(), "{refused:?}");
    home.resus(&["rm", "parent", "heir", "--yes"]).expect_code(0);
    until_gone(&home, &id);
    until_gone(&home, &heir);
}

#[test]
fn on_a_terminal_it_is_asked_and_only_yes_is_yes() {
    let home = Home::new();
    let id = done(&home, "asked");
    for (answer, code) in [("n\r", 11), ("\r", 11), ("y\r", 0)] {
        let mut terminal = home.terminal(&["rm", "asked"]);
        terminal.until("[y/N]");
        terminal.send(answer.as_bytes());
        let (ended, said) = terminal.finish();
        assert_eq!(ended, code, "{answer:?}: {}", String::from_utf8_lossy(&said));
    }
    until_gone(&home, &id);
}

#[test]
fn a_run_is_removed_from_elsewhere_and_its_state_goes_from_the_server_before_the_event() {
    let server = NatsServer::with_jetstream();
    let home = Home::new();
    home.configure(&format!("[daemon]\nnode = \"n1\"\n[bus]\nurl = \"{}\"\n", server.url()));
    let id = done(&home, "far");
    let other = done(&home, "stays");
    let mut client = NatsClient::open(server.port());
    let slug = |text: &str| Slug::new(text).unwrap();
    let state_of = |client: &mut NatsClient, id: &str| {
        let states = client.stream(&format!("KV_{}", subject::STATE_BUCKET));
        let key = subject::state(&slug("default"), &slug("fake"), &RunId::new(id).unwrap());
        states.into_iter().map(|(_, state)| state).find(|state| state.subject == key)
    };
    home.wait_for("the states", || {
        [&id, &other].iter().all(|id| state_of(&mut client, id).is_some()).then_some(())
    });
    let elsewhere = Home::new();
    let url = server.url();
    let asked = elsewhere.resus(&["--nats", &url, "rm", "far", "-n", "--json"]).expect_code(0).json();
    assert_eq!(asked["removed"], false);
    elsewhere.resus(&["--nats", &url, "rm", "far", "--yes"]).expect_code(0);
    until_gone(&home, &id);
    home.wait_for("the purge", || {
        state_of(&mut client, &id)
            .is_some_and(|state| state.header("KV-Operation") == Some("PURGE"))
            .then_some(())
    });
    let of = RunId::new(id.as_str()).unwrap();
    let ledger = subject::event(&slug("default"), &slug("fake"), &of, EventType::Status);
    home.wait_for("the event", || {
        let said = client.stream(subject::LEDGER_STREAM).into_iter().map(|(_, said)| said);
        let mut of_run = said.filter(|said| said.subject == ledger);
        of_run.any(|said| said.json()["payload"]["reason"] == "REMOVED").then_some(())
    });
    let kept = state_of(&mut client, &other).unwrap();
    assert_eq!(kept.json()["training_id"], other.as_str());
    let swept =
        elsewhere.resus(&["--nats", &url, "prune", "--keep", "0", "-y", "--json"]).expect_code(0).json();
    assert_eq!(swept["items"][0]["run_id"], other.as_str());
    until_gone(&home, &other);
    // A new session brings neither back.
    home.kill_daemon();
    home.resus(&["daemon", "start"]).expect_code(0);
    home.wait_for("the daemon on the bus", || {
        (elsewhere.resus(&["--nats", &url, "daemon", "status"]).code == 0).then_some(())
    });
    for id in [&id, &other] {
        assert!(state_of(&mut client, id).is_none_or(|state| state.header("KV-Operation") == Some("PURGE")));
    }
}
