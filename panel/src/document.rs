//! Requests' bodies: JSON documents within limits.

use crate::answer::{Refusal, problem};
use crate::limits::{BODY_BYTES_MAX, BODY_DEADLINE};
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use resus_core::exit::ExitCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error;
use tokio::time::timeout;

/// The body of a request as a document of type `T`.
pub(crate) struct Document<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Document<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let refuse = |status, detail: String| Refusal(problem(status, ExitCode::Usage, detail));
        if !is_json(request.headers()) {
            // A form or plain text can be sent by a browser's page without its user's consent.
            let detail = "say content-type: application/json".to_owned();
            return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = timeout(BODY_DEADLINE, to_bytes(request.into_body(), BODY_BYTES_MAX));
        let Ok(body) = body.await else {
            let detail = format!("the body did not arrive within {} s", BODY_DEADLINE.as_secs());
            return Err(refuse(StatusCode::REQUEST_TIMEOUT, detail));
        };
        let bytes = body.map_err(|error| {
            let too_large = error.source().is_some_and(|source| source.to_string().contains("length limit"));
            if too_large {
                let detail = format!("a body may have {BODY_BYTES_MAX} bytes");
                refuse(StatusCode::PAYLOAD_TOO_LARGE, detail)
            } else {
                refuse(StatusCode::BAD_REQUEST, format!("the body can't be read: {error}"))
            }
        })?;
        parse(&bytes).map(Self).map_err(|(status, detail)| refuse(status, detail))
    }
}

/// Text that is no JSON is one fault (400), JSON that is another document than asked for is
/// another (422). Lists are refused although serde would read one as a struct, by position.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, (StatusCode, String)> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    if !value.is_object() {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, "the document is not a JSON object".to_owned()));
    }
    serde_json::from_value(value).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
