//! A worker's output: raw bytes, described in a header.

use crate::OUTPUT_HEADER;
use crate::answer::{Refusal, problem};
use crate::desk::Desk;
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use resus_core::api::OutputChunk;
use resus_core::exit::ExitCode;
use serde::Deserialize;

/// Which piece, and whether to wait for it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    /// Of this attempt; by default the newest.
    attempt: Option<u32>,
    /// From this byte on.
    #[serde(default)]
    offset: u64,
    /// So many bytes at most.
    max: Option<u32>,
    /// Wait so long for the first of them.
    #[serde(default)]
    wait_ms: u64,
}

/// `GET /v2/runs/{run}/output?attempt=N&offset=BYTE&max=BYTES&wait_ms=N`
pub(crate) async fn piece<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Asked(asked): Asked<Piece>,
) -> Result<Response, Refusal> {
    let (chunk, bytes) =
        panel.output_after(&run, asked.attempt, asked.offset, asked.max, asked.wait_ms).await?;
    described(&chunk, bytes)
}

fn described(chunk: &OutputChunk, bytes: Vec<u8>) -> Result<Response, Refusal> {
    let text = serde_json::to_string(chunk).ok().and_then(|text| HeaderValue::from_str(&text).ok());
    let Some(description) = text else {
        let detail = "the description of the output can't be written".to_owned();
        return Err(Refusal(problem(StatusCode::INTERNAL_SERVER_ERROR, ExitCode::Bug, detail)));
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(OUTPUT_HEADER, description);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
