//! From the ledger to a NATS server: one session after another, for ever.
//!
//! Nobody waits for this. What must not be lost is read from the ledger behind a mark that moves
//! with the server's acknowledgements; what may be lost waits in [`crate::slots::Slots`], the newest of each kind.

mod events;
mod mark;
mod node;
mod pages;
mod settle;
mod speaker;
mod states;
mod status;

pub(crate) use pages::Pages;
pub(crate) use status::Status;

use crate::clock;
use crate::door::Inner;
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use resus_bus::control::Endpoints;
use resus_bus::link::Link;
use resus_bus::nats::{NatsError, Session, retry_delay, salt_of};
use speaker::Speaker;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A session that lived for so long had a good start; the next one is tried soon again.
const GOOD_SESSION: Duration = Duration::from_secs(60);
/// What is said last has this long to reach the server when the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Publishes what happens on the server that `links` names, and lets `endpoints` answer what is
/// asked there, until `ending` becomes true.
pub(crate) async fn run<E: Endpoints>(
    inner: Arc<Inner>,
    mut links: watch::Receiver<Option<Arc<Link>>>,
    endpoints: E,
    mut ending: watch::Receiver<bool>,
) {
    inner.slots.want();
    let mut attempt = 1;
    let salt = salt_of(inner.node.as_str());
    while !*ending.borrow() {
        let Some(link) = links.borrow_and_update().clone() else {
            tokio::select! {
                Ok(()) = links.changed() => continue,
                _ = ending.wait_for(|ending| *ending) => return,
            }
        };
        let began = clock::now();
        tokio::select! {
            error = session(&inner, &link, &endpoints, &ending) => match error {
                None => return,
                Some(error) => {
                    inner.bus_status.failed(&link, &error);
                    inner.bus_status.waiting(inner.board.ledger_pos());
                }
            },
            // Another server, or the same one elsewhere.
            Ok(()) = links.changed() => { attempt = 1; continue; }
        }
        let lived = Duration::from_millis(clock::now().ms_since(began));
        attempt = if lived >= GOOD_SESSION { 2 } else { attempt + 1 };
        tokio::select! {
            () = tokio::time::sleep(retry_delay(attempt, salt)) => {}
            Ok(()) = links.changed() => attempt = 1,
            _ = ending.wait_for(|ending| *ending) => return,
        }
    }
}

/// One session from its beginning to its end; `None` if the daemon ends.
async fn session<E: Endpoints>(
    inner: &Arc<Inner>,
    link: &Arc<Link>,
    endpoints: &E,
    ending: &watch::Receiver<bool>,
) -> Option<NatsError> {
    let name = format!("resus {} on {}", inner.version, inner.node);
    let (is_ending, mut ending) = (ending.clone(), ending.clone());
    let opened = tokio::select! {
        opened = Session::open(link, &name, &inner.bus_setup) => opened,
        _ = ending.wait_for(|ending| *ending) => return None,
    };
    let session = match opened {
        Ok(session) => session,
        Err(error) => return Some(error),
    };
    let daemon = format!("{}-{}", inner.started_at.unix_ms, std::process::id());
    let control = session.control(
        &inner.bus_setup.namespace,
        &inner.node,
        (&inner.version, &daemon),
        endpoints.clone(),
        ending.clone(),
    );
    let mut speaker = Speaker::new(Arc::clone(inner), Arc::clone(link), &session);
    let speaking = async {
        tokio::select! {
            error = speaker.speak() => Some(error),
            _ = ending.wait_for(|ending| *ending) => None,
        }
    };
    // It may end first when the daemon does, and is not asked again then.
    let control = control.fuse();
    tokio::pin!(control);
    let error = tokio::select! {
        biased;
        error = speaking => error,
        reason = session.over() => Some(NatsError::Failed(reason)),
        result = &mut control => match result {
            Err(error) => Some(error),
            Ok(()) if *is_ending.borrow() => None,
            Ok(()) => Some(NatsError::Failed("nothing can be asked on the bus any more".to_owned())),
        },
    };
    if error.is_none() {
        // Those who ask get their answers while the last events go out.
        let answered = async {
            if !control.is_terminated() {
                let _said_in_the_log = control.await;
            }
        };
        let last = async { tokio::join!(speaker.last_words(), answered) };
        if timeout(LAST_WORDS, last).await.is_err() {
            tracing::warn!(
                "the daemon's last words did not reach the NATS server; the next daemon says them"
            );
        }
    }
    speaker.save();
    error
}
