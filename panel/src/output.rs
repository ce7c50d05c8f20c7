//! A worker's output: raw bytes, described in a header.

use crate::OUTPUT_HEADER;
use crate::answer::{Refusal, bad_request, problem};
use crate::desk::Desk;
use crate::limits::{OUTPUT_BYTES_MAX, OUTPUT_LOOK_INTERVAL, WAIT_MAX};
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use resus_core::api::OutputChunk;
use resus_core::exit::ExitCode;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

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
    if asked.attempt == Some(0) {
        return Err(bad_request("attempts are counted from 1".to_owned()));
    }
    let max = asked.max.unwrap_or(OUTPUT_BYTES_MAX).min(OUTPUT_BYTES_MAX);
    let within = Duration::from_millis(asked.wait_ms).min(WAIT_MAX);
    let look = || panel.desk.output(&run, asked.attempt, asked.offset, max);
    let (chunk, bytes) = if within.is_zero() {
        look().await?
    } else {
        let _permit = panel.may_wait()?;
        wait(&panel, within, look).await?
    };
    described(&chunk, bytes)
}

/// Looks until there is something to tell, or the time is over.
async fn wait<D, F, L>(panel: &Panel<D>, within: Duration, look: L) -> Result<(OutputChunk, Vec<u8>), Refusal>
where
    D: Desk,
    F: Future<Output = Result<(OutputChunk, Vec<u8>), resus_core::api::Problem>>,
    L: Fn() -> F,
{
    let until = Instant::now() + within;
    loop {
        let (chunk, bytes) = look().await?;
        let over = chunk.complete && (chunk.run_ended || chunk.newest_attempt > chunk.attempt);
        if !bytes.is_empty() || over || Instant::now() >= until || panel.is_ending() {
            return Ok((chunk, bytes));
        }
        tokio::select! {
            () = sleep_until(until.min(Instant::now() + OUTPUT_LOOK_INTERVAL)) => {}
            () = panel.ending() => {}
        }
    }
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
