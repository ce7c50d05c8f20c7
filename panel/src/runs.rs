//! Runs: list, one (with a wait for its next change), accept, command.

use crate::VERSION_HEADER;
use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::document::Document;
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use resus_core::api::{CommandBody, ConfigureBody, Reach, RerunBody, Submission};
use serde::Deserialize;

/// `GET /v2/runs`
pub(crate) async fn list<D: Desk>(State(panel): State<Panel<D>>) -> Response {
    let version = panel.desk.version();
    versioned(json(StatusCode::OK, &panel.desk.runs()), version)
}

/// `POST /v2/runs`
pub(crate) async fn submit<D: Desk>(
    State(panel): State<Panel<D>>,
    Document(submission): Document<Submission>,
) -> Result<Response, Refusal> {
    let run = panel.desk.submit(submission).await?;
    let mut response = json(StatusCode::CREATED, &run);
    if let Ok(place) = HeaderValue::from_str(&format!("/v2/runs/{}", run.run_id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// When to answer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Once the version is above this.
    since: Option<u64>,
    /// But after this at the latest.
    #[serde(default)]
    wait_ms: u64,
}

/// `GET /v2/runs/{run}?since=V&wait_ms=N`
pub(crate) async fn one<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Asked(wait): Asked<Wait>,
) -> Result<Response, Refusal> {
    let (view, version) = panel.run_after(&run, wait.since, wait.wait_ms).await?;
    Ok(versioned(json(StatusCode::OK, &view), version))
}

/// `POST /v2/runs/{run}/command`
pub(crate) async fn command<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<CommandBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.command(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `POST /v2/runs/{run}/rerun`
pub(crate) async fn rerun<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<RerunBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.rerun(&run, body, Reach::Anything).await?;
    let status = if reply.run.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &reply))
}

/// `POST /v2/runs/{run}/configure`
pub(crate) async fn configure<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<ConfigureBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.configure(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

fn versioned(mut response: Response, version: u64) -> Response {
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from(version));
    response
}
