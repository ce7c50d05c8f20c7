//! What a server can do: asked once, for people who look after it, and to see that one answers.

use crate::link::Link;
use crate::nats::connect::{NatsError, connect, options};
use async_nats::RequestErrorKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A server answers a question about itself within this.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Where JetStream tells about itself, ADR-1.
const JETSTREAM_INFO: &str = "$JS.API.INFO";
/// The oldest version whose JetStream does what we need (per-message TTL, and it does what it
/// is asked or says that it does not).
pub const VERSION_MIN: (u32, u32) = (2, 11);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerFacts {
    /// Its name.
    pub server_name: String,
    /// Its version, e.g. `2.15.1`.
    pub version: String,
    /// Whether it wants to know who we are.
    pub auth_required: bool,
    /// Whether it wants to be spoken to over TLS.
    pub tls_required: bool,
    /// Largest message in bytes.
    pub max_payload: u64,
    /// Whether it has streams, and for us.
    pub jetstream: JetStream,
}

/// Whether a server has streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JetStream {
    /// It has.
    Ready {
        /// The level of its API; 0 before 2.11.
        api_level: u32,
    },
    /// It has none.
    Off,
    /// It has some, and not for us.
    Refused {
        /// What it says.
        reason: String,
    },
}

impl ServerFacts {
    /// Whether it is as new as we need it for streams.
    #[must_use]
    pub fn is_new_enough(&self) -> bool {
        version_of(&self.version).is_some_and(|version| version >= VERSION_MIN)
    }
}

/// The first two numbers of a version such as `2.15.1` or `v2.11.0-beta`.
#[must_use]
pub fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().trim_start_matches('v').split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Connects, asks, and leaves again.
///
/// # Errors
/// [`NatsError`]: it can't be reached, does not let us in, or left.
pub async fn probe(link: &Link) -> Result<ServerFacts, NatsError> {
    let client = connect(link, options(link, "resus probe")?).await?;
    let info = client.server_info();
    let jetstream = if info.jetstream { ask_jetstream(&client).await? } else { JetStream::Off };
    // Nothing of ours is on its way: what can still fail here is the farewell.
    let _farewell = client.drain().await;
    Ok(ServerFacts {
        server_name: info.server_name,
        version: info.version,
        auth_required: info.auth_required,
        tls_required: info.tls_required,
        max_payload: info.max_payload as u64,
        jetstream,
    })
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    api: Api,
    error: Option<Problem>,
}

#[derive(Deserialize, Default)]
struct Api {
    #[serde(default)]
    level: u32,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    description: String,
}

async fn ask_jetstream(client: &async_nats::Client) -> Result<JetStream, NatsError> {
    let asked = tokio::time::timeout(ANSWER_DEADLINE, client.request(JETSTREAM_INFO, Vec::new().into()));
    let refused = |reason: &str| Ok(JetStream::Refused { reason: reason.to_owned() });
    match asked.await {
        Ok(Ok(message)) => match serde_json::from_slice::<Answer>(&message.payload) {
            Ok(Answer { error: Some(problem), .. }) => refused(&problem.description),
            Ok(Answer { api, error: None }) => Ok(JetStream::Ready { api_level: api.level }),
            Err(error) => Err(NatsError::Failed(format!("JetStream's answer makes no sense: {error}"))),
        },
        Ok(Err(error)) => match error.kind() {
            RequestErrorKind::NoResponders => refused("nobody answers for it"),
            // Permissions violations come as silence.
            RequestErrorKind::TimedOut => refused("it does not answer us"),
            RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => Err(NatsError::Failed(error.to_string())),
        },
        Err(_) => refused("it does not answer us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (text, enough) in [
            ("2.11.0", true),
            ("v2.15.1", true),
            ("2.9.10", false),
            ("2.10.26", false),
            ("3.0.0-beta", true),
            ("", false),
        ] {
            let known = version_of(text).is_some_and(|version| version >= VERSION_MIN);
            assert_eq!(known, enough, "{text:?}");
        }
    }
}
