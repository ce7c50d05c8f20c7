//! The checkpoints of a run: list, restore, pin, prune, read back once more.

use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::document::Document;
use crate::query::Selector;
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resus_core::api::{PinBody, PruneBody, RecheckBody, RestoreBody};

/// `GET /v2/runs/{run}/checkpoints`
pub(crate) async fn list<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &panel.desk.checkpoints(&run)?))
}

/// `POST /v2/runs/{run}/restore`
pub(crate) async fn restore<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<RestoreBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.restore(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `POST /v2/runs/{run}/pin`
pub(crate) async fn pin<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<PinBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.pin(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `POST /v2/runs/{run}/prune`
pub(crate) async fn prune<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<PruneBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.prune(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}

/// `POST /v2/runs/{run}/recheck`
pub(crate) async fn recheck<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Document(body): Document<RecheckBody>,
) -> Result<Response, Refusal> {
    let reply = panel.desk.recheck(&run, body).await?;
    Ok(json(StatusCode::OK, &reply))
}
