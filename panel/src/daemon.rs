//! The daemon itself: what it says of itself, its health, its end.

use crate::answer::{Refusal, json, problem};
use crate::desk::Desk;
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resus_core::exit::ExitCode;
use serde_json::json as value;

/// `GET /v2/daemon`
pub(crate) async fn view<D: Desk>(State(panel): State<Panel<D>>) -> Response {
    json(StatusCode::OK, &panel.desk.daemon())
}

/// `POST /v2/daemon/stop`: the daemon as it is now; it ends after this answer.
pub(crate) async fn stop<D: Desk>(State(panel): State<Panel<D>>) -> Response {
    let daemon = panel.desk.daemon();
    panel.desk.request_stop();
    json(StatusCode::ACCEPTED, &daemon)
}

/// `POST /v2/daemon/reload`: what reading the settings again led to.
pub(crate) async fn reload<D: Desk>(State(panel): State<Panel<D>>) -> Result<Response, Refusal> {
    let reply = panel.desk.reload().await.map_err(Refusal)?;
    Ok(json(StatusCode::OK, &reply))
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthy() -> Response {
    json(StatusCode::OK, &value!({"status": "ok"}))
}

/// `GET /readyz`: new attempts can be started.
pub(crate) async fn ready<D: Desk>(State(panel): State<Panel<D>>) -> Result<Response, Refusal> {
    match panel.desk.daemon().degraded {
        None => Ok(json(StatusCode::OK, &value!({"status": "ready"}))),
        Some(why) => Err(Refusal(problem(StatusCode::SERVICE_UNAVAILABLE, ExitCode::DaemonUnreachable, why))),
    }
}
