//! HTTP/1.1 over a Unix socket.

use crate::client::{Client, ClientError};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use resus_core::api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Largest answer that is read: ten thousand runs with long command lines.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A good answer.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// Asks for `address` and waits for the whole answer at most `within`.
    pub(super) async fn get(&self, address: &str, within: Duration) -> Result<Answer, ClientError> {
        self.ask(Method::GET, address, Bytes::new(), within).await
    }

    /// Sends a document.
    pub(super) async fn post<T: Serialize>(
        &self,
        address: &str,
        document: &T,
        within: Duration,
    ) -> Result<Answer, ClientError> {
        let body =
            serde_json::to_vec(document).map_err(|error| ClientError::Broken { source: error.into() })?;
        self.ask(Method::POST, address, body.into(), within).await
    }

    async fn ask(
        &self,
        method: Method,
        address: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Answer, ClientError> {
        match timeout(within, self.exchange(method, address, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Silent { pid: self.pid, waited: within }),
        }
    }

    async fn exchange(&self, method: Method, address: &str, body: Bytes) -> Result<Answer, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| match source.kind() {
            // Too many wait already to be accepted: somebody is there, and hangs.
            io::ErrorKind::WouldBlock => ClientError::Silent { pid: self.pid, waited: Duration::ZERO },
            _ => ClientError::Nobody { source },
        })?;
        let broken = |error: hyper::Error| ClientError::Broken { source: error.into() };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(HOST, "resus")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Foreign { what: error.to_string() })?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = collected.map_err(|source| ClientError::Broken { source })?.to_bytes();
        connection.abort();
        if head.status.is_success() {
            return Ok(Answer { headers: head.headers, body });
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(ClientError::Foreign { what: format!("an answer with status {}", head.status) }),
        }
    }
}

impl Answer {
    /// The body as a document.
    pub(super) fn document<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Foreign { what: error.to_string() })
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Result<&str, ClientError> {
        let text = self.headers.get(name).and_then(|value| value.to_str().ok());
        text.ok_or_else(|| ClientError::Foreign { what: format!("an answer without {name}") })
    }
}

/// `text` as one segment of a path: everything but letters, digits and `-_~` is escaped.
pub(super) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => segment.push(char::from(byte)),
            // "." and ".." would be taken for a folder by whoever normalises paths.
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_one_segment() {
        for (text, escaped) in [
            ("8c1d9e77", "8c1d9e77"),
            ("othello@latest", "othello%40latest"),
            ("..", "%2E%2E"),
            ("a/b?c", "a%2Fb%3Fc"),
            ("ä\n", "%C3%A4%0A"),
        ] {
            assert_eq!(segment(text), escaped);
        }
    }
}
