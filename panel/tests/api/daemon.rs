//! The daemon's own addresses.

use crate::rig::{FakeDesk, get, post};
use resus_core::exit::ExitCode;

#[tokio::test]
async fn a_degraded_daemon_is_healthy_but_not_ready() {
    let desk = FakeDesk::new();
    assert_eq!(get(&desk, "/readyz").await.json()["status"], "ready");
    *desk.degraded.lock().unwrap() = Some("the ledger can't be written: disk full".into());
    assert_eq!(get(&desk, "/healthz").await.status.as_u16(), 200);
    let problem = get(&desk, "/readyz").await.problem(503);
    assert_eq!(problem.detail, "the ledger can't be written: disk full");
    assert_eq!(problem.exit_code, ExitCode::DaemonUnreachable);
}

#[tokio::test]
async fn a_stop_is_answered_before_the_end() {
    let desk = FakeDesk::new();
    let answer = post(&desk, "/v2/daemon/stop", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["pid"]), (202, &99.into()));
    assert_eq!(desk.asked(), ["stop the daemon"]);
    assert_eq!(get(&desk, "/v2/daemon").await.json()["runs_live"], 1);
}
