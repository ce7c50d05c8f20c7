//! The list as people see it.

use super::*;
use crate::render::sample::page;
use serde_json::{Value, json};

const NOW_MS: u64 = 1_700_000_000_000;

fn view(id: &str, step: Option<f64>, state: &str, changes: Value) -> CheckpointView {
    let mut view = json!({
        "checkpoint": {
            "checkpoint_id": id, "path": format!("/s/{id}"), "step": step, "size_bytes": 1_048_576,
            "saved_unix_ms": NOW_MS - 192_000, "health": "finite",
        },
        "state": state, "is_resume_point": false,
    });
    for (name, value) in changes.as_object().unwrap() {
        let is_ours =
            ["is_resume_point", "pinned", "protected", "reason", "moved_to"].contains(&name.as_str());
        let place = if is_ours { &mut view } else { &mut view["checkpoint"] };
        place[name] = value.clone();
    }
    serde_json::from_value(view).unwrap()
}

fn rules(changes: Value) -> RetentionPolicy {
    let mut rules = json!({
        "keep_last": 5, "keep_best": 0, "best_metric": null, "best_is": "max", "keep_every": 0, "max_bytes": 0,
    });
    rules.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(rules).unwrap()
}

fn shown(checkpoints: Vec<CheckpointView>, rules: RetentionPolicy, columns: usize) -> Vec<String> {
    let list = CheckpointList { checkpoints, rules: Some(rules) };
    let listing = Listing { list: &list, unit: "game", in_use: Some("/s/ck-000100"), now_ms: NOW_MS };
    text(&listing, &page(columns)).lines().map(str::to_owned).collect()
}

#[test]
fn the_newest_comes_first_and_what_matters_is_marked() {
    let checkpoints = vec![
        view(
            "ck-000100",
            Some(100.0),
            "verified",
            json!({"pinned": true, "protected": true, "metrics": {"auc": 0.875}}),
        ),
        view(
            "ck-000200",
            Some(200.0),
            "verified",
            json!({"is_resume_point": true, "metrics": {"auc": 0.5}, "format": "manifest"}),
        ),
        view(
            "ck-012000",
            Some(12_000.0),
            "set_aside",
            json!({"health": "not_finite", "metrics": {"auc": 1.0}}),
        ),
        view("ck-000150", Some(150.0), "verified", json!({"protected": true})),
        view("new\u{1b}", None, "candidate", json!({"saved_unix_ms": null, "health": "unknown"})),
        view(
            "ck-000300",
            Some(300.0),
            "damaged",
            json!({"reason": "chunk 3 of section \"weights\" is damaged", "moved_to": "/s/damaged/ck-000300"}),
        ),
    ];
    let rules = rules(json!({"keep_best": 1, "best_metric": "auc", "max_bytes": 1_u64 << 30}));
    let expected = [
        "   CHECKPOINT  AT            SIZE  AGE  STATE          NUMBERS     MARKS                       FORMAT",
        "   ck-012000   12,000 games  1MiB  3m   set aside      not finite                              PRSM",
        "   ck-000300   300 games     1MiB  3m   damaged        finite                                  PRSM",
        "   chunk 3 of section \"weights\" is damaged",
        "   it lies in /s/damaged/ck-000300 now",
        "→  ck-000200   200 games     1MiB  3m   verified       finite      next                        manifest",
        "   ck-000150   150 games     1MiB  3m   verified       finite      kept                        PRSM",
        "   ck-000100   100 games     1MiB  3m   verified       finite      pinned, in use, best 0.875  PRSM",
        "   new\\u{1b}   —             1MiB  —    not read back  —                                       PRSM",
        "5 checkpoints, 5MiB, and 1 damaged; retention keeps the newest 5, the one with the largest auc, at most 1GiB in all; whatever the rules say, these stay: 1 pinned, 1 in use",
    ];
    assert_eq!(shown(checkpoints, rules, 300), expected);
}

#[test]
fn rules_are_words() {
    let words = |changes| kept(&rules(changes), "game");
    assert_eq!(words(json!({"keep_last": 1})), "retention keeps the newest");
    let best = json!({"keep_best": 2, "best_metric": "val_loss", "best_is": "min", "keep_every": 1000});
    let expected =
        "retention keeps the newest 5, the 2 with the smallest val_loss, the first of every 1,000 games";
    assert_eq!(words(best), expected);
    assert_eq!(
        words(json!({"keep_best": 2})),
        "retention keeps the newest 5",
        "by no metric there is no best"
    );
}

#[test]
fn of_equally_good_ones_the_newer_is_the_better_and_a_poisoned_one_is_none() {
    let scored = |id: &str, step: f64, loss: Value| {
        view(id, Some(step), "verified", json!({"metrics": {"loss": loss}}))
    };
    let poisoned = json!({"metrics": {"loss": 0.01}, "health": "not_finite"});
    let checkpoints = vec![
        scored("a", 1.0, json!(0.25)),
        scored("b", 2.0, json!(0.25)),
        scored("c", 3.0, json!(null)),
        view("d", Some(4.0), "verified", poisoned),
    ];
    let rules = rules(json!({"keep_best": 1, "best_metric": "loss", "best_is": "min"}));
    let shown = shown(checkpoints, rules, 200);
    let best: Vec<_> = shown.iter().filter(|line| line.contains("best 0.250")).collect();
    assert!(best.len() == 1 && best[0].contains(" b "), "{shown:?}");
}

#[test]
fn what_a_pruning_deletes_is_named_with_the_reason_and_counted() {
    let goes = vec![
        view("ck-1", Some(1.0), "verified", json!({"reason": "no rule keeps it"})),
        view("ck-2", None, "verified", json!({"reason": "the limit on bytes is reached"})),
    ];
    let dry = PruneReply { would_delete: goes.clone(), bytes: 2 << 20, ..PruneReply::default() };
    let expected = "\
CHECKPOINT  AT      SIZE  WHY
ck-1        1 game  1MiB  no rule keeps it
ck-2        —       1MiB  the limit on bytes is reached
2 checkpoints, 2MiB, would be deleted; nothing was changed
";
    assert_eq!(pruned(&dry, "game", &page(80)), expected);
    let real = PruneReply { deleted: goes, bytes: 2 << 20, ..PruneReply::default() };
    assert!(pruned(&real, "game", &page(80)).ends_with("2 checkpoints, 2MiB, are being deleted\n"));
    let none = pruned(&PruneReply::default(), "game", &page(80));
    assert_eq!(none, "nothing to delete: the rules keep every checkpoint\n");
}
