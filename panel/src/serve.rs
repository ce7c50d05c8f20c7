//! Serving the API on a Unix socket.

use crate::desk::Desk;
use crate::limits::{CONNECTIONS_MAX, END_DEADLINE, HEAD_DEADLINE};
use crate::router::{Panel, over, router};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// After an accept that failed for want of something (descriptors, memory), the next is tried.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves `desk` on `listener` until `stop` is over; then no more connections are taken,
/// requests that wait are answered, and what is under way has [`END_DEADLINE`] to end.
///
/// The socket must lie in a folder that is closed to others; besides, a peer that runs as
/// somebody else (other than root) is hung up on.
pub async fn serve<D: Desk>(listener: UnixListener, desk: D, stop: impl Future<Output = ()>) {
    let (ending, is_ending) = watch::channel(false);
    let router = router(Panel::new(desk, is_ending.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, permit)) if is_ours(&stream) => {
                connections.spawn(connection(stream, router.clone(), is_ending.clone(), permit));
            }
            Ok(_stranger) => tracing::warn!("a process of another user tried to connect"),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    let _ = ending.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(END_DEADLINE, drained).await.is_err() {
        tracing::warn!(left = connections.len(), "requests were still under way at the end");
    }
}

async fn accept(
    listener: &UnixListener,
    room: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Root may do everything anyway.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

async fn connection(
    stream: UnixStream,
    router: Router,
    ending: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = over(ending) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        // Clients come and go as they like; it only matters to somebody who looks for it.
        tracing::debug!(%error, "a connection ended early");
    }
}
