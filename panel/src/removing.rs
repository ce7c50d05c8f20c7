//! Runs, output and checkpoints that are to be gone.

use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::document::Document;
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resus_core::api::{RemoveBody, SweepBody};

/// `POST /v2/runs/{run}/remove`
pub(crate) async fn remove<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<RemoveBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.remove(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `DELETE /v2/runs/{run}`: the same with a query in place of a document.
pub(crate) async fn delete<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Asked(body): Asked<RemoveBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.remove(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `POST /v2/prune`
pub(crate) async fn sweep<D: Desk>(
    State(panel): State<Panel<D>>,
    Document(body): Document<SweepBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.sweep(body).await?;
    Ok(json(StatusCode::OK, &reply))
}
