//! The ledger events of a run, and its curves.

use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::limits::EVENTS_MAX;
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which events.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Those after this sequence number.
    #[serde(default)]
    pub(crate) after: u64,
    /// So many.
    limit: Option<u32>,
}

impl Page {
    /// How many at most.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(EVENTS_MAX).min(EVENTS_MAX)
    }
}

/// A page of events.
#[derive(Serialize)]
struct Events {
    /// In their order, as PULSE envelopes.
    events: Vec<Value>,
}

/// `GET /v2/runs/{run}/curves`: points by metric, oldest first, undone ones marked.
pub(crate) async fn curves<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &panel.desk.curves(&run).await?))
}

/// `GET /v2/runs/{run}/events?after=SEQ&limit=N`
pub(crate) async fn after<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    let events = panel.desk.events(&run, page.after, page.limit()).await?;
    Ok(json(StatusCode::OK, &Events { events }))
}
