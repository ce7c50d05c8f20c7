//! From a link to a connection.

use crate::link::{Auth, Link};
use async_nats::{ConnectErrorKind, ConnectOptions};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server that lives answers within this.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How often the server is asked whether it is there; after two silences the third question ends
/// the connection, so a peer that is gone without a word is noticed within 9 s.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NatsError {
    /// The server does not let us in.
    #[error("the NATS server at {link} refuses our credentials")]
    Refused {
        /// Its addresses.
        link: String,
    },
    /// Our side of the credentials or certificates can't be used.
    #[error("the credentials for the NATS server can't be used: {reason}")]
    Unusable {
        /// Why.
        reason: String,
    },
    /// Nobody there, or nothing that speaks NATS.
    #[error("the NATS server at {link} can't be reached: {reason}")]
    Away {
        /// Its addresses.
        link: String,
        /// What the system said.
        reason: String,
    },
    /// A connection that was there failed.
    #[error("the NATS server failed: {0}")]
    Failed(String),
}

/// Options for `link`, with `name` as the server's operator will see us.
pub(super) fn options(link: &Link, name: &str) -> Result<ConnectOptions, NatsError> {
    let salt = salt_of(name);
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECT_DEADLINE)
        .request_timeout(Some(CONNECT_DEADLINE))
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(move |attempts| retry_delay(attempts, salt));
    options = match &link.auth {
        Auth::None => options,
        Auth::UserPassword { user, password } => {
            options.user_and_password(user.clone(), password.reveal().to_owned())
        }
        Auth::Token(token) => options.token(token.reveal().to_owned()),
        Auth::NKey(seed) => options.nkey(seed.reveal().trim().to_owned()),
        Auth::Credentials(file) => options
            .credentials(file.reveal())
            // The library's reason may quote the file.
            .map_err(|_| NatsError::Unusable { reason: "the .creds file is not one".to_owned() })?,
    };
    if link.tls.required {
        options = options.require_tls(true);
    }
    if let Some(ca) = &link.tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &link.tls.client {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// Connects, once.
pub(super) async fn connect(link: &Link, options: ConnectOptions) -> Result<async_nats::Client, NatsError> {
    options.connect(link.servers.as_slice()).await.map_err(|error| match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            NatsError::Refused { link: link.to_string() }
        }
        _ => NatsError::Away { link: link.to_string(), reason: error.to_string() },
    })
}

/// What tells this process from others, in containers too, where all have the same number.
#[must_use]
pub fn salt_of(name: &str) -> u32 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    name.bytes()
        .fold(nanos ^ std::process::id(), |salt, byte| (salt ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// How long to wait before connection attempt `attempt` (from 1): none before the first, then
/// between 1 and 4 s, doubling, and never the same for two daemons that lost one server.
#[must_use]
pub fn retry_delay(attempt: usize, salt: u32) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let base_ms = 1000_u64 << (attempt - 2).min(2);
    let mixed = (u64::from(salt) << 32 | attempt as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    Duration::from_millis(base_ms + mixed % (base_ms / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_never_faster_than_one_a_second_nor_slower_than_six_seconds_nor_alike() {
        assert_eq!(retry_delay(1, 7), Duration::ZERO);
        for attempt in 2..100 {
            let delay = retry_delay(attempt, 7);
            assert!((1000..=6000).contains(&delay.as_millis()), "{delay:?}");
        }
        assert_ne!(retry_delay(9, 7), retry_delay(9, 8));
    }
}
