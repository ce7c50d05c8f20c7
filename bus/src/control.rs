//! Control: questions that reach a daemon through a bus, and their answers.

use bytes::Bytes;
use resus_core::api::Problem;
use resus_core::text::one_line;
use std::future::Future;

/// Longest text of an error in a header; the whole of it is in the body.
const ERROR_BYTES_MAX: usize = 512;

/// Something that a daemon can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// Its name, the last part of its address.
    pub name: &'static str,
    /// The type of the question's document.
    pub request: &'static str,
    /// The type of the answer's document.
    pub reply: &'static str,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// A document, or bytes that `headers` describe.
    pub body: Bytes,
    /// What describes the body, by header.
    pub headers: Vec<(&'static str, String)>,
    /// The status and the words of an error; the body is then a [`Problem`].
    pub error: Option<(u16, String)>,
}

impl Reply {
    /// The answer that something does not fit, or is not possible.
    #[must_use]
    pub fn refusal(problem: &Problem) -> Self {
        let words = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
        let error = Some((problem.status, one_line(words, ERROR_BYTES_MAX)));
        // Strings and numbers always become JSON; the headers would say it even if they did not.
        let body = serde_json::to_vec(problem).unwrap_or_default().into();
        Self { body, headers: Vec::new(), error }
    }
}

/// Who answers.
pub trait Endpoints: Clone + Send + Sync + 'static {
    /// Everything that can be asked.
    fn verbs(&self) -> &'static [Verb];
    /// Answers `verb` with a body of at most `bytes_max` bytes, which is what fits into a
    /// message. It may take as long as the question says it may wait.
    fn answer(&self, verb: &str, body: Bytes, bytes_max: usize) -> impl Future<Output = Reply> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::exit::ExitCode;

    #[test]
    fn a_refusal_is_said_in_one_line_and_in_full() {
        let problem = Problem {
            kind: "urn:resus:invalid".into(),
            title: "The request does not fit".into(),
            status: 422,
            detail: "first\r\nsecond".into(),
            hint: None,
            exit_code: ExitCode::Usage,
        };
        let reply = Reply::refusal(&problem);
        let (code, words) = reply.error.unwrap();
        assert!(code == 422 && words.starts_with("first") && !words.contains(['\r', '\n']), "{words:?}");
        assert_eq!(serde_json::from_slice::<Problem>(&reply.body).unwrap(), problem);
    }
}
