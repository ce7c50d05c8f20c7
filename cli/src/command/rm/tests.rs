use super::*;
use crate::fake_daemon::FakeDaemon;
use crate::render::sample::RUN_ID;
use serde_json::json;

fn args(runs: &[&str]) -> RmArgs {
    let runs = runs.iter().map(|run| (*run).to_owned()).collect();
    RmArgs { runs, dry_run: false, yes: true, force: false }
}

fn ended() -> serde_json::Value {
    json!({"phase": "done", "ended_at": "2026-11-22T00:00:00.000Z"})
}

#[tokio::test]
async fn all_are_looked_at_before_any_is_removed_and_each_once() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(ended(), 1);
    let around = Around::of_test(&daemon.state);
    let gone = rm(args(&[RUN_ID, "nobody"]), &around).await.unwrap_err();
    assert_eq!(gone.exit(), ExitCode::NotFound);
    assert_eq!(rm(args(&["@latest", RUN_ID]), &around).await.unwrap(), ExitCode::Ok);
    let asked = daemon.desk.commanded.lock().unwrap().clone();
    let dry = |run: &str| format!("remove {run} dry_run true with_pinned false");
    let real = format!("remove {RUN_ID} dry_run false with_pinned false");
    assert_eq!(asked, [dry(RUN_ID), dry("nobody"), dry("@latest"), dry(RUN_ID), real]);
}

#[tokio::test]
async fn nothing_is_removed_without_consent_or_in_a_dry_run() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(ended(), 1);
    let around = Around::of_test(&daemon.state);
    let refused = rm(RmArgs { yes: false, ..args(&[RUN_ID]) }, &around).await.unwrap_err();
    assert_eq!(refused.exit(), ExitCode::Refused);
    assert_eq!(refused.told().next, Some("resus rm 8c1d9e77 --yes".to_owned()));
    rm(RmArgs { dry_run: true, yes: false, ..args(&[RUN_ID]) }, &around).await.unwrap();
    let asked = daemon.desk.commanded.lock().unwrap();
    assert!(asked.len() == 2 && asked.iter().all(|asked| asked.contains("dry_run true")), "{asked:?}");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_what_to_type() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    let alive = rm(args(&[RUN_ID]), &around).await.unwrap_err();
    let told = alive.told();
    assert_eq!(alive.exit(), ExitCode::Refused);
    assert_eq!(told.why, ["8c1d9e77 (othello): can't remove a run that is running"]);
    assert!(told.next.unwrap().starts_with("resus stop 8c1d9e77 && resus rm 8c1d9e77"));
    let mut pinned = ended();
    pinned["name"] = json!("pinned");
    daemon.desk.change(pinned, 1);
    let refused = rm(args(&[RUN_ID]), &around).await.unwrap_err();
    assert_eq!(refused.told().next.as_deref(), Some("resus rm 8c1d9e77 --force"));
    let forced = RmArgs { force: true, ..args(&[RUN_ID]) };
    assert_eq!(rm(forced, &around).await.unwrap(), ExitCode::Ok);
}

#[tokio::test]
async fn a_run_that_another_needs_is_not_killed_for_nothing() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(json!({"name": "needed"}), 1);
    let around = Around::of_test(&daemon.state);
    let forced = RmArgs { force: true, ..args(&[RUN_ID]) };
    let refused = rm(forced, &around).await.unwrap_err();
    let told = refused.told();
    assert_eq!(told.why, ["8c1d9e77 (needed): run r2 would go on from a checkpoint of it"]);
    assert_eq!((refused.exit(), told.next.as_deref()), (ExitCode::Refused, Some("resus status r2")));
    assert!(daemon.desk.commands.lock().unwrap().is_empty(), "nothing was killed");
}

#[test]
fn who_needs_another_goes_before_it() {
    let run = |id: &str, needed_by: Option<&str>| {
        let needed = |other: &str| Obstacle {
            kind: ObstacleKind::Needed,
            text: String::new(),
            needed_by: Some(other.to_owned()),
        };
        RemoveReply {
            removed: false,
            run: crate::render::sample::view(json!({"run_id": id})),
            size: resus_core::api::RunSize::default(),
            checkpoints: 0,
            pinned: 0,
            obstacles: needed_by.map(needed).into_iter().collect(),
        }
    };
    let ordered =
        in_order(vec![run("a", Some("b")), run("b", Some("c")), run("c", None), run("d", Some("x"))]);
    let ids: Vec<_> = ordered.iter().map(|reply| reply.run.run_id.as_str()).collect();
    assert_eq!(ids, ["c", "b", "a", "d"]);
}
