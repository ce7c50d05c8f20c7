//! A NATS server with JetStream, heard by reading its stream.

use crate::suite::{Bench, Fallible};
use resus_bus::link::Link;
use resus_bus::nats::{Remote, Session};
use resus_bus::setup::BusSetup;
use resus_bus::subject::LEDGER_STREAM;
use resus_bus::transport::{Message, PublishError, Transport, Trouble};
use resus_tests::NatsServer;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

pub struct Hearing {
    server: Mutex<NatsServer>,
    link: Link,
}

impl Default for Hearing {
    fn default() -> Self {
        let server = NatsServer::with_jetstream();
        Self { link: Link::parse(&server.url()).unwrap(), server: Mutex::new(server) }
    }
}

/// A session is over with its connection; whoever publishes opens another one.
#[derive(Clone)]
pub struct Reopened {
    link: Link,
    session: Arc<tokio::sync::Mutex<Option<Arc<Session>>>>,
}

impl Reopened {
    async fn session(&self) -> Result<Arc<Session>, PublishError> {
        let mut open = self.session.lock().await;
        if let Some(session) = &*open {
            return Ok(Arc::clone(session));
        }
        let session = Session::open(&self.link, "conformance", &BusSetup::default()).await;
        let away = |error: resus_bus::nats::NatsError| PublishError {
            taken: 0,
            trouble: Trouble::Away(error.to_string()),
        };
        Ok(Arc::clone(open.insert(Arc::new(session.map_err(away)?))))
    }
}

impl Transport for Reopened {
    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        let result = self.session().await?.publish(messages).await;
        if result.as_ref().is_err_and(|error| matches!(error.trouble, Trouble::Away(_))) {
            *self.session.lock().await = None;
        }
        result
    }
}

impl Bench for Hearing {
    type Bus = Reopened;

    async fn bus(&self) -> Reopened {
        Reopened { link: self.link.clone(), session: Arc::default() }
    }

    async fn heard(&self, subject: &str, _count: usize) -> Option<Vec<String>> {
        let remote = Remote::connect(&self.link, "hearing").await.unwrap();
        let (mut heard, mut seq) = (Vec::new(), 0);
        loop {
            let ask = json!({ "seq": seq + 1, "next_by_subj": subject }).to_string();
            let stream = format!("$JS.API.DIRECT.GET.{LEDGER_STREAM}");
            let answer = remote.request(&stream, ask.into(), WAIT).await.unwrap();
            let Some(number) = answer.header("Nats-Sequence") else { return Some(heard) };
            seq = number.parse::<u64>().unwrap();
            heard.push(String::from_utf8(answer.body.to_vec()).unwrap());
        }
    }
}

impl Fallible for Hearing {
    fn too_large(&self) -> usize {
        // The server's limit without the room for headers.
        1 << 20
    }

    async fn take_away(&self) {
        self.server.lock().unwrap().kill();
    }

    async fn bring_back(&self) {
        self.server.lock().unwrap().restart();
    }
}
