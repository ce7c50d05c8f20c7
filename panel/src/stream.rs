//! Everything as it happens: server-sent events (the `text/event-stream` of the HTML standard).
//!
//! A reader that is too slow is told how many events it missed, and reads those of class A from
//! the ledger; nothing is kept for it here.

use crate::answer::Refusal;
use crate::desk::{Desk, Heard, Listen};
use crate::limits::PING_INTERVAL;
use crate::query::Asked;
use crate::router::{Panel, over};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream::unfold;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// How a stream begins: how long to wait before asking again, should it end.
const HELLO: &str = "retry: 2000\n\n";
/// A comment, by which both ends see that the other is there.
const PING: &str = ": ping\n\n";

/// Which runs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Those that these names mean now, separated by commas; by default all there are and will be.
    run: Option<String>,
}

/// `GET /v2/stream?run=RUN,…`
pub(crate) async fn live<D: Desk>(
    State(panel): State<Panel<D>>,
    Asked(which): Asked<Which>,
) -> Result<Response, Refusal> {
    let runs = match &which.run {
        None => None,
        Some(names) => {
            let ids = names.split(',').map(|name| panel.desk.run(name).map(|run| run.run_id));
            Some(ids.collect::<Result<BTreeSet<_>, _>>()?)
        }
    };
    let broadcast = Broadcast {
        _permit: panel.may_stay()?,
        // From here on nothing is missed: whoever has our answer may read what was before.
        listener: panel.desk.listen(),
        desk: panel.desk.clone(),
        runs,
        ending: panel.ending_signal(),
        next_ping: Instant::now() + PING_INTERVAL,
        hello: Some(HELLO),
    };
    let pieces = unfold(broadcast, |mut broadcast| async {
        let piece = broadcast.next().await?;
        Some((Ok::<_, Infallible>(piece), broadcast))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One reader's stream.
struct Broadcast<D: Desk> {
    /// A stream takes a place among the requests that wait.
    _permit: OwnedSemaphorePermit,
    listener: D::Listener,
    desk: D,
    runs: Option<BTreeSet<String>>,
    ending: watch::Receiver<bool>,
    next_ping: Instant,
    hello: Option<&'static str>,
}

impl<D: Desk> Broadcast<D> {
    /// The next piece of the stream; `None` when the daemon ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(hello) = self.hello.take() {
            return Some(hello.to_owned());
        }
        loop {
            tokio::select! {
                // An end is told at once, however much there is to say.
                biased;
                () = over(self.ending.clone()) => return None,
                heard = self.listener.next() => match heard {
                    Heard::Event(envelope) => match self.event(&envelope) {
                        Some(event) => return Some(event),
                        None => continue,
                    },
                    Heard::Missed(missed) => {
                        return Some(format!("event: resync\ndata: {{\"missed\":{missed}}}\n\n"));
                    }
                    Heard::Over => return None,
                },
                () = sleep_until(self.next_ping) => {
                    self.next_ping = Instant::now() + PING_INTERVAL;
                    self.desk.attended();
                    return Some(PING.to_owned());
                }
            }
        }
    }

    /// An envelope as a server-sent event, if it is about a run that is watched.
    fn event(&self, envelope: &str) -> Option<String> {
        let head: Head<'_> = serde_json::from_str(envelope)
            .inspect_err(|error| tracing::error!(%error, "an event on the bus is no envelope"))
            .ok()?;
        if self.runs.as_ref().is_some_and(|runs| !runs.contains(head.training_id.as_ref())) {
            return None;
        }
        // Telemetry has no place of its own: a reader that comes back asks for what is durable.
        let id = head.seq.map_or_else(String::new, |seq| format!("id: {}.{seq}\n", head.training_id));
        Some(format!("{id}event: pulse\ndata: {envelope}\n\n"))
    }
}

/// What matters of an envelope here.
#[derive(Deserialize)]
struct Head<'e> {
    #[serde(borrow)]
    training_id: Cow<'e, str>,
    seq: Option<u64>,
}

/// Several names of runs at once fit into an address because none contains a comma.
#[cfg(test)]
mod tests {
    use resus_core::ids::{RunId, Slug};

    #[test]
    fn no_name_of_a_run_contains_the_separator() {
        assert!(RunId::new("a,b").is_err() && Slug::new("a,b").is_err());
    }
}
