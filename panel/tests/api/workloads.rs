//! Workloads are listed, and submissions planned, through both doors.

use crate::rig::{FakeDesk, get, post};
use resus_bus::control::{Endpoints, Reply};
use resus_core::api::control::WorkloadsReply;
use resus_core::api::{Plan, WorkloadList};
use resus_core::exit::ExitCode;
use resus_panel::{Control, Grounds};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a message of this test's bus holds.
const MESSAGE: usize = 2048;

async fn ask(desk: &FakeDesk, verb: &str, question: Value) -> Reply {
    let grounds = Grounds { allow_commands: false, cwd: "/home/resus".into(), env: Vec::new() };
    let control = Control::new(desk.clone(), watch::channel(false).1, grounds);
    control.answer(verb, question.to_string().into(), MESSAGE).await
}

#[tokio::test]
async fn workloads_are_a_document() {
    let desk = FakeDesk::new();
    let answer = get(&desk, "/v2/workloads").await;
    let list: WorkloadList = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), list.workloads.len()), (200, 1));
    assert_eq!(list.trouble.as_deref(), Some("a loose one"));
    post(&desk, "/v2/workloads", "{}").await.problem(405);
}

#[tokio::test]
async fn more_workloads_than_a_message_holds_come_in_pages_that_fit() {
    let desk = FakeDesk::new();
    *desk.more.lock().unwrap() = 99;
    let (mut names, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let reply = ask(&desk, "workloads", json!({"after": after})).await;
        assert!(reply.error.is_none() && reply.body.len() <= MESSAGE);
        let page: WorkloadsReply = serde_json::from_slice(&reply.body).unwrap();
        names.extend(page.workloads.into_iter().map(|workload| workload.name));
        pages += 1;
        let Some(next) = page.next else { break };
        after = json!(next);
    }
    assert!(pages > 1 && names.len() == 100 && names.is_sorted(), "{pages} {names:?}");
}

#[tokio::test]
async fn a_plan_is_asked_for_like_a_run_and_starts_none() {
    let desk = FakeDesk::new();
    let body = json!({"workload": "w", "cwd": "/", "env": []}).to_string();
    let answer = post(&desk, "/v2/plan", body).await;
    let plan: Plan = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), plan.workload.as_str()), (200, "w"));
    let reply = ask(&desk, "plan", json!({"workload": "w"})).await;
    assert_eq!(reply.error, None);
    assert_eq!(desk.submitted.lock().unwrap().clone().unwrap().cwd, "/home/resus");
    assert_eq!(desk.asked(), ["plan w", "plan w"]);
    post(&desk, "/v2/plan", r#"{"workload":"w","cwd":"/","env":[],"dry":true}"#).await.problem(422);
}

#[tokio::test]
async fn a_folder_is_run_from_elsewhere_only_where_the_operator_allows_it() {
    let desk = FakeDesk::new();
    for verb in ["start", "plan"] {
        let reply = ask(&desk, verb, json!({"workload_path": "/tmp/w"})).await;
        let problem: resus_core::api::Problem = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((problem.status, problem.exit_code), (403, ExitCode::Refused), "{verb}");
    }
    assert!(desk.asked().is_empty());
}
