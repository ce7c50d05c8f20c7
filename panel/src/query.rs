//! What stands in an address: selectors and query parameters, refused with a problem document
//! where they don't fit.

use crate::answer::{Refusal, bad_request, problem};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use resus_core::exit::ExitCode;
use serde::de::DeserializeOwned;

/// The run that an address names, as typed.
pub(crate) struct Selector(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Selector {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Path::<String>::from_request_parts(parts, state)
            .await
            .map(|Path(text)| Self(text))
            // What is no text is nobody's name.
            .map_err(|refused: PathRejection| {
                Refusal(problem(StatusCode::NOT_FOUND, ExitCode::NotFound, refused.body_text()))
            })
    }
}

/// The query parameters of an address.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(asked)| Self(asked))
            .map_err(|refused: QueryRejection| bad_request(refused.body_text()))
    }
}
