//! `resus checkpoints` against the real daemon: what is listed, kept, deleted, found damaged,
//! compared and begun from.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::Home;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A fake worker that saves after every step of 50 ms, for longer than any test takes.
const LONG: [&str; 9] =
    ["fake", "--keep", "1000", "--set", "steps=100000", "--set", "step_ms=50", "--set", "checkpoint_every=1"];

fn list(home: &Home, id: &str) -> Vec<Value> {
    let list = home.resus(&["checkpoints", "ls", id, "--json"]).expect_code(0).json();
    list["checkpoints"].as_array().unwrap().clone()
}

fn name(checkpoint: &Value) -> String {
    checkpoint["checkpoint"]["checkpoint_id"].as_str().unwrap().to_owned()
}

fn path(checkpoint: &Value) -> PathBuf {
    checkpoint["checkpoint"]["path"].as_str().unwrap().into()
}

fn of_state(home: &Home, id: &str, state: &str) -> Vec<Value> {
    list(home, id).into_iter().filter(|checkpoint| checkpoint["state"] == state).collect()
}

/// A paused run without a worker that has at least `n` verified checkpoints, and these, oldest first.
fn paused(home: &Home, n: usize) -> (String, Vec<Value>) {
    let id = home.submit(&LONG);
    home.wait_for("checkpoints", || (of_state(home, &id, "verified").len() >= n).then_some(()));
    home.resus(&["pause", "--release", &id]).expect_code(0);
    // What was announced last is read back even if the worker is gone.
    home.wait_for("the last one", || of_state(home, &id, "candidate").is_empty().then_some(()));
    let verified = of_state(home, &id, "verified");
    (id, verified)
}

/// Changes the last byte of its data.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    // The digest is behind it.
    let place = bytes.len() - 33;
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_pinned_stays_and_what_no_rule_keeps_goes_when_it_is_pruned() {
    let home = Home::new();
    let (id, verified) = paused(&home, 6);
    let shown = home.resus(&["checkpoints", &id]).expect_code(0).stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].contains("CHECKPOINT") && lines[1].starts_with('→'), "{shown}");
    assert!(lines[1].contains(&name(verified.last().unwrap())), "the newest comes first: {shown}");
    assert!(shown.contains("retention keeps the newest 1000"), "{shown}");
    assert_eq!(home.resus(&["checkpoints", "ls", &id]).expect_code(0).stdout.lines().count(), lines.len());

    let oldest = name(&verified[0]);
    let said = home.resus(&["checkpoints", "pin", &id, &oldest]).expect_code(0);
    assert!(said.stderr.contains("is pinned"), "{said:?}");
    let again = home.resus(&["checkpoints", "pin", &id, &oldest]).expect_code(0);
    assert!(again.stderr.contains("already"), "{again:?}");
    let short = &id[id.len() - 8..];
    for verb in [&["checkpoints", "pin"][..], &["checkpoints", "unpin"], &["restore"]] {
        let said = home.resus(&[verb, &[&id, "nobody"]].concat()).expect_code(10);
        assert!(said.stderr.contains(&format!("resus checkpoints {short}")), "{said:?}");
    }
    home.resus(&["configure", &id, "--keep", "2"]).expect_code(0);

    let dry = home.resus(&["checkpoints", "prune", &id, "--dry-run"]).expect_code(0);
    assert!(dry.stdout.contains("would be deleted; nothing was changed"), "{dry:?}");
    let reply = home.resus(&["checkpoints", "prune", &id, "-n", "--json"]).expect_code(0).json();
    let goes: Vec<_> = reply["would_delete"].as_array().unwrap().iter().map(name).collect();
    let expected: Vec<_> = verified[1..verified.len() - 2].iter().map(name).collect();
    assert_eq!(goes, expected);
    assert!(reply["bytes"].as_u64().unwrap() > 0 && list(&home, &id).len() == verified.len(), "{reply}");

    home.resus(&["checkpoints", "prune", &id]).expect_code(0);
    home.wait_for("the pruning", || (list(&home, &id).len() == 3).then_some(()));
    let left: Vec<_> = list(&home, &id).iter().map(name).collect();
    let expected = [&verified[0], &verified[verified.len() - 2], &verified[verified.len() - 1]].map(name);
    assert_eq!(left, expected);
    assert!(verified.iter().filter(|c| path(c).exists()).count() == 3);
    // A pin is in the ledger.
    home.kill_daemon();
    home.resus(&["daemon", "start"]).expect_code(0);
    assert_eq!(list(&home, &id)[0]["pinned"], true);
    home.resus(&["checkpoints", "unpin", &id, &oldest]).expect_code(0);
    home.resus(&["checkpoints", "prune", &id]).expect_code(0);
    home.wait_for("the unpinned one", || (!path(&verified[0]).exists()).then_some(()));
    let story = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(story.contains("was pinned by cli") && story.contains("was deleted"), "{story}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn damage_is_found_named_told_to_the_daemon_and_not_resumed_from() {
    let home = Home::new();
    let (id, verified) = paused(&home, 3);
    let newest = verified.last().unwrap();
    let whole = home.resus(&["checkpoints", "verify", &id]).expect_code(0).stdout;
    assert!(whole.contains("all whole") && whole.contains("PRSM"), "{whole}");
    damage(&path(newest));
    let file = path(newest);
    let said = home.resus(&["checkpoints", "verify", file.to_str().unwrap()]).expect_code(15);
    let place = |said: &str| said.contains("chunk 0 of section") && said.contains("(bytes ");
    assert!(said.stdout.starts_with('✗') && place(&said.stdout), "{said:?}");
    let json =
        home.resus(&["checkpoints", "verify", file.to_str().unwrap(), "--json"]).expect_code(15).json();
    assert_eq!((&json["is_whole"], &json["checkpoints"][0]["is_whole"]), (&json!(false), &json!(false)));
    assert_eq!(of_state(&home, &id, "damaged").len(), 0, "a path is nobody's");

    let said = home.resus(&["checkpoints", "verify", &id]).expect_code(15);
    assert!(said.stdout.contains(&name(newest)) && said.stdout.contains("the daemon was told"), "{said:?}");
    let damaged = home.wait_for("the refusal", || of_state(&home, &id, "damaged").pop());
    assert_eq!(name(&damaged), name(newest));
    // It stays so: what is known of it and where it lies is told by every look.
    let again = home.resus(&["checkpoints", "verify", &id]).expect_code(15).stdout;
    let place = damaged["moved_to"].as_str().unwrap();
    assert!(again.contains(place) && again.contains(", 1 damaged") && !again.contains("was told"), "{again}");
    // Neither its place nor its name is a way to begin from it.
    for from in [place, &format!("{id}/{}", name(newest))] {
        let said = home.resus(&["run", "-d", "fake", "--resume", from]).expect_code(15);
        assert!(said.stderr.contains("found damaged"), "{said:?}");
    }
    let shown = home.resus(&["checkpoints", &id]).expect_code(0).stdout;
    assert!(shown.contains("damaged") && shown.contains(damaged["reason"].as_str().unwrap()), "{shown}");
    let next = list(&home, &id).into_iter().find(|c| c["is_resume_point"] == true).unwrap();
    assert_eq!(name(&next), name(&verified[verified.len() - 2]));
    home.resus(&["checkpoints", "verify", "/nowhere.prsm"]).expect_code(10);
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn checkpoints_are_shown_compared_and_converted() {
    let home = Home::new();
    let (id, verified) = paused(&home, 2);
    let [first, second] = [&verified[0], &verified[1]];
    let of_run = |checkpoint: &Value| format!("{id}:{}", name(checkpoint));
    let shown = home.resus(&["checkpoints", "show", &of_run(first), "--json"]).expect_code(0).json();
    assert_eq!(shown["meta"]["step"].as_f64(), first["checkpoint"]["step"].as_f64(), "{shown}");
    assert!(!shown["sections"].as_array().unwrap().is_empty(), "{shown}");
    let text = home.resus(&["checkpoints", "show", path(first).to_str().unwrap()]).expect_code(0).stdout;
    assert!(text.starts_with("PRSM version 3") && text.contains("SECTION"), "{text}");

    let same = home.resus(&["checkpoints", "compare", &of_run(first), &of_run(first)]).expect_code(0);
    assert!(same.stdout.contains("the same"), "{same:?}");
    let differ = home.resus(&["checkpoints", "compare", &of_run(first), &of_run(second)]).expect_code(16);
    assert!(differ.stdout.contains("different: "), "{differ:?}");

    let to = home.path().join("work/packed.prsm");
    let convert = |to: &Path, more: &[&str]| {
        let from = of_run(first);
        let args = ["checkpoints", "convert", &from, to.to_str().unwrap()];
        home.resus(&[&args[..], more].concat())
    };
    convert(&to, &["--compress", "zstd"]).expect_code(0);
    let compared = home.resus(&["checkpoints", "compare", &of_run(first), to.to_str().unwrap()]);
    compared.expect_code(0);
    let there = convert(&to, &[]).expect_code(11);
    assert!(there.stderr.contains("is there already") && there.stderr.contains("--force"), "{there:?}");
    convert(&to, &["--force"]).expect_code(0);
    convert(&to, &["--to-version", "2", "--compress", "lz4", "--force"]).expect_code(2);
    let nowhere = home.path().join("work/nowhere/packed.prsm");
    let said = convert(&nowhere, &[]).expect_code(10);
    assert!(said.stderr.contains("folder") && !said.stderr.contains(".tmp"), "{said:?}");
    let foreign = home.path().join("work/model.pt");
    std::fs::write(&foreign, b"PK\x03\x04 and a tensor, or so it seems to be").unwrap();
    let foreign = foreign.to_str().unwrap();
    for command in
        [&["show", foreign][..], &["compare", &of_run(first), foreign], &["convert", foreign, "x.prsm"]]
    {
        let said = home.resus(&[&["checkpoints"], command].concat()).expect_code(2);
        assert!(said.stderr.contains("is not our format (it looks like a zip file"), "{said:?}");
    }
    damage(&to);
    let torn = home.resus(&["checkpoints", "compare", to.to_str().unwrap(), &of_run(first)]).expect_code(15);
    assert!(torn.stderr.contains("is no whole checkpoint"), "{torn:?}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_run_begins_anew_or_where_the_user_says() {
    let home = Home::new();
    let (id, verified) = paused(&home, 2);
    let said = home.resus(&["checkpoints", "restore", &id, "none"]).expect_code(0);
    assert!(said.stderr.contains("starts from the beginning"), "{said:?}");
    let run = home.until(&id, "its worker", |run| run["phase"] == "running" && run["pid"].is_u64());
    assert_eq!((&run["attempt"], &run["resumed_from"]), (&json!(2), &Value::Null), "{run}");
    let story = home.resus(&["events", &id]).expect_code(0).stdout;
    assert!(story.contains("wants to begin anew; what was saved is set aside"), "{story}");

    // Another run begins where the first one was, by its name and by its file.
    let from = format!("{id}/{}", name(&verified[1]));
    for resume in [from.as_str(), path(&verified[1]).to_str().unwrap()] {
        let other = home.submit(&[&LONG[..], &["--resume", resume]].concat());
        let run = home.until(&other, "its worker", |run| run["phase"] == "running");
        assert_eq!(run["resumed_from"]["path"], verified[1]["checkpoint"]["path"], "{run}");
        home.resus(&["kill", &other]).expect_code(0);
    }
    home.resus(&["run", "-d", "fake", "--resume", "/nowhere.prsm"]).expect_code(10);
    home.resus(&["run", "-d", "fake", "--resume", "sometimes"]).expect_code(2);
    home.resus(&["run", "-d", "fake", "--resume", "/dev/null"]).expect_code(11);
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_retry_says_no_more_than_is_known_and_that_nothing_can_be_used_is_said_once() {
    let home = Home::new();
    let (id, verified) = paused(&home, 2);
    for checkpoint in &verified {
        damage(&path(checkpoint));
    }
    let resumed = home.resus(&["resume", &id]);
    assert!([0, 11].contains(&resumed.code), "it may see the end already: {resumed:?}");
    let failed = home.until_phase(&id, "failed");
    assert_eq!(failed["last_failure"]["code"], "CHECKPOINT_CORRUPT", "{failed}");
    let why = home.resus(&["why", &id]).expect_code(0).stdout;
    assert_eq!(why.matches("no checkpoint of the run can be used").count(), 1, "{why}");
    let said = home.resus(&["retry", &id]).expect_code(0);
    assert!(said.stderr.contains("does not begin: CHECKPOINT_CORRUPT"), "{said:?}");
    assert!(!said.stderr.contains("from the beginning"), "{said:?}");
    home.resus(&["restore", &id, "none"]).expect_code(0);
    let run = home.until(&id, "its worker", |run| run["phase"] == "running");
    assert_eq!(run["resumed_from"], Value::Null, "{run}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn why_tells_from_where_the_newest_attempt_was_ordered() {
    let home = Home::new();
    let id = home.submit(&[&LONG[..], &["--set", "crash_at=10", "--set", "crash_times=1"]].concat());
    let _ = home.until(&id, "its second attempt", |run| run["attempt"] == 2 && run["phase"] == "running");
    let why = home.resus(&["why", &id]).expect_code(0).stdout;
    assert!(why.contains("the worker of attempt 2 was ordered to start from checkpoint"), "{why}");
    home.resus(&["kill", &id]).expect_code(0);
}

#[test]
fn a_worker_is_told_its_share_of_the_disk() {
    let home = Home::new();
    home.configure("[checkpoint]\ndisk_share = '25%'\n");
    home.resus(&["run", "--", "sh", "-c", "echo share $PULSE_DISK_SHARE"]).expect_code(0);
    assert_eq!(home.resus(&["logs", "@latest"]).expect_code(0).stdout, "share 25\n");
}
