//! Control through a bus: the same desk, the questions in documents, the answers in messages.

use crate::rig::{FakeDesk, RUN_ID};
use resus_bus::control::{Endpoints, Reply};
use resus_core::api::control::{EventsReply, ListReply, OUTPUT_HEADER, StateReply, WhyReply};
use resus_core::api::{
    CheckpointList, CommandReply, DaemonView, OutputChunk, Problem, PruneReply, RerunReply,
};
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use resus_panel::{Control, Grounds};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::sync::watch;

/// What a server's messages hold unless it is configured otherwise.
const MESSAGE: usize = 1 << 20;

fn control(desk: &FakeDesk, allow_commands: bool) -> Control<FakeDesk> {
    let env = vec![("PATH".to_owned(), "/bin".to_owned())];
    let grounds = Grounds { allow_commands, cwd: "/home/resus".to_owned(), env };
    Control::new(desk.clone(), watch::channel(false).1, grounds)
}

async fn ask(desk: &FakeDesk, verb: &str, question: Value) -> Reply {
    control(desk, false).answer(verb, question.to_string().into(), MESSAGE).await
}

/// The document of a good answer.
async fn good<T: serde::de::DeserializeOwned>(desk: &FakeDesk, verb: &str, question: Value) -> T {
    let reply = ask(desk, verb, question).await;
    assert_eq!(reply.error, None, "{verb}: {:?}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).unwrap()
}

/// The problem of a refusal; its status is that of the headers.
fn refused(reply: &Reply) -> Problem {
    let problem: Problem = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.error.as_ref().map(|(status, _)| *status), Some(problem.status));
    problem
}

#[tokio::test]
async fn a_workload_is_started_on_the_daemons_own_grounds() {
    let desk = FakeDesk::new();
    let view: RunView =
        good(&desk, "start", json!({"workload": "othello", "params": {"games": "9"}, "command_id": "c1"}))
            .await;
    assert_eq!(view.run_id, RUN_ID);
    let submitted = desk.submitted.lock().unwrap().clone().unwrap();
    assert_eq!((submitted.cwd.as_str(), submitted.env.len()), ("/home/resus", 1));
    assert_eq!((submitted.params["games"].as_str(), submitted.command_id.is_some()), ("9", true));
}

#[tokio::test]
async fn a_run_is_run_once_more_as_far_as_one_could_be_started() {
    let desk = FakeDesk::new();
    let question = json!({"run": "othello", "fresh_env": true, "dry_run": true});
    let reply: RerunReply = good(&desk, "rerun", question.clone()).await;
    assert_eq!((reply.of.as_str(), reply.run), (RUN_ID, None));
    let allowed = control(&desk, true).answer("rerun", question.to_string().into(), MESSAGE).await;
    assert_eq!(allowed.error, None);
    let asked = desk.asked();
    for (asked, reach) in asked.iter().zip(["Registered", "Anything"]) {
        assert!(asked.starts_with("rerun othello {") && asked.ends_with(reach), "{asked}");
        assert!(asked.contains(r#""env":[["PATH","/bin"]]"#), "the daemon's own: {asked}");
    }
    assert_eq!(asked.len(), 2);
    let smuggled = json!({"run": "othello", "env": [["LD_PRELOAD", "/x"]]});
    assert_eq!(
        refused(&ask(&desk, "rerun", smuggled).await).status,
        422,
        "no whole environment from elsewhere"
    );
}

#[tokio::test]
async fn that_nothing_is_to_be_done_is_handed_on() {
    let desk = FakeDesk::new();
    for verb in ["stop", "pause", "retry"] {
        let _told: CommandReply = good(&desk, verb, json!({"run": "othello", "dry_run": true})).await;
    }
    let _done: CommandReply = good(&desk, "stop", json!({"run": "othello"})).await;
    assert_eq!(
        desk.asked(),
        ["stop othello (dry)", "pause othello (dry)", "retry othello (dry)", "stop othello"]
    );
}

#[tokio::test]
async fn a_command_is_started_only_where_the_operator_allows_it() {
    let desk = FakeDesk::new();
    let question = json!({"command": ["id"], "cwd": "/srv", "env": [["A", "b"]]});
    let problem = refused(&ask(&desk, "start", question.clone()).await);
    assert_eq!((problem.status, problem.exit_code), (403, ExitCode::Refused));
    assert!(problem.hint.unwrap().contains("bus.allow_commands"));
    assert!(desk.asked().is_empty());
    let reply = control(&desk, true).answer("start", question.to_string().into(), MESSAGE).await;
    assert_eq!(reply.error, None);
    assert_eq!(desk.submitted.lock().unwrap().clone().unwrap().cwd, "/srv");
}

#[tokio::test]
async fn every_command_reaches_the_run() {
    let desk = FakeDesk::new();
    for verb in ["stop", "kill", "retry", "pause", "release", "resume", "checkpoint"] {
        let reply: CommandReply = good(&desk, verb, json!({"run": "othello", "by": "t"})).await;
        assert!(reply.changed);
        assert_eq!(desk.asked().pop().unwrap(), format!("{verb} othello"));
    }
    good::<CommandReply>(&desk, "pause", json!({"run": "othello", "release": true})).await;
    assert_eq!(desk.asked().pop().unwrap(), "release othello");
    let problem = refused(&ask(&desk, "stop", json!({"run": "nobody"})).await);
    assert_eq!((problem.status, problem.exit_code), (404, ExitCode::NotFound));
}

#[tokio::test]
async fn checkpoints_are_listed_and_looked_after() {
    let desk = FakeDesk::new();
    let list: CheckpointList = good(&desk, "checkpoints", json!({"run": "othello"})).await;
    assert_eq!(list.checkpoints, []);
    let ck = |more: Value| {
        let mut question = json!({"run": "othello", "by": "t"});
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        question
    };
    good::<CommandReply>(&desk, "restore", ck(json!({"checkpoint": "none"}))).await;
    good::<CommandReply>(&desk, "pin", ck(json!({"checkpoint": "a", "pinned": true}))).await;
    good::<CommandReply>(&desk, "pin", ck(json!({"checkpoint": "a", "pinned": false}))).await;
    let pruned: PruneReply = good(&desk, "prune", ck(json!({"dry_run": true}))).await;
    assert_eq!(pruned.bytes, 7);
    good::<CommandReply>(&desk, "recheck", ck(json!({}))).await;
    let asked = [
        "restore othello none",
        "pin othello a",
        "unpin othello a",
        "prune othello true",
        "recheck othello all",
    ];
    assert_eq!(desk.asked(), asked);
    for verb in ["pin", "prune", "recheck"] {
        let stray = ck(json!({"checkpoint": "a", "pinned": true, "stray": 1}));
        assert_eq!(refused(&ask(&desk, verb, stray).await).status, 422, "{verb}");
    }
}

#[tokio::test]
async fn a_run_is_told_with_its_version_and_waited_for() {
    let desk = FakeDesk::new();
    let reply: StateReply = good(&desk, "state", json!({"run": "8c1d9e77"})).await;
    assert_eq!((reply.run.run_id.as_str(), reply.version), (RUN_ID, 7));
    let question = json!({"run": "othello", "since": 7, "wait_ms": 30_000});
    let (reply, ()) = tokio::join!(good::<StateReply>(&desk, "state", question), async {
        tokio::task::yield_now().await;
        desk.version.send_replace(8);
    });
    assert_eq!(reply.version, 8);
}

#[tokio::test]
async fn a_list_longer_than_a_message_comes_in_pages_that_fit() {
    let desk = FakeDesk::new();
    *desk.more.lock().unwrap() = 40;
    let control = control(&desk, false);
    let (mut seen, mut pages, mut after) = (BTreeSet::new(), 0, None::<String>);
    loop {
        let question = json!({"after": after}).to_string();
        let reply = control.answer("list", question.into(), 4096).await;
        assert!(reply.error.is_none() && reply.body.len() <= 4096, "{} bytes", reply.body.len());
        let page: ListReply = serde_json::from_slice(&reply.body).unwrap();
        seen.extend(page.runs.into_iter().map(|run| run.run_id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.len() == 41 && pages > 2, "{} runs in {pages} pages", seen.len());
    let two: ListReply = good(&desk, "list", json!({"limit": 2})).await;
    assert_eq!((two.runs.len(), two.next.as_deref()), (2, Some("run-0")));
    assert_eq!(refused(&ask(&desk, "list", json!({"after": "gone"})).await).status, 404);
    let all = control.answer("list", "".into(), MESSAGE).await;
    assert_eq!(all.error, None, "no body stands for no wishes");
}

#[tokio::test]
async fn history_comes_in_pages_that_say_where_the_next_begins() {
    let desk = FakeDesk::new();
    let page: EventsReply = good(&desk, "events", json!({"run": "othello", "after": 3})).await;
    assert_eq!((page.events.len(), page.next), (1, None));
    let page: WhyReply = good(&desk, "why", json!({"run": "othello", "after": 3, "limit": 1})).await;
    assert_eq!((page.lines.len(), page.next), (1, Some(4)));
    assert_eq!(desk.asked(), ["events othello 3 500", "story othello 3 1"]);
    *desk.more.lock().unwrap() = 99;
    let reply = control(&desk, false).answer("events", r#"{"run":"othello"}"#.into(), 1024).await;
    let page: EventsReply = serde_json::from_slice(&reply.body).unwrap();
    assert!(reply.body.len() <= 1024 && page.events.len() < 100);
    assert_eq!(page.next, page.events.last().unwrap()["seq"].as_u64());
}

#[tokio::test]
async fn output_comes_as_it_is_and_never_longer_than_a_message() {
    let desk = FakeDesk::new();
    *desk.output.lock().unwrap() = b"\xff\x00line\n".repeat(1000);
    *desk.ended.lock().unwrap() = true;
    let question = || json!({"run": "othello", "offset": 7}).to_string();
    let reply = control(&desk, false).answer("logs", question().into(), 700).await;
    let [(name, description)] = &reply.headers[..] else { panic!("{:?}", reply.headers) };
    let chunk: OutputChunk = serde_json::from_str(description).unwrap();
    assert_eq!((*name, chunk.offset, chunk.next_offset), (OUTPUT_HEADER, 7, 707));
    assert_eq!(reply.body, b"\xff\x00line\n".repeat(100));
    let problem = refused(&ask(&desk, "logs", json!({"run": "othello", "attempt": 0})).await);
    assert_eq!(problem.exit_code, ExitCode::Usage);
}

#[tokio::test]
async fn curves_and_the_daemon_are_told() {
    let desk = FakeDesk::new();
    let curves: Value = good(&desk, "curves", json!({"run": "othello"})).await;
    assert_eq!(curves, json!({"curves": {"loss": []}}));
    let curves: Value = good(&desk, "curves", json!({"run": "othello", "after": "loss"})).await;
    assert_eq!(curves, json!({"curves": {}}));
    assert_eq!(good::<DaemonView>(&desk, "daemon", json!({})).await.node, "gpu-a1");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_reaches_nobody() {
    let desk = FakeDesk::new();
    for (verb, question, status) in [
        ("stop", "", 422),
        ("stop", "nonsense", 400),
        ("stop", r#"["othello"]"#, 422),
        ("stop", r#"{"run":"othello","colour":"red"}"#, 422),
        ("start", r#"{"workload":"othello","cwd":"/etc"}"#, 422),
        ("daemon", r#"{"run":"x"}"#, 422),
        ("explode", "{}", 404),
        ("", "{}", 404),
    ] {
        let reply = control(&desk, false).answer(verb, question.into(), MESSAGE).await;
        assert_eq!(refused(&reply).status, status, "{verb} {question}");
    }
    let huge = format!(r#"{{"run":"{}"}}"#, "x".repeat(1 << 20));
    let reply = control(&desk, false).answer("stop", huge.into(), MESSAGE).await;
    assert_eq!(refused(&reply).status, 413);
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn every_verb_that_is_announced_is_known() {
    let desk = FakeDesk::new();
    let control = control(&desk, false);
    for verb in control.verbs() {
        let reply = control.answer(verb.name, "{}".into(), MESSAGE).await;
        assert_ne!(reply.error.map(|(status, _)| status), Some(404), "{}", verb.name);
    }
}
