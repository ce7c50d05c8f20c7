//! HTTP/1.1 over a Unix socket.

use crate::client::patience::patiently;
use crate::client::{ClientError, SIGN_DEADLINE};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
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
/// The same for a sign of life, which is a word.
const SIGN_BYTES_MAX: usize = 64 << 10;

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
        let silent = || ClientError::Silent { pid: self.pid, waited: within };
        let answer = self.exchange(method, address, body, ANSWER_BYTES_MAX);
        patiently(within, answer, || self.sign(), silent).await
    }

    /// A sign of life.
    pub(super) async fn sign(&self) -> Result<(), ClientError> {
        let word = self.exchange(Method::GET, "/healthz", Bytes::new(), SIGN_BYTES_MAX);
        match timeout(SIGN_DEADLINE, word).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(ClientError::Silent { pid: self.pid, waited: SIGN_DEADLINE }),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        address: &str,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Answer, ClientError> {
        let (response, _connection) = self.send(method, address, body).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await.map_err(bad_body)?.to_bytes();
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
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(bad_head)?;
        let connection = Connection(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(HOST, "resus")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Foreign { what: error.to_string() })?;
        Ok((sender.send_request(request).await.map_err(bad_head)?, connection))
    }

    /// Checks that an answer whose body goes on is a good one.
    pub(super) async fn good(response: Response<Incoming>) -> Result<Incoming, ClientError> {
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        refused(head.status, &collected.map_err(bad_body)?.to_bytes())
    }
}

/// The answer's head did not come. What is no HTTP was not said by a daemon that is about to end.
fn bad_head(error: hyper::Error) -> ClientError {
    match error.is_parse() {
        true => ClientError::Foreign { what: format!("an answer that is no HTTP ({error})") },
        false => ClientError::Broken { source: error.into() },
    }
}

/// The same of its body.
fn bad_body(error: Box<dyn std::error::Error + Send + Sync>) -> ClientError {
    match error.downcast::<LengthLimitError>() {
        Ok(_) => ClientError::Foreign { what: "an answer without an end".to_owned() },
        Err(source) => match source.downcast::<hyper::Error>() {
            Ok(error) => bad_head(*error),
            Err(source) => ClientError::Broken { source },
        },
    }
}

/// An answer that is not a good one.
fn refused<T>(status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
    Err(match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if is_lack(&problem) => ClientError::Foreign { what: problem.detail },
        Ok(problem) => ClientError::Refused(Box::new(problem)),
        // What it says in words that we don't know may still be a help.
        Err(_) => {
            ClientError::Foreign { what: words(body).unwrap_or(format!("an answer with status {status}")) }
        }
    })
}

/// Whether the daemon says that it has never heard of what it is asked for. We ask for nothing
/// that a daemon of our own build does not have.
pub(super) fn is_lack(problem: &Problem) -> bool {
    match problem.kind.as_str() {
        "urn:resus:no-such-route" | "urn:resus:method-not-allowed" => true,
        "urn:resus:unfit-document" => {
            problem.detail.contains("unknown field") || problem.detail.contains("unknown variant")
        }
        _ => false,
    }
}

/// What a problem document of another version says, as far as it is words.
fn words(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    let of =
        |key| problem.get(key).and_then(serde_json::Value::as_str).filter(|text: &&str| !text.is_empty());
    let said: Vec<&str> = [of("title"), of("detail")].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(": "))
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

    fn refused_with(kind: &str, detail: &str, exit_code: u8) -> ClientError {
        let json = serde_json::json!({
            "type": format!("urn:resus:{kind}"), "title": "t", "status": 404, "detail": detail,
            "exit_code": exit_code,
        });
        refused::<()>(StatusCode::NOT_FOUND, json.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn what_the_daemon_has_never_heard_of_means_that_it_is_of_another_version() {
        for (kind, detail) in [
            ("no-such-route", "there is nothing at /v2/x"),
            ("method-not-allowed", "/v2/x does not understand POST"),
            ("unfit-document", "unknown field `resume`"),
            ("unfit-document", "unknown variant `prune`, expected one of"),
        ] {
            let error = refused_with(kind, detail, 10);
            assert!(matches!(&error, ClientError::Foreign { what } if what == detail), "{error:?}");
        }
        for (kind, detail) in [("not-found", "no run is called \"x\""), ("unfit-document", "invalid name")] {
            let error = refused_with(kind, detail, 10);
            assert!(matches!(&error, ClientError::Refused(problem) if problem.hint.is_none()), "{error:?}");
        }
    }

    #[test]
    fn a_refusal_in_words_of_another_version_keeps_its_words() {
        let error = refused_with("newer", "the moon is full", 99);
        assert!(
            matches!(&error, ClientError::Foreign { what } if what == "t: the moon is full"),
            "{error:?}"
        );
        let error = refused::<()>(StatusCode::BAD_GATEWAY, b"<html>").unwrap_err();
        assert!(matches!(&error, ClientError::Foreign { what } if what.contains("502")), "{error:?}");
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
