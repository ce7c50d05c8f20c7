//! A server's monitoring page `/varz`: the only place where it tells how safely it stores.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A monitoring page is made from memory.
const DEADLINE: Duration = Duration::from_secs(5);
/// Such a page has some thousand bytes, and a few hundred more per route.
const BYTES_MAX: usize = 4 << 20;

/// What matters of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Varz {
    /// Whether everything is on the disk before it is acknowledged.
    pub sync_always: bool,
    /// Else at most so long after, in seconds; `None` where nothing is stored.
    pub sync_interval_s: Option<u64>,
}

/// Reads the page of the server that is monitored at `http://HOST:PORT`, or says why not.
///
/// # Errors
/// The reason, in words.
pub(crate) async fn read(monitor_url: &str) -> Result<Varz, String> {
    let host = monitor_url.strip_prefix("http://").unwrap_or(monitor_url);
    let failed = |what: &str| format!("{monitor_url} {what}");
    match timeout(DEADLINE, fetch(host)).await {
        Ok(Ok(page)) => parse(&page).map_err(|error| failed(&format!("is no monitoring address: {error}"))),
        Ok(Err(error)) => Err(failed(&format!("can't be read: {error}"))),
        Err(_) => Err(failed("does not answer")),
    }
}

async fn fetch(host: &str) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let address = if has_port(host) { host.to_owned() } else { format!("{host}:80") };
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/varz").header(HOST, host).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let page = Limited::new(response.into_body(), BYTES_MAX).collect().await?.to_bytes();
    connection.abort();
    if status.is_success() { Ok(page) } else { Err(format!("status {status}").into()) }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn parse(page: &[u8]) -> Result<Varz, serde_json::Error> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        jetstream: JetStream,
        #[expect(dead_code, reason = "a page without it is not one of a NATS server")]
        server_id: String,
    }
    #[derive(Deserialize, Default)]
    struct JetStream {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        sync_always: bool,
        /// Nanoseconds.
        #[serde(default)]
        sync_interval: u64,
    }
    let page: Page = serde_json::from_slice(page)?;
    let config = page.jetstream.config;
    Ok(Varz {
        sync_always: config.as_ref().is_some_and(|config| config.sync_always),
        sync_interval_s: config.map(|config| config.sync_interval / 1_000_000_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_tests::{NatsOptions, NatsServer, Version};

    async fn of(version: Version, config: &str) -> Varz {
        let options = NatsOptions { jetstream: false, config: config.to_owned() };
        let server = NatsServer::start(version, options);
        read(&server.monitor_url()).await.expect("a page")
    }

    #[tokio::test]
    async fn servers_tell_when_they_write() {
        let store = tempfile::tempdir().unwrap();
        for version in [Version::Newest, Version::V2_11] {
            let jetstream = |rest: &str| format!("jetstream {{ store_dir: {:?}{rest} }}\n", store.path());
            let usual = of(version, &jetstream("")).await;
            assert_eq!(usual, Varz { sync_always: false, sync_interval_s: Some(120) });
            assert!(of(version, &jetstream(", sync_interval: always")).await.sync_always);
            assert_eq!(of(version, "").await.sync_interval_s, None);
        }
    }

    #[tokio::test]
    async fn what_is_no_monitoring_page_is_said_to_be_none() {
        assert!(parse(b"{}").is_err() && parse(b"hello").is_err());
        let server = NatsServer::start(Version::Newest, NatsOptions::default());
        let error = read(&format!("http://127.0.0.1:{}", server.port())).await.unwrap_err();
        assert!(error.contains("can't be read"), "{error}");
        drop(server);
        let nobody = resus_tests::Port::free();
        assert!(read(&format!("http://127.0.0.1:{}", nobody.number())).await.is_err());
    }
}
