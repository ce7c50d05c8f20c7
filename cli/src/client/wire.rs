//! HTTP/1.1 over a Unix socket.

use crate::client::ClientError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use resus_core::api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Largest answer that is read: ten thousand runs with long command lines.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A good answer.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A connection that ends with whoever holds it.
pub(super) struct Connection(JoinHandle<hyper::Result<()>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where a daemon listens. Connects anew for every request, so a daemon that was restarted in
/// between is no obstacle.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    pub path: PathBuf,
    /// Whom to name when it does not answer.
    pub pid: Option<u32>,
}

impl Socket {
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
        let (response, _connection) = self.send(method, address, body).await?;
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = collected.map_err(|source| ClientError::Broken { source })?.to_bytes();
        if head.status.is_success() {
            return Ok(Answer { headers: head.headers, body });
        }
        refused(head.status, &body)
    }

    /// Sends a request; the head of its answer, and the connection on which the rest comes.
    pub(super) async fn send(
        &self,
        method: Method,
        address: &str,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Connection), ClientError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|source| match source.kind() {
            // Too many wait already to be accepted: somebody is there, and hangs.
            io::ErrorKind::WouldBlock => ClientError::Silent { pid: self.pid, waited: Duration::ZERO },
            _ => ClientError::Nobody { source },
        })?;
        let broken = |error: hyper::Error| ClientError::Broken { source: error.into() };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = Connection(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(HOST, "resus")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Foreign { what: error.to_string() })?;
        Ok((sender.send_request(request).await.map_err(broken)?, connection))
    }

    /// Checks that an answer whose body goes on is a good one.
    pub(super) async fn good(response: Response<Incoming>) -> Result<Incoming, ClientError> {
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        refused(head.status, &collected.map_err(|source| ClientError::Broken { source })?.to_bytes())
    }
}

/// What a daemon says to an address that it does not know.
const NO_SUCH_ROUTE: &str = "urn:resus:no-such-route";

/// An answer that is not a good one.
fn refused<T>(status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
    Err(match serde_json::from_slice::<Problem>(body) {
        // We ask for nothing that a daemon of our own build does not have.
        Ok(problem) if problem.kind == NO_SUCH_ROUTE && problem.hint.is_none() => {
            let hint =
                Some("the daemon is of another build: resus daemon restart (trainings go on)".to_owned());
            ClientError::Refused(Box::new(Problem { hint, ..problem }))
        }
        Ok(problem) => ClientError::Refused(Box::new(problem)),
        Err(_) => ClientError::Foreign { what: format!("an answer with status {status}") },
    })
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
    fn an_address_that_the_daemon_does_not_know_means_that_it_is_of_another_build() {
        let problem = |kind: &str| {
            let json = serde_json::json!({"type": kind, "title": "t", "status": 404, "detail": "d", "exit_code": 10});
            let refused = refused::<()>(StatusCode::NOT_FOUND, json.to_string().as_bytes());
            let Err(ClientError::Refused(problem)) = refused else { panic!("not refused") };
            problem.hint
        };
        assert!(problem(NO_SUCH_ROUTE).is_some_and(|hint| hint.contains("resus daemon restart")));
        assert_eq!(problem("urn:resus:not-found"), None);
    }

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
