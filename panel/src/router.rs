//! Every address of the API, in one table.

use crate::answer::{Refusal, problem};
use crate::desk::Desk;
use crate::limits::WAITING_MAX;
use crate::{checkpoints, daemon, events, output, removing, runs, story, stream, workloads};
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

/// What every request is answered from.
#[derive(Clone)]
pub struct Panel<D> {
    pub(crate) desk: D,
    waiting: Arc<Semaphore>,
    ending: watch::Receiver<bool>,
}

impl<D: Desk> Panel<D> {
    /// Answers from `desk`; requests that wait end when `ending` becomes true.
    #[must_use]
    pub fn new(desk: D, ending: watch::Receiver<bool>) -> Self {
        Self { desk, waiting: Arc::new(Semaphore::new(WAITING_MAX)), ending }
    }

    /// The right to keep a request waiting.
    pub(crate) fn may_wait(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.waiting.try_acquire().map_err(|_| too_many())
    }

    /// The same for an answer that goes on after its handler.
    pub(crate) fn may_stay(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| too_many())
    }

    /// Becomes true when the panel is about to end.
    pub(crate) fn ending_signal(&self) -> watch::Receiver<bool> {
        self.ending.clone()
    }

    /// Returns when the panel is about to end.
    pub(crate) async fn ending(&self) {
        over(self.ending.clone()).await;
    }

    /// Whether the panel is about to end.
    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

fn too_many() -> Problem {
    let detail = format!("{WAITING_MAX} requests wait already");
    problem(StatusCode::SERVICE_UNAVAILABLE, ExitCode::DaemonUnreachable, detail)
}

/// Returns when `ending` has become true.
pub(crate) async fn over(mut ending: watch::Receiver<bool>) {
    if ending.wait_for(|ending| *ending).await.is_err() {
        // A sender that is gone has no more to say: nobody will end us this way.
        std::future::pending::<()>().await;
    }
}

/// The API.
pub fn router<D: Desk>(panel: Panel<D>) -> Router {
    Router::new()
        .route("/v2/runs", get(runs::list::<D>).post(runs::submit::<D>))
        .route("/v2/plan", post(workloads::plan::<D>))
        .route("/v2/workloads", get(workloads::list::<D>))
        .route("/v2/runs/{run}", get(runs::one::<D>).delete(removing::delete::<D>))
        .route("/v2/runs/{run}/remove", post(removing::remove::<D>))
        .route("/v2/prune", post(removing::sweep::<D>))
        .route("/v2/runs/{run}/command", post(runs::command::<D>))
        .route("/v2/runs/{run}/rerun", post(runs::rerun::<D>))
        .route("/v2/runs/{run}/restore", post(checkpoints::restore::<D>))
        .route("/v2/runs/{run}/pin", post(checkpoints::pin::<D>))
        .route("/v2/runs/{run}/prune", post(checkpoints::prune::<D>))
        .route("/v2/runs/{run}/recheck", post(checkpoints::recheck::<D>))
        .route("/v2/runs/{run}/configure", post(runs::configure::<D>))
        .route("/v2/runs/{run}/checkpoints", get(checkpoints::list::<D>))
        .route("/v2/runs/{run}/events", get(events::after::<D>))
        .route("/v2/runs/{run}/curves", get(events::curves::<D>))
        .route("/v2/runs/{run}/story", get(story::after::<D>))
        .route("/v2/stream", get(stream::live::<D>))
        .route("/v2/runs/{run}/output", get(output::piece::<D>))
        .route("/v2/daemon", get(daemon::view::<D>))
        .route("/v2/daemon/stop", post(daemon::stop::<D>))
        .route("/v2/daemon/reload", post(daemon::reload::<D>))
        .route("/healthz", get(daemon::healthy))
        .route("/readyz", get(daemon::ready::<D>))
        .fallback(no_such_address)
        .method_not_allowed_fallback(wrong_method)
        .with_state(panel)
}

async fn no_such_address(uri: Uri) -> Refusal {
    let detail = format!("there is nothing at {}", uri.path());
    Refusal(problem(StatusCode::NOT_FOUND, ExitCode::NotFound, detail))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("{} does not understand {method}", uri.path());
    Refusal(problem(StatusCode::METHOD_NOT_ALLOWED, ExitCode::Usage, detail))
}
