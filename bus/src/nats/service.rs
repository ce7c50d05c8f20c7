//! The daemon's side of control: the micro service `resus` (NATS ADR-32). It is found with
//! `nats micro ls` and answers under the machine's own addresses and under those of whichever.

use super::connect::NatsError;
use crate::control::{Endpoints, Reply, Verb};
use crate::roles::QUESTIONS;
use crate::subject;
use async_nats::HeaderMap;
use async_nats::service::endpoint::Endpoint;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, Request, Service, ServiceExt};
use bytes::Bytes;
use futures_util::stream::select_all;
use futures_util::{FutureExt, StreamExt};
use resus_core::api::Problem;
use resus_core::api::control::{DAEMON_KEY, NAMESPACE_KEY, NODE_KEY, SERVICE};
use resus_core::exit::ExitCode;
use resus_core::ids::Slug;
use resus_core::text::one_line;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Questions answered at once.
const QUESTIONS_MAX: usize = 256;
/// Commands carried out at once. They have room of their own: whoever may ask, but not command,
/// can keep nobody from stopping a run.
const COMMANDS_MAX: usize = 64;
/// A question is answered within this: the longest wait, and a command's deadline behind it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(45);
/// An answer is handed to the connection within this; nobody waits for it any longer.
const SEND_DEADLINE: Duration = Duration::from_secs(5);
/// Questions under way have this long to end when the service does.
const END_DEADLINE: Duration = Duration::from_secs(3);
/// Room in a message for the headers of an answer.
const HEADER_BYTES: usize = 4 * 1024;
/// Longest value of a header.
const HEADER_VALUE_BYTES_MAX: usize = 1024;

/// Answers questions and takes commands until `ending` becomes true or the connection ends.
/// `daemon` tells this daemon from another that calls itself `node` as well.
///
/// # Errors
/// [`NatsError::Failed`]: the service can't be announced.
pub async fn serve<E: Endpoints>(
    client: async_nats::Client,
    namespace: &Slug,
    node: &Slug,
    version: &str,
    daemon: &str,
    endpoints: E,
    mut ending: watch::Receiver<bool>,
) -> Result<(), NatsError> {
    let refusals = Arc::new(Refusals::of(endpoints.verbs()));
    let service = Announced::start(&client, namespace, node, version, daemon, &refusals).await?;
    let mut requests = service.listen(namespace, node, endpoints.verbs()).await?;
    let room = Room::default();
    let mut under_way = JoinSet::new();
    loop {
        let (verb, request) = tokio::select! {
            // A sender that is gone has no more to say: nobody will end us this way.
            Ok(_) = ending.wait_for(|ending| *ending) => break,
            Some(_) = under_way.join_next() => continue,
            request = requests.next() => match request {
                Some(request) => request,
                None => break,
            },
        };
        // Somebody who may ask, but not publish, must not have us publish for him.
        if !request.message.reply.as_ref().is_some_and(|reply| subject::may_be_answered(reply)) {
            tracing::warn!(verb, reply = ?request.message.reply, "a question wants its answer where none may go");
            continue;
        }
        let bytes_max = client.max_payload().saturating_sub(HEADER_BYTES);
        match room.take(verb) {
            Ok(permit) => {
                let (endpoints, refusals) = (endpoints.clone(), Arc::clone(&refusals));
                under_way.spawn(async move {
                    let reply = answer(&endpoints, verb, request.message.payload.clone(), bytes_max).await;
                    send(&request, verb, reply, &refusals).await;
                    drop(permit);
                });
            }
            Err(full) => send(&request, verb, full, &refusals).await,
        }
    }
    // From here on nothing new is taken; what is under way is answered.
    drop((requests, service));
    let drained = async { while under_way.join_next().await.is_some() {} };
    if timeout(END_DEADLINE, drained).await.is_err() {
        tracing::warn!(left = under_way.len(), "questions on the bus were still under way at the end");
    }
    Ok(())
}

/// How much is answered at once.
struct Room {
    questions: Arc<Semaphore>,
    commands: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        let of = |max| Arc::new(Semaphore::new(max));
        Self { questions: of(QUESTIONS_MAX), commands: of(COMMANDS_MAX) }
    }
}

impl Room {
    /// A place for one more, or the answer that there is none.
    fn take(&self, verb: &str) -> Result<OwnedSemaphorePermit, Reply> {
        let (of_its_kind, what) = if QUESTIONS.contains(&verb) {
            (&self.questions, format!("{QUESTIONS_MAX} questions are being answered"))
        } else {
            (&self.commands, format!("{COMMANDS_MAX} commands are being carried out"))
        };
        let full = |_| unavailable(format!("{what} already; ask again"));
        Arc::clone(of_its_kind).try_acquire_owned().map_err(full)
    }
}

/// The service as others see it; it is taken back when this goes.
struct Announced(Option<Service>);

impl Announced {
    async fn start(
        client: &async_nats::Client,
        namespace: &Slug,
        node: &Slug,
        version: &str,
        daemon: &str,
        refusals: &Arc<Refusals>,
    ) -> Result<Self, NatsError> {
        let metadata = HashMap::from([
            (NODE_KEY.to_owned(), node.to_string()),
            (NAMESPACE_KEY.to_owned(), namespace.to_string()),
            (SERVICE.to_owned(), version.to_owned()),
            (DAEMON_KEY.to_owned(), daemon.to_owned()),
        ]);
        let refusals = Arc::clone(refusals);
        let service = client
            .service_builder()
            .description("keeps training runs alive")
            .metadata(metadata)
            .stats_handler(move |endpoint, _| json!({ "refused": refusals.count(&endpoint) }))
            .start(SERVICE, version)
            .await;
        service.map(|service| Self(Some(service))).map_err(failed)
    }

    /// Every question, under the node's own address and under that of whichever node.
    async fn listen(
        &self,
        namespace: &Slug,
        node: &Slug,
        verbs: &'static [Verb],
    ) -> Result<impl futures_util::Stream<Item = (&'static str, Request)> + Unpin + use<>, NatsError> {
        let mut endpoints = Vec::new();
        for (own, prefix) in [(Some(node), ""), (None, "any-")] {
            for verb in verbs {
                let address = format!("{}.{}", subject::control(namespace, own), verb.name);
                let endpoint = self.endpoint(&format!("{prefix}{}", verb.name), &address, verb).await?;
                endpoints.push(endpoint.map(|request| (verb.name, request)));
            }
        }
        Ok(select_all(endpoints))
    }

    async fn endpoint(&self, name: &str, address: &str, verb: &Verb) -> Result<Endpoint, NatsError> {
        let Some(service) = &self.0 else {
            return Err(NatsError::Failed("the service has ended".to_owned()));
        };
        let metadata = HashMap::from([
            ("request_schema".to_owned(), verb.request.to_owned()),
            ("reply_schema".to_owned(), verb.reply.to_owned()),
        ]);
        let endpoint = service.endpoint_builder().name(name).metadata(metadata).add(address).await;
        endpoint.map_err(failed)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Some(service) = self.0.take() {
            // It waits for nothing, so asking it once is enough.
            let _ = service.stop().now_or_never();
        }
    }
}

/// Answers refused, by endpoint. The library counts only errors without a body.
struct Refusals(BTreeMap<&'static str, AtomicU64>);

impl Refusals {
    fn of(verbs: &'static [Verb]) -> Self {
        Self(verbs.iter().map(|verb| (verb.name, AtomicU64::new(0))).collect())
    }

    fn add(&self, verb: &str) {
        if let Some(count) = self.0.get(verb) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Both of a verb's endpoints share one count.
    fn count(&self, endpoint: &str) -> u64 {
        let verb = endpoint.strip_prefix("any-").unwrap_or(endpoint);
        self.0.get(verb).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// The answer, whatever becomes of the one who gives it.
async fn answer<E: Endpoints>(endpoints: &E, verb: &'static str, body: Bytes, bytes_max: usize) -> Reply {
    let answering = AssertUnwindSafe(async { endpoints.answer(verb, body, bytes_max).await }).catch_unwind();
    match timeout(ANSWER_DEADLINE, answering).await {
        Ok(Ok(reply)) if reply.body.len() <= bytes_max => reply,
        Ok(Ok(reply)) => {
            tracing::error!(
                verb,
                bytes = reply.body.len(),
                bytes_max,
                "an answer does not fit into a message"
            );
            internal(format!("the answer has more than the {bytes_max} bytes of a message"))
        }
        // The panic hook has written down where.
        Ok(Err(_panic)) => internal(format!("answering {verb} failed; the daemon's log says more")),
        Err(_late) => unavailable(format!("{verb} was not answered within {} s", ANSWER_DEADLINE.as_secs())),
    }
}

async fn send(request: &Request, verb: &'static str, reply: Reply, refusals: &Refusals) {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        headers.insert(*name, one_line(value, HEADER_VALUE_BYTES_MAX));
    }
    if let Some((code, words)) = &reply.error {
        refusals.add(verb);
        headers.insert(NATS_SERVICE_ERROR, one_line(words, HEADER_VALUE_BYTES_MAX));
        headers.insert(NATS_SERVICE_ERROR_CODE, code.to_string());
    }
    // `Err` would send the headers without the problem document.
    match timeout(SEND_DEADLINE, request.respond_with_headers(Ok(reply.body), headers)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(verb, %error, "an answer could not be sent"),
        Err(_) => tracing::warn!(verb, "an answer could not be sent in time"),
    }
}

fn unavailable(detail: String) -> Reply {
    let title = "The daemon can't do this just now".to_owned();
    let (kind, exit_code) = ("urn:resus:busy".to_owned(), ExitCode::DaemonUnreachable);
    Reply::refusal(&Problem { kind, title, status: 503, detail, hint: None, exit_code })
}

fn internal(detail: String) -> Reply {
    let title = "Something went wrong in Resus".to_owned();
    let (kind, exit_code) = ("urn:resus:internal".to_owned(), ExitCode::Bug);
    Reply::refusal(&Problem { kind, title, status: 500, detail, hint: None, exit_code })
}

fn failed(error: async_nats::Error) -> NatsError {
    NatsError::Failed(error.to_string())
}
