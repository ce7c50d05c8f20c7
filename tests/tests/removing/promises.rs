//! What is promised before something goes: what is refused, what is answered, what is typed next.

use super::{LONG, done, names, until_gone};
use resus_tests::Home;
use serde_json::{Value, json};

#[test]
fn force_kills_no_run_that_can_not_be_removed_then() {
    let home = Home::new();
    let parent = [&LONG[..], &["--set", "checkpoint_every=1", "--name", "parent"]].concat();
    let id = home.submit(&parent);
    home.wait_for("a checkpoint", || home.view(&id)["checkpoint"].is_object().then_some(()));
    let from = format!("{id}/latest");
    let heir = home.submit(&[&LONG[..], &["--name", "heir", "--resume", &from]].concat());
    let _ = home.until_phase(&heir, "running");
    let dry = home.resus(&["rm", "parent", "-n", "--force", "--json"]).expect_code(0).json();
    let kinds: Vec<_> = dry["obstacles"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["phase", "needed"], "{dry}");
    let refused = home.resus(&["rm", "parent", "--yes", "--force"]).expect_code(11);
    assert!(refused.stderr.contains("would go on from a checkpoint"), "{refused:?}");
    assert_eq!(home.view(&id)["phase"], "running", "it lives on");
    home.resus(&["kill", &id, &heir]).expect_code(0);
}

#[test]
fn what_was_shown_for_its_output_is_not_removed_as_a_whole() {
    let home = Home::new();
    let id = done(&home, "one");
    let only = |kind: &str| json!([{"kind": kind, "run_id": id}]);
    let body = json!({"kinds": ["runs", "logs"], "keep": 0, "only": only("logs"), "by": "test"});
    let (status, said) = home.http("POST", "/v2/prune", Some(&body));
    assert_eq!(status, 200, "{said}");
    assert_eq!(names(&home), ["one"]);
    // Whoever asks again for what went already is told so.
    let body = json!({"kinds": ["runs"], "keep": 0, "only": only("runs"), "by": "test"});
    for (gone, missing) in [(1, 0), (0, 1)] {
        let (_, said) = home.http("POST", "/v2/prune", Some(&body));
        let reply: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&reply["gone"], &reply["missing"]), (&json!(gone), &json!(missing)), "{reply}");
    }
    until_gone(&home, &id);
}

#[test]
fn the_same_command_to_remove_is_answered_as_the_first_time() {
    let home = Home::new();
    let id = done(&home, "once");
    let body = json!({"by": "test", "command_id": "rm-1"});
    for _ in 0..2 {
        let (status, said) = home.http("POST", &format!("/v2/runs/{id}/remove"), Some(&body));
        assert_eq!(status, 200, "{said}");
        let reply: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&reply["removed"], &reply["run"]["name"]), (&json!(true), &json!("once")), "{reply}");
        until_gone(&home, &id);
        home.kill_daemon();
        home.resus(&["daemon", "start"]).expect_code(0);
    }
    let other = json!({"by": "test", "command_id": "rm-2"});
    let (status, _) = home.http("POST", &format!("/v2/runs/{id}/remove"), Some(&other));
    assert_eq!(status, 404);
}

#[test]
fn who_waits_for_a_run_that_is_removed_hears_how_it_ended() {
    let home = Home::new();
    let [gone, stays] = ["gone", "stays"].map(|name| home.submit(&[&LONG[..], &["--name", name]].concat()));
    let _ = home.until_phase(&stays, "running");
    let _ = home.until_phase(&gone, "running");
    let waits = home.start(&["wait", "--any", "--for", "paused", &gone, &stays]);
    home.resus(&["rm", &gone, "--force", "--yes"]).expect_code(0);
    home.resus(&["pause", &stays]).expect_code(0);
    let said = home.finish(waits, "resus wait");
    assert_eq!(said.code, 0, "{said:?}");
    home.resus(&["kill", &stays]).expect_code(0);
}

#[test]
fn without_consent_the_plan_is_the_document_and_the_command_is_for_the_same_daemon() {
    let home = Home::new();
    let _ = done(&home, "plan");
    let state = home.state().display().to_string();
    let plan = home.resus(&["rm", "plan", "--json"]).expect_code(11);
    assert!(plan.stdout.contains("\"removed\":false"), "{plan:?}");
    let plan = home.resus(&["prune", "--keep", "0", "--json"]).expect_code(11);
    assert!(plan.stdout.contains("\"dry_run\":true"), "{plan:?}");
    for command in [&["rm", "plan"][..], &["prune", "--keep", "0"]] {
        let said = home.resus(&[command, &["--state-dir", &state]].concat()).expect_code(11);
        assert!(said.stderr.contains(&format!("--yes --state-dir {state}")), "{said:?}");
    }
    assert_eq!(names(&home), ["plan"]);
}
