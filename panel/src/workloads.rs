//! Workloads: those that can be run by name, and what a submission would come to.

use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::document::Document;
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resus_core::api::Submission;

/// `GET /v2/workloads`
pub(crate) async fn list<D: Desk>(State(panel): State<Panel<D>>) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &panel.desk.workloads().await?))
}

/// `POST /v2/plan`
pub(crate) async fn plan<D: Desk>(
    State(panel): State<Panel<D>>,
    Document(submission): Document<Submission>,
) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &panel.desk.plan(submission).await?))
}
