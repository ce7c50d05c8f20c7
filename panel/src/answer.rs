//! Answers: documents, and problems of the API itself (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use serde::Serialize;

/// Media type of a problem document.
const PROBLEM_TYPE: &str = "application/problem+json";

/// A problem as an answer.
pub(crate) struct Refusal(pub Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        document(status, PROBLEM_TYPE, &self.0)
    }
}

/// `value` as a JSON document.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    document(status, "application/json", value)
}

fn document<T: Serialize>(status: StatusCode, media_type: &'static str, value: &T) -> Response {
    let (status, media_type, bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (status, media_type, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                b"the answer can't be written as JSON\n".to_vec(),
            )
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Every answer is about this instant.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A problem of the API itself.
pub(crate) fn problem(status: StatusCode, exit_code: ExitCode, detail: String) -> Problem {
    let (kind, title) = match status {
        StatusCode::NOT_FOUND => ("no-such-route", "there is no such address"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method-not-allowed", "this address does not understand the method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the request is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("not-json", "the request is not a JSON document"),
        StatusCode::UNPROCESSABLE_ENTITY => ("unfit-document", "the document does not have the right form"),
        StatusCode::REQUEST_TIMEOUT => ("too-slow", "the request did not arrive in time"),
        StatusCode::INTERNAL_SERVER_ERROR => ("internal", "something went wrong in Resus"),
        StatusCode::SERVICE_UNAVAILABLE => ("busy", "the daemon can't do this just now"),
        _ => ("bad-request", "the request can't be understood"),
    };
    Problem {
        kind: format!("urn:resus:{kind}"),
        title: title.to_owned(),
        status: status.as_u16(),
        detail,
        hint: None,
        exit_code,
    }
}

/// A request that can't be understood.
pub(crate) fn bad_request(detail: String) -> Refusal {
    Refusal(problem(StatusCode::BAD_REQUEST, ExitCode::Usage, detail))
}
